"""A network as the first-order theory sees it: hidden layers, and what is made of their units."""

from typing import NamedTuple

from bnnpost.networks.activation import Activation
from bnnpost.networks.layers import Layer, Serial
from bnnpost.networks.linear import Dense


class Hidden(NamedTuple):
    """A hidden layer of `width` units, and the variances that the layer after multiplies with."""

    width: int
    activation: Activation
    weight_var: float
    bias_var: float


def hidden_layers(network: Layer) -> tuple[Dense, list[Hidden]]:
    """The first Dense layer, and the hidden layers.

    Raises ValueError for anything but Dense layers of normal weights and fixed scales, with at
    most one activation between two of them and none after the last.
    """
    layers = network.flattened() if isinstance(network, Serial) else (network,)
    dense: list[Dense] = []
    between: list[list[Activation]] = []
    for layer in layers:
        if isinstance(layer, Dense):
            dense.append(_checked(layer, len(dense)))
            between.append([])
        elif isinstance(layer, Activation) and dense:
            between[-1].append(layer)
        else:
            raise ValueError(
                "the first-order theory is that of multilayer perceptrons: expected Dense layers "
                f"with an Activation between them, got {type(layer).__name__}"
            )
    if between[-1] or any(len(found) > 1 for found in between):
        raise ValueError(
            "expected at most one Activation between two Dense layers, and none after the last"
        )
    if len(dense) < 2:
        raise ValueError("the network has no hidden layer: its posterior is its limit at any width")
    activations = [found[0] if found else Activation("identity") for found in between]
    steps = zip(dense[:-1], activations[:-1], dense[1:], strict=True)
    return dense[0], [Hidden(d.width, a, *_variances(after)) for d, a, after in steps]


def _checked(layer: Dense, number: int) -> Dense:
    if layer.random_scales:
        raise ValueError(
            f"linear layer {number} has a random scale: its limit is a mixture of Gaussian "
            "processes, which the first-order theory does not cover; expected numbers for "
            "w_std and b_std"
        )
    if not layer.gaussian:
        raise ValueError(
            f"linear layer {number} has weights or biases that are not normal, which the "
            "first-order theory does not cover; expected normal ones"
        )
    return layer


def _variances(layer: Dense) -> tuple[float, float]:
    bias = 0.0 if layer.b_std is None else float(layer.b_std) ** 2
    return float(layer.w_std) ** 2, bias
