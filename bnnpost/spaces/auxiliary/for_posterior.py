"""Auxiliary rejection for a posterior: whether there is any, and what it knows of the units."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.kernels import quadrature_error, self_kernel
from bnnpost.networks.activation import Activation
from bnnpost.networks.closed_forms import PiecewiseLinear
from bnnpost.networks.errors import LayerError
from bnnpost.networks.layers import Serial
from bnnpost.networks.linear import Dense, Linear
from bnnpost.networks.nonlinearities import Nonlinearity
from bnnpost.networks.priors import Fixed
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import FEATURE_DTYPES
from bnnpost.posterior import Posterior
from bnnpost.spaces.auxiliary.fourth_moments import (
    MOST_POINTS,
    FourthMoments,
    fourth_moments,
)
from bnnpost.spaces.auxiliary.hidden_layer import HiddenLayer
from bnnpost.spaces.auxiliary.law import Auxiliary, Known, auxiliary
from bnnpost.spaces.auxiliary.radius import Radius
from bnnpost.spaces.auxiliary.sizes import BoundedSizes, PiecewiseSizes
from bnnpost.spaces.network_parts import split_gaussian_readout

# Relative: features in single precision may pass the bound of their activation by rounding.
_ROUNDING = 1e-6
# With twice the step a kernel by a rule may move by so much, relative: for what is smooth its own
# error is about the square of that, and a kink or a jump moves it by more.
_MOST_MOVED = 1e-6
# Batches of units for E e^T, by which a draw's log weight is no more than shifted.
_NUM_BATCHES = 128
_TILT_KEY = 0x617578


class OneLayer(NamedTuple):
    """A network that auxiliary rejection is for. nonlinearity: φ."""

    hidden: Dense
    nonlinearity: Nonlinearity
    readout: Linear

    @property
    def normal(self) -> bool:
        """Whether a unit's input is."""
        return self.hidden.priors.weights is None and self.hidden.priors.biases is None

    @property
    def by_direction(self) -> bool:
        """Whether units are bounded by their direction alone."""
        return isinstance(self.nonlinearity, PiecewiseLinear)


def one_hidden_layer(posterior: Posterior) -> OneLayer:
    """What auxiliary rejection needs to know of the network.

    Raises ValueError, with the reason, where it is not for this posterior.
    """
    likelihood = posterior.likelihood
    if likelihood.known_std is None:
        raise _refused(f"Gaussian noise of known size, got {type(likelihood).__name__}")
    layers, readout = split_gaussian_readout(posterior.network)
    if readout is None or readout.random_scales or not readout.gaussian:
        raise _refused("a readout with Gaussian weights and biases of fixed scales")
    linear = [i for i, layer in enumerate(layers) if isinstance(layer, Linear)]
    if len(linear) != 1:
        raise _refused(f"one hidden layer, got {len(linear)}: for more there is no such bound")
    hidden, after = layers[linear[0]], layers[linear[0] + 1 :]
    if not isinstance(hidden, Dense) or hidden.random_scales:
        raise _refused("a Dense hidden layer of fixed scales, whose units are independent")
    if isinstance(hidden.priors.weights, Fixed) or isinstance(hidden.priors.biases, Fixed):
        raise _refused("hidden weights and biases that are random")
    if len(after) != 1 or not isinstance(after[0], Activation):
        raise _refused("an activation, and nothing else, after the hidden layer")
    found = OneLayer(hidden, after[0].nonlinearity, readout)
    if found.by_direction:
        if not found.normal:
            raise _refused(f"hidden weights and biases that are Gaussian, with {after[0].name}")
        if posterior.num_points > MOST_POINTS:
            raise _refused(f"at most {MOST_POINTS} points with {after[0].name}")
    elif not math.isfinite(found.nonlinearity.bound):
        raise _refused(
            f"an activation with a known bound, or one that is linear on both sides of 0, got "
            f"{after[0].name}: of a function of yours state it, Activation(f, bound=…)"
        )
    return found


def _refused(expected: str) -> ValueError:
    return ValueError(f"auxiliary rejection expects {expected}")


@in_double_precision
def auxiliary_for(posterior: Posterior, weights: bool, order: Int[np.ndarray, " n"]) -> Auxiliary:
    """Auxiliary rejection for a posterior, with about its constant.

    weights: whether a unit is drawn as its weights, and else as its outputs, eliminated in an
    order. Raises ValueError where there is no such rejection, or next to no unit would be kept.
    """
    layer = one_hidden_layer(posterior)
    known: Any = posterior.likelihood.known_std
    variances = np.full(posterior.num_points, float(known) ** 2)
    b_std = 0.0 if layer.readout.b_std is None else float(layer.readout.b_std)
    kernel = _kernel(posterior)
    hidden = HiddenLayer(posterior, jnp.float64, weights, order, layer.by_direction)
    of_unit = _known(posterior, layer, kernel, np.asarray(hidden.factor))
    width = layer.hidden.width
    return auxiliary(posterior.targets, variances, b_std**2, kernel, of_unit, width)


@in_double_precision
def with_constant(
    made: Auxiliary,
    posterior: Posterior,
    precision: str,
    weights: bool,
    order: Int[np.ndarray, " n"],
) -> Auxiliary:
    """The same with the whole of its constant, which units from the prior tell."""
    tilt, dtype = made.tilt, FEATURE_DTYPES[precision]
    hidden = HiddenLayer(posterior, dtype, weights, order, made.by_direction)
    draw = hidden.units(jax.random.key(_TILT_KEY))

    @jax.jit
    def rest(number: Array) -> Array:
        on_v = tilt.on_v(draw(number).features)
        return jnp.expm1(on_v.nats) - on_v.energies

    found = np.concatenate([np.asarray(rest(jnp.uint32(i))) for i in range(_NUM_BATCHES)])
    return made.with_rest(float(np.mean(found)), float(np.std(found) / math.sqrt(len(found))))


def _known(
    posterior: Posterior,
    layer: OneLayer,
    kernel: Float[np.ndarray, "n n"],
    factor: Float[np.ndarray, "n d"],
) -> Known:
    """What is known of a unit. factor: of the normals behind it."""
    width, w_std = layer.hidden.width, abs(float(layer.readout.w_std))
    if not layer.by_direction:
        bound = layer.nonlinearity.bound * w_std * (1 + _ROUNDING)
        scale = np.float64(bound**2 / (2 * width))
        fourth = _fourth(posterior, layer, kernel, Radius())
        return Known(BoundedSizes(scale), Radius(), fourth, bound)
    slopes: Any = layer.nonlinearity
    left, right, freedom = float(slopes.a), float(slopes.b), factor.shape[1]
    radius, rows = Radius(float(freedom)), w_std * math.sqrt(freedom / (2 * width)) * factor
    mean, half = 0.5 * (left + right), 0.5 * (right - left)
    sizes = PiecewiseSizes(rows, np.float64(mean), np.float64(half))
    fourth = _fourth(posterior, layer, kernel, radius)
    if fourth is None:
        raise _refused("fourth moments of units that are known to rounding: inputs are too similar")
    return Known(sizes, radius, fourth, math.inf)


def _kernel(posterior: Posterior) -> Float[np.ndarray, "n n"]:
    """E φφᵀ w_std² of one unit: exact, or by quadrature to near rounding."""
    hidden, readout = split_gaussian_readout(posterior.network)
    assert readout is not None
    network = Serial([*hidden, readout.without_bias()])
    try:
        found = np.asarray(self_kernel(network, jnp.asarray(posterior.x)))
    except (NotImplementedError, LayerError, TypeError) as error:  # none, or an estimate
        raise ValueError(f"auxiliary rejection needs the kernel of a unit: {error}") from None
    if not np.all(np.isfinite(found)):
        raise _refused("units of finite variance")
    moved = quadrature_error(network, posterior.x)
    if moved > _MOST_MOVED:
        raise _refused(
            "a unit's kernel that is known to near rounding; that of its activation is not: its "
            f"rule moves by {moved:.1g} when its step doubles. Give a smaller step, Activation(…, "
            "step=0.05), or where there is a kink or a jump a Nonlinearity with a closed form"
        )
    return found


def _fourth(
    posterior: Posterior, layer: OneLayer, kernel: Float[np.ndarray, "n n"], radius: Radius
) -> FourthMoments | None:
    """Those of a unit, where its inputs are normal and they are known."""
    if not layer.normal:
        return None
    hidden, _ = split_gaussian_readout(posterior.network)
    before: Any = hidden[:-1]
    covariance = np.asarray(self_kernel(Serial(before), jnp.asarray(posterior.x)))
    w_std = float(layer.readout.w_std)
    return fourth_moments(layer.nonlinearity, covariance, w_std, kernel, radius)
