"""Hamiltonian Monte Carlo in function space, by rotation."""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import LARGEST_STD, positive_integer
from bnnpost.numerics.random import exponential
from bnnpost.samplers.chains.kernel import (
    QUARTER_TURN,
    Arrays,
    Info,
    Kernel,
    Normals,
    Number,
    State,
    StepSize,
    chosen,
    combined,
    fresh,
    number,
    number_or_none,
    rotated,
    square,
    started,
)

# An energy that is lost by more than this many nats is called a divergence, as elsewhere.
_DIVERGENCE = 1000.0
# Angles of one trajectory are this part longer or shorter, at random, so that none is periodic.
_JITTER = 0.2


class Tuning(NamedTuple):
    """Of the rotation: its angle a step, and the gradient of the log weight at the state."""

    angle: StepSize
    gradient: Arrays


class _Phase(NamedTuple):
    position: Arrays
    momentum: Arrays
    log_weight: Float[Array, ""]
    gradient: Arrays
    kinetic_gain: Float[Array, ""]


def _count(value: object) -> np.int64:
    return np.int64(positive_integer("num_steps", value))


class Rotation(Kernel):
    """HMC whose steps turn (g, momentum) exactly and kick by the gradient of the log weight.

    The Gaussian part of the dynamics has no error at any step size (Shahbaba et al. 2014,
    section 3; Beskos et al. 2011); only the weight, which varies ever less with width, limits
    it. num_steps of an angle that is adapted in warmup, up to a quarter turn in all: where
    the weight is constant that is an independent draw. step_size, if not None, is the angle.
    """

    step_size: Number = eqx.field(default=None, converter=number_or_none("step_size", LARGEST_STD))
    target_accept: Number = eqx.field(default=0.8, converter=number("target_accept", 1.0))
    # With so few, acceptance is about the target at every width.
    num_steps: Number = eqx.field(default=3, converter=_count)
    name: ClassVar[str] = "hmc"
    gradients_per_step: ClassVar[int] = 1

    def init(self, key: Array, target: Normals) -> tuple[State, Array]:
        return started(key, target, lambda at: self.tuning(_weight_and_slope(target, at)[1]))

    def tuning(self, gradient: Arrays) -> "Tuning":
        """What a chain begins with, where the log weight has this gradient."""
        most = QUARTER_TURN / self.num_steps
        angle = jnp.where(jnp.isnan(self.step_size), 0.5 * most, self.step_size)
        return Tuning(StepSize.start(angle), gradient)

    def step(
        self, key: Array, state: State, target: Normals, adapting: Array
    ) -> tuple[State, Info]:
        momentum_key, jitter_key, threshold_key = jax.random.split(key, 3)
        adapting = adapting & jnp.isnan(self.step_size)
        jitter = jax.random.uniform(jitter_key, (), jnp.float64, 1 - _JITTER, 1 + _JITTER)
        angle = state.tuning.angle.value(adapting) * jitter
        momentum = fresh(momentum_key, state.position)
        end = trajectory(target, state, momentum, angle, self.num_steps)
        accepted = end.error <= exponential(threshold_key)
        position, log_weight, gradient = chosen(
            accepted,
            (end.position, end.log_weight, end.gradient),
            (state.position, state.log_weight, state.tuning.gradient),
        )
        rate = jnp.exp(jnp.minimum(0.0, -end.error))
        most = QUARTER_TURN / self.num_steps
        after = state.tuning.angle.updated(rate, self.target_accept, most)
        tuning = Tuning(chosen(adapting, after, state.tuning.angle), gradient)
        before = -state.log_weight + 0.5 * (square(state.position) + square(momentum))
        info = {
            "lp": log_weight - 0.5 * square(position),
            "acceptance_rate": rate,
            "n_steps": jnp.asarray(self.num_steps, jnp.int64),
            "diverging": end.error > _DIVERGENCE,
            "energy": before + jnp.where(accepted, end.error, 0.0),
            "energy_error": end.error,
        }
        return State(position, log_weight, tuning), info

    def tuned(self, state: State) -> Array:
        return state.tuning.angle.value(jnp.zeros((), bool))


class End(NamedTuple):
    """Where a trajectory ends; error: of the energy, in nats, ∞ where that is lost."""

    position: Arrays
    log_weight: Float[Array, ""]
    gradient: Arrays
    error: Float[Array, ""]


def trajectory(
    target: Normals, state: State, momentum: Arrays, angle: Array, num_steps: Number
) -> End:
    """So many rotations by an angle, from a state with a `Tuning` and a momentum."""
    none = jnp.zeros_like(state.log_weight)
    start = _Phase(state.position, momentum, state.log_weight, state.tuning.gradient, none)
    end = jax.lax.fori_loop(0, num_steps, lambda _, at: _leapt(target, at, angle), start)
    error = state.log_weight - end.log_weight + end.kinetic_gain
    error = jnp.where(jnp.isnan(error), jnp.inf, error)
    return End(end.position, end.log_weight, end.gradient, error)


def _weight_and_slope(target: Normals, position: Arrays) -> tuple[Array, Arrays]:
    log_weight, gradient = jax.value_and_grad(target.log_weight)(position)
    return log_weight, gradient


def _leapt(target: Normals, at: _Phase, angle: Array) -> _Phase:
    """After half a kick, a turn, half a kick; what kicks change of |p|²/2 is added up."""
    momentum, first = _kicked(at.momentum, at.gradient, 0.5 * angle)
    position, momentum = rotated(at.position, momentum, angle)
    log_weight, gradient = _weight_and_slope(target, position)
    momentum, second = _kicked(momentum, gradient, 0.5 * angle)
    return _Phase(position, momentum, log_weight, gradient, at.kinetic_gain + first + second)


def _kicked(momentum: Arrays, gradient: Arrays, size: Array) -> tuple[Arrays, Array]:
    """p + s∇, and by how much that raises |p|²/2: s∇·(p + s∇/2), which no cancellation spoils."""
    kicked = combined(lambda p, slope: p + size * slope, momentum, gradient)
    gains = [
        jnp.sum(
            (kicked[name].astype(jnp.float64) - p.astype(jnp.float64))
            * 0.5
            * (kicked[name].astype(jnp.float64) + p.astype(jnp.float64))
        )
        for name, p in momentum.items()
    ]
    return kicked, sum(gains, jnp.zeros((), jnp.float64))
