"""Kernels in function space: preconditioned Crank–Nicolson, elliptical slice, HMC by rotation.

All three leave standard normals as they are without looking at the weight, which is why their
steps need not shrink as networks grow wide.
"""

import math
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bnnpost.numerics.random import exponential
from bnnpost.samplers.adaptation import StepSize
from bnnpost.samplers.kernels import (
    Arrays,
    NormalsKernel,
    Number,
    State,
    combined,
    fresh,
    rotated,
    square,
)
from bnnpost.spaces.space import Space

QUARTER_TURN = math.pi / 2
# An energy that is lost by more than this many nats is called a divergence, as elsewhere.
_DIVERGENCE = 1000.0
# Angles of one trajectory are this part longer or shorter, at random, so that none is periodic.
_JITTER = 0.2


class CrankNicolson(NormalsKernel):
    """g′ = √(1−β²) g + β ν, accepted with probability min(1, w(g′)/w(g)) (Cotter et al. 2013).

    β is adapted in warmup towards the target acceptance, up to 1 (a fresh prior draw);
    `step_size`, if not NaN, is β and stays as it is.
    """

    space: Space
    num_warmup: Number
    step_size: Number
    target: Number
    name: ClassVar[str] = "pcn"

    def start(self, normals: Arrays) -> StepSize:
        del normals
        given = jnp.isnan(self.step_size)
        return StepSize.start(jnp.where(given, 0.5, jnp.arcsin(self.step_size)))

    def step(self, key: Array, state: State, number: Array) -> State:
        normal_key, threshold_key = jax.random.split(key)
        adapting = (number < self.num_warmup) & jnp.isnan(self.step_size)
        angle = state.tuning.value(adapting)
        proposal, _ = rotated(state.normals, fresh(normal_key, state.normals), angle)
        log_weight, undefined = self.weighed(proposal)
        gain = log_weight - state.log_weight
        accepted = gain >= -exponential(threshold_key)
        normals, kept = chosen(accepted, (proposal, log_weight), (state.normals, state.log_weight))
        rate = jnp.minimum(1.0, jnp.exp(gain))
        after = state.tuning.updated(rate, self.target, QUARTER_TURN)
        stats = {
            "lp": kept - 0.5 * square(normals),
            "acceptance_rate": rate,
            "n_steps": jnp.ones((), jnp.int64),
            "diverging": undefined,
        }
        return State(normals, kept, chosen(adapting, after, state.tuning), stats)

    def tuned(self, state: State) -> Array:
        return jnp.sin(state.tuning.value(jnp.zeros((), bool)))


class EllipticalSlice(NormalsKernel):
    """g′ on an ellipse through g, the bracket of angles shrunk until the weight is above a level.

    Murray, Adams and MacKay (2010), figure 2; there is nothing to tune. n_steps counts
    evaluations of the weight.
    """

    space: Space
    num_warmup: Number
    name: ClassVar[str] = "elliptical_slice"

    def start(self, normals: Arrays) -> tuple[()]:
        del normals
        return ()

    def step(self, key: Array, state: State, number: Array) -> State:
        del number
        normal_key, level_key, angle_key = jax.random.split(key, 3)
        other = fresh(normal_key, state.normals)
        level = state.log_weight - exponential(level_key)

        def below(carry: "_Bracket") -> Array:
            # Once nothing is left of the bracket the state stays; rounding can lead there.
            return ~(carry.log_weight >= level) & (carry.evaluations < _MOST_EVALUATIONS)

        def shrink(carry: "_Bracket") -> "_Bracket":
            draw_key = jax.random.fold_in(angle_key, carry.evaluations)
            share = jax.random.uniform(draw_key, (), jnp.float64)
            angle = carry.low + (carry.high - carry.low) * share
            normals, _ = rotated(state.normals, other, angle)
            # The first bracket is the whole ellipse, and breaks at the first angle.
            low = jnp.where(carry.evaluations == 0, angle - 2 * math.pi, carry.low)
            negative = angle < 0
            low, high = jnp.where(negative, angle, low), jnp.where(negative, carry.high, angle)
            log_weight, undefined = self.weighed(normals)
            undefined = carry.undefined | undefined
            return _Bracket(low, high, normals, log_weight, carry.evaluations + 1, undefined)

        nothing, whole = jnp.zeros((), jnp.float64), jnp.full((), 2 * math.pi, jnp.float64)
        none, well = jnp.zeros((), jnp.int64), jnp.zeros((), bool)
        first = _Bracket(nothing, whole, state.normals, nothing - jnp.inf, none, well)
        last = jax.lax.while_loop(below, shrink, first)
        normals, log_weight = chosen(
            last.log_weight >= level,
            (last.normals, last.log_weight),
            (state.normals, state.log_weight),
        )
        stats = {
            "lp": log_weight - 0.5 * square(normals),
            "acceptance_rate": 1 / last.evaluations.astype(jnp.float64),
            "n_steps": last.evaluations,
            "diverging": last.undefined,
        }
        return State(normals, log_weight, state.tuning, stats)


# Brackets are then narrower than 2π·0.5^100 of a turn, all but surely.
_MOST_EVALUATIONS = 200


class _Bracket(NamedTuple):
    """What is left of the ellipse, around the state at 0, and the last point of it looked at.

    undefined: whether the weight was, at any point looked at.
    """

    low: Float[Array, ""]
    high: Float[Array, ""]
    normals: Arrays
    log_weight: Float[Array, ""]
    evaluations: Array
    undefined: Bool[Array, ""]


class _Tuning(NamedTuple):
    """Of the rotation: its angle a step, and the gradient of the log weight at the state."""

    angle: StepSize
    gradient: Arrays


class Rotation(NormalsKernel):
    """HMC whose steps turn (g, momentum) exactly and kick by the gradient of the log weight.

    The Gaussian part of the dynamics has no error at any step size (Shahbaba et al. 2014,
    section 3; Beskos et al. 2011); only the weight, which varies ever less with width, limits
    it. num_steps of an angle that is adapted in warmup, up to a quarter turn in all: where
    the weight is constant that is an independent draw. `step_size`, if not NaN, is the angle.
    """

    space: Space
    num_warmup: Number
    step_size: Number
    target: Number
    num_steps: Number
    name: ClassVar[str] = "hmc"

    @property
    def gradients_per_step(self) -> int:
        return 1

    def start(self, normals: Arrays) -> _Tuning:
        most = QUARTER_TURN / self.num_steps
        angle = jnp.where(jnp.isnan(self.step_size), 0.5 * most, self.step_size)
        return _Tuning(StepSize.start(angle), self._gradient(normals)[1])

    def _gradient(self, normals: Arrays) -> tuple[Array, Arrays]:
        log_weight, gradient = jax.value_and_grad(self.log_weight)(normals)
        return log_weight, gradient

    def _no_stats(self) -> Arrays:
        nothing = jnp.zeros((), jnp.float64)
        return {**super()._no_stats(), "energy": nothing, "energy_error": nothing}

    def step(self, key: Array, state: State, number: Array) -> State:
        momentum_key, jitter_key, threshold_key = jax.random.split(key, 3)
        adapting = (number < self.num_warmup) & jnp.isnan(self.step_size)
        jitter = jax.random.uniform(jitter_key, (), jnp.float64, 1 - _JITTER, 1 + _JITTER)
        angle = state.tuning.angle.value(adapting) * jitter
        momentum = fresh(momentum_key, state.normals)
        before = -state.log_weight + 0.5 * (square(state.normals) + square(momentum))
        start = _Phase(
            state.normals, momentum, state.log_weight, state.tuning.gradient, jnp.zeros_like(before)
        )
        end = jax.lax.fori_loop(0, self.num_steps, lambda _, at: self._leap(at, angle), start)
        error = state.log_weight - end.log_weight + end.kinetic_gain
        error = jnp.where(jnp.isnan(error), jnp.inf, error)
        accepted = error <= exponential(threshold_key)
        normals, log_weight, gradient = chosen(
            accepted,
            (end.normals, end.log_weight, end.gradient),
            (state.normals, state.log_weight, state.tuning.gradient),
        )
        rate = jnp.exp(jnp.minimum(0.0, -error))
        most = QUARTER_TURN / self.num_steps
        after = state.tuning.angle.updated(rate, self.target, most)
        tuning = _Tuning(chosen(adapting, after, state.tuning.angle), gradient)
        stats = {
            "lp": log_weight - 0.5 * square(normals),
            "acceptance_rate": rate,
            "n_steps": jnp.asarray(self.num_steps, jnp.int64),
            "diverging": error > _DIVERGENCE,
            "energy": before + jnp.where(accepted, error, 0.0),
            "energy_error": error,
        }
        return State(normals, log_weight, tuning, stats)

    def _leap(self, at: "_Phase", angle: Array) -> "_Phase":
        """Half a kick, a turn, half a kick; what kicks change of |p|²/2 is added up."""
        momentum, first = _kicked(at.momentum, at.gradient, 0.5 * angle)
        normals, momentum = rotated(at.normals, momentum, angle)
        log_weight, gradient = self._gradient(normals)
        momentum, second = _kicked(momentum, gradient, 0.5 * angle)
        return _Phase(normals, momentum, log_weight, gradient, at.kinetic_gain + first + second)

    def tuned(self, state: State) -> Array:
        return state.tuning.angle.value(jnp.zeros((), bool))


class _Phase(NamedTuple):
    normals: Arrays
    momentum: Arrays
    log_weight: Float[Array, ""]
    gradient: Arrays
    kinetic_gain: Float[Array, ""]


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


def chosen(condition: Array, yes: Any, no: Any) -> Any:
    """One of two trees of arrays."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
