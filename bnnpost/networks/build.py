"""Ready-made networks."""

from collections.abc import Callable

from jaxtyping import Array

from bnnpost.arguments import LARGEST_WIDTH, positive_integer
from bnnpost.networks.activation import Activation
from bnnpost.networks.layers import MOST_LAYERS, Layer, Map, Serial
from bnnpost.networks.linear import Dense, Linear


def mlp(
    *,
    width: int = 256,
    depth: int = 2,
    activation: str | Callable[[Array], Array] | Activation = "erf",
    w_std: object = 1.5,
    b_std: object = 0.1,
    prior: object = None,
    bias_prior: object = None,
    num_outputs: int = 1,
    readout_w_std: object = None,
    readout_b_std: object = None,
    readout_prior: object = None,
    readout_bias_prior: object = None,
) -> Serial:
    """A multilayer perceptron with `depth` hidden layers of `width` units and a linear readout.

    w_std, b_std: prior standard deviations of every layer (weights have variance
    w_std²/fan_in), numbers or laws as in `Dense`; prior, bias_prior: laws of the weights and
    biases that these multiply, standard normal by default. readout_…: those of the readout,
    where they differ.
    Raises ValueError for a width, depth or num_outputs below 1 or an unknown activation.
    """
    depth = positive_integer("depth", depth, MOST_LAYERS // 2)
    act = activation if isinstance(activation, Activation) else Activation(activation)
    hidden: list[Layer] = []
    for _ in range(depth):
        layer = Dense(width, w_std=w_std, b_std=b_std, prior=prior, bias_prior=bias_prior)
        hidden += [layer, act]
    if readout_bias_prior is None and not _is_zero(readout_b_std):
        readout_bias_prior = bias_prior
    readout = Dense(
        positive_integer("num_outputs", num_outputs),
        w_std=w_std if readout_w_std is None else readout_w_std,
        b_std=b_std if readout_b_std is None else readout_b_std,
        prior=prior if readout_prior is None else readout_prior,
        bias_prior=readout_bias_prior,
    )
    return Serial([*hidden, readout])


def _is_zero(b_std: object) -> bool:
    return isinstance(b_std, int | float) and b_std == 0


def at_width(network: Layer, width: int) -> Layer:
    """The same network with every hidden layer `width` units wide; the readout stays as it is.

    Raises ValueError for a width below 1 or a network that does not end in a linear readout.
    """
    width = positive_integer("width", width, LARGEST_WIDTH)
    layers = network.flattened()
    readout = len(layers) - 1
    while readout > 0 and isinstance(layers[readout], Map):
        readout -= 1
    if not isinstance(layers[readout], Linear):
        raise ValueError(
            "expected a network that ends in its readout, such as Dense(num_outputs), got one that "
            f"ends in {type(layers[readout]).__name__}"
        )
    hidden = [layer.at_width(width) for layer in layers[:readout]]
    return Serial([*hidden, *layers[readout:]])
