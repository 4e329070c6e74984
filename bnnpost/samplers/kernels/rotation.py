"""Hamiltonian Monte Carlo in function space, by rotation, for one chain or two.

Trajectories bring two chains near each other when both have the same momentum: in a wide network
the kick hardly depends on where one is. A single rotation then lets them be one: its proposals are
normal given where a chain is, and nearly always accepted, as it follows the gradient. Half of these
rotations are by smaller angles, of any size down to a 32nd: a chain that starts where the weight is
steep would stay there for good, as all that is larger is refused.
"""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import LARGEST_STD, positive_integer
from bnnpost.numerics.random import exponential
from bnnpost.samplers.kernels.kernel import (
    QUARTER_TURN,
    Arrays,
    Coupling,
    Info,
    Kernel,
    Moved,
    Normals,
    Number,
    Paired,
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
from bnnpost.samplers.kernels.pairing import apart, each, halves, other_noise

# An energy that is lost by more than this many nats is called a divergence, as elsewhere.
_DIVERGENCE = 1000.0
# Rotations of a trajectory that pairs try, the cheapest first, each with what it is to accept: the
# more, the smaller, as chains of which one accepts where the other does not go apart again.
_TRIED = ((3, 0.9), (5, 0.95), (8, 0.97), (12, 0.98), (16, 0.985))
# A weight with its gradient costs so many without.
_GRADIENT = 3
# Of the angle of a single rotation the smallest share, and what is folded into its key for it.
_SMALLEST, _ANGLE = 1 / 32, 0x616E676C
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

    def coupling(self) -> Coupling:
        accept, count = float(self.target_accept), int(self.num_steps)
        return Coupling(
            # The second is the single rotation in which chains meet.
            (self, Rotation(None, 0.95, 1)),
            lambda step, meeting: Blend(Rotation(step, accept, count), meeting),
            _GRADIENT * (count + 1),
        )

    @classmethod
    def tried(cls) -> "list[Rotation]":
        return [cls(None, accept, count) for count, accept in _TRIED]


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


class Blend(Paired):
    """A trajectory by rotations of a fixed angle, and then a single rotation by another one.

    The latter is by meeting_angle or, half of the time, by a smaller angle, at random. Nothing is
    adapted: an adapting chain may not be coupled. Raises ValueError for a meeting_angle that is not
    in (0, π/2], or rotations whose angle is to be adapted.
    """

    rotation: Rotation
    meeting_angle: Number = eqx.field(converter=number("meeting_angle", QUARTER_TURN))
    name: ClassVar[str] = "hmc"
    gradients_per_step: ClassVar[int] = 1

    def __check_init__(self) -> None:
        if jnp.isnan(self.rotation.step_size):
            raise ValueError("expected rotations of a fixed angle: give step_size")

    def settings(self) -> dict[str, Any]:
        return {
            "num_rotations": int(self.rotation.num_steps),
            "angle": float(self.rotation.step_size),
            "meeting_angle": float(self.meeting_angle),
        }

    def init(self, key: Array, target: Normals) -> tuple[State, Array]:
        return self.rotation.init(key, target)

    def step(
        self, key: Array, state: State, target: Normals, adapting: Array
    ) -> tuple[State, Info]:
        turn_key, meeting_key = jax.random.split(key)
        state, info = self.rotation.step(turn_key, state, target, adapting)
        momentum_key, threshold_key = jax.random.split(meeting_key)
        momentum = fresh(momentum_key, state.position)
        end = trajectory(target, state, momentum, self._angle(meeting_key), 1)
        state, _ = _decided(state, end, exponential(threshold_key))
        lp = state.log_weight - 0.5 * square(state.position)
        return state, {**info, "lp": lp, "n_steps": info["n_steps"] + 1}

    def at(self, target: Normals, position: Arrays) -> State:
        log_weight, gradient = jax.value_and_grad(target.log_weight)(position)
        return State(position, log_weight, self.rotation.tuning(gradient))

    def moved(self, key: Array, pair: State, target: Normals, count: Array) -> Moved:
        turn_key, meeting_key = jax.random.split(key)
        never = jnp.zeros((), bool)

        def turned(one: State, _: Arrays) -> tuple[State, Array]:
            after, info = self.rotation.step(turn_key, one, target, never)
            return after, info["acceptance_rate"]

        pair, rates = each(count, turned, pair, pair.position)
        pair, met = self._met(meeting_key, pair, target, count)
        return Moved(pair, met, rates[0], count * (self.rotation.num_steps + 1))

    def _met(self, key: Array, pair: State, target: Normals, count: Array) -> tuple[State, Array]:
        """After a single rotation, and whether the two are one."""
        momentum_key, threshold_key = jax.random.split(key)
        x, y = halves(pair)
        momentum = fresh(momentum_key, x.position)
        angle = self._angle(key)
        kicks = apart(x.tuning.gradient, y.tuning.gradient, 0.5 * angle)
        means = apart(x.position, y.position, 1 / jnp.tan(angle))
        between = jax.tree.map(jnp.add, means, kicks)
        other, same = other_noise(key, between, momentum)
        momenta = {name: jnp.stack([momentum[name], other[name]]) for name in momentum}
        threshold = exponential(threshold_key)

        def turned(one: State, momentum: Arrays) -> tuple[State, Array]:
            end = trajectory(target, one, momentum, angle, 1)
            after, accepted = _decided(one, end, threshold)
            return after, accepted.astype(jnp.float64)

        pair, accepted = each(count, turned, pair, momenta)
        met = same & (jnp.sum(accepted) > 1.5)
        first, second = halves(pair)
        # The same point, but for rounding.
        second = chosen(met, first, second)
        return jax.tree.map(lambda *arrays: jnp.stack(arrays), first, second), met

    def tuned(self, state: State) -> Array:
        return self.rotation.tuned(state)

    def _angle(self, key: Array) -> Array:
        """Of the single rotation with this key."""
        draws = jax.random.uniform(jax.random.fold_in(key, _ANGLE), (2,), jnp.float64)
        smaller = self.meeting_angle * _SMALLEST ** draws[1]
        return jnp.where(draws[0] < 0.5, self.meeting_angle, smaller)


def _decided(state: State, end: End, threshold: Array) -> tuple[State, Array]:
    accepted = end.error <= threshold
    tuning = state.tuning._replace(gradient=end.gradient)
    return chosen(accepted, State(end.position, end.log_weight, tuning), state), accepted
