"""What a deep linear network is to its posterior: widths, and variances with all scales in them."""

import math
from typing import NamedTuple

import numpy as np

from bnnpost.networks.activation import Activation
from bnnpost.networks.closed_forms import PiecewiseLinear
from bnnpost.networks.layers import Layer, Serial
from bnnpost.networks.linear import Dense
from bnnpost.networks.pooling import Flatten
from bnnpost.posterior import Posterior


class DeepShape(NamedTuple):
    """What a linear network is: variances of the first layer and of the bias of the readout.

    widths: of the hidden layers. weight, first_bias: variances with S = Π χ²/N: all scales and
    slopes are in these.
    """

    widths: tuple[int, ...]
    weight: float
    first_bias: float
    readout_bias: float

    def kernels(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        """What S multiplies, [m, m], and what is added to all entries."""
        rows = x.reshape(len(x), -1)
        inner = rows @ rows.T / rows.shape[1]
        return self.weight * inner + self.first_bias, self.readout_bias


def shape_of(posterior: Posterior) -> DeepShape:
    """Raises ValueError for a network or a likelihood of another kind."""
    if posterior.likelihood.known_std is None:
        raise ValueError(
            "expected Gaussian noise of known size, got "
            f"{type(posterior.likelihood).__name__}: draw with bnnpost.rejection.sample instead"
        )
    network = posterior.network
    layers = network.flattened() if isinstance(network, Serial) else (network,)
    dense, slope = [], 1.0
    for number, layer in enumerate(layers):
        if isinstance(layer, Dense):
            _check_dense(layer, number)
            dense.append(layer)
        elif isinstance(layer, Activation):
            slope *= _slope(layer, number)
        elif not isinstance(layer, Flatten) or dense:
            raise _not_linear(layer, number)
    for number, layer in enumerate(dense[1:-1], 1):
        if layer.b_std is not None:
            raise ValueError(
                f"linear layer {number} has biases: with them the scale is no longer one number. "
                "Give b_std=0 to hidden layers after the first"
            )
    widths = tuple(layer.width for layer in dense[:-1])
    product = math.prod(float(layer.w_std) ** 2 for layer in dense[1:]) * slope**2
    first, last = (_variance(dense[i].b_std) for i in (0, -1))
    own = float(dense[0].w_std) ** 2
    if len(dense) == 1:
        return DeepShape((), own * slope**2, 0.0, last * slope**2)
    return DeepShape(widths, own * product, first * product, last)


def _variance(std: object) -> float:
    return 0.0 if std is None else float(std) ** 2  # type: ignore[arg-type]


def _check_dense(layer: Dense, number: int) -> None:
    if not layer.gaussian or layer.random_scales:
        raise ValueError(
            f"layer {number} has weights, biases or scales with a law of their own: expected "
            "normal ones, and numbers for w_std and b_std"
        )


def _slope(layer: Activation, number: int) -> float:
    given = layer.nonlinearity
    if not isinstance(given, PiecewiseLinear) or float(given.a) != float(given.b):
        raise _not_linear(layer, number)
    return float(given.a)


def _not_linear(layer: Layer, number: int) -> ValueError:
    name = layer.name if isinstance(layer, Activation) else type(layer).__name__
    return ValueError(
        f"layer {number}, {name}, is not linear as a dense layer is: expected Dense layers and "
        'Activation("identity"), perhaps after Flatten; bnnpost.theory covers others to first order'
    )
