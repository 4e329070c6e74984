"""Trajectories by rotations, which bring chains together, and single rotations in which they meet.

A trajectory brings two chains near each other when both have the same momentum: in a wide network
the kick hardly depends on where one is. A single rotation then lets them be one: its proposals are
normal given where a chain is, and nearly always accepted, as it follows the gradient. Half of these
rotations are by smaller angles, of any size down to a 32nd: a chain that starts where the weight is
steep would stay there for good, as all that is larger is refused.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from bnnpost.numerics.random import exponential
from bnnpost.samplers.chains.kernel import (
    QUARTER_TURN,
    Arrays,
    Info,
    Normals,
    Number,
    State,
    chosen,
    fresh,
    number,
    square,
)
from bnnpost.samplers.chains.rotation import End, Rotation, trajectory
from bnnpost.samplers.coupled.pair_kernel import Moved, Paired, apart, each, halves, other_noise

_SMALLEST = 1 / 32
# Folded into the key of a single rotation for its angle.
_ANGLE = 0x616E676C


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
