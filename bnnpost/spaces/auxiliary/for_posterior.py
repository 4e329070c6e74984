"""Auxiliary rejection for a posterior: whether there is any, and what it knows of the units."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.kernels import quadrature_error, self_kernel
from bnnpost.networks.activation import Activation
from bnnpost.networks.errors import LayerError
from bnnpost.networks.layers import Serial
from bnnpost.networks.linear import Dense, Linear
from bnnpost.networks.priors import Fixed
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import FEATURE_DTYPES
from bnnpost.posterior import Posterior
from bnnpost.spaces.auxiliary.fourth_moments import FourthMoments, fourth_moments
from bnnpost.spaces.auxiliary.hidden_layer import HiddenLayer
from bnnpost.spaces.auxiliary.law import Auxiliary, auxiliary
from bnnpost.spaces.network_parts import split_gaussian_readout

# Relative: features in single precision may pass the bound of their activation by rounding.
_ROUNDING = 1e-6
# With twice the step a kernel by a rule may move by so much, relative: for what is smooth its own
# error is about the square of that, and a kink or a jump moves it by more.
_MOST_MOVED = 1e-6
# Batches of units for E e^{X_v}, by which a draw's log weight is no more than shifted.
_NUM_BATCHES = 128
_TILT_KEY = 0x617578


class OneLayer(NamedTuple):
    """A network that auxiliary rejection is for."""

    width: int
    bound: float
    readout: Linear


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
    bound = after[0].nonlinearity.bound
    if not math.isfinite(bound):
        raise _refused(
            f"an activation with a known bound, got {after[0].name}: of a function of yours state "
            "it, Activation(f, bound=…)"
        )
    return OneLayer(hidden.width, bound * abs(float(readout.w_std)) * (1 + _ROUNDING), readout)


def _refused(expected: str) -> ValueError:
    return ValueError(f"auxiliary rejection expects {expected}")


@in_double_precision
def auxiliary_for(posterior: Posterior) -> Auxiliary:
    """Auxiliary rejection for a posterior, with about its constant.

    Raises ValueError where there is none, or next to no unit would be kept.
    """
    layer = one_hidden_layer(posterior)
    known: Any = posterior.likelihood.known_std
    variances = np.full(posterior.num_points, float(known) ** 2)
    b_std = 0.0 if layer.readout.b_std is None else float(layer.readout.b_std)
    kernel = _kernel(posterior)
    return auxiliary(
        posterior.targets,
        variances,
        b_std**2,
        kernel,
        layer.bound,
        layer.width,
        _fourth(posterior, layer, kernel),
    )


@in_double_precision
def with_constant(
    made: Auxiliary,
    posterior: Posterior,
    precision: str,
    weights: bool,
    order: Int[np.ndarray, " n"],
) -> Auxiliary:
    """The same with the whole of its constant, which units from the prior tell."""
    tilt, hidden = made.tilt, HiddenLayer(posterior, FEATURE_DTYPES[precision], weights, order)
    draw = hidden.units(jax.random.key(_TILT_KEY))

    @jax.jit
    def rest(number: Array) -> Array:
        energies = tilt.energies(draw(number).features)
        return jnp.expm1(energies) - energies

    found = np.concatenate([np.asarray(rest(jnp.uint32(i))) for i in range(_NUM_BATCHES)])
    return made.with_rest(float(np.mean(found)), float(np.std(found) / math.sqrt(len(found))))


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
    posterior: Posterior, layer: OneLayer, kernel: Float[np.ndarray, "n n"]
) -> FourthMoments | None:
    """Those of a unit, where its inputs are normal and they are known."""
    hidden, _ = split_gaussian_readout(posterior.network)
    before: Any = hidden[:-1]
    activation: Any = hidden[-1]
    linear = before[-1]
    if linear.priors.weights is not None or linear.priors.biases is not None:
        return None
    covariance = np.asarray(self_kernel(Serial(before), jnp.asarray(posterior.x)))
    w_std = float(layer.readout.w_std)
    return fourth_moments(activation.nonlinearity, covariance, w_std, kernel)
