"""Trajectories by rotations, which bring chains together, and single rotations in which they meet.

A trajectory brings two chains near each other when both have the same momentum: in a wide network
the kick hardly depends on where one is. A single rotation then lets them be one: its proposals are
normal given where a chain is, and nearly always accepted, as it follows the gradient.
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


class Blend(Paired):
    """A trajectory by rotations of a fixed angle, and then a single rotation by another one.

    Nothing is adapted: an adapting chain may not be coupled. Raises ValueError for an angle of the
    single rotation that is not in (0, π/2], or rotations whose angle is to be adapted.
    """

    rotation: Rotation
    meeting_angle: Number = eqx.field(converter=number("meeting_angle", QUARTER_TURN))
    name: ClassVar[str] = "hmc"
    gradients_per_step: ClassVar[int] = 1

    def __check_init__(self) -> None:
        if jnp.isnan(self.rotation.step_size):
            raise ValueError("expected rotations of a fixed angle: give step_size")

    @property
    def evaluations_per_step(self) -> int:  # type: ignore[override]
        return int(self.rotation.num_steps) + 1

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
        end = self._turned(target, state, fresh(momentum_key, state.position))
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
        kicks = apart(x.tuning.gradient, y.tuning.gradient, 0.5 * self.meeting_angle)
        means = apart(x.position, y.position, 1 / jnp.tan(self.meeting_angle))
        between = jax.tree.map(jnp.add, means, kicks)
        other, same = other_noise(key, between, momentum)
        momenta = {name: jnp.stack([momentum[name], other[name]]) for name in momentum}
        threshold = exponential(threshold_key)

        def turned(one: State, momentum: Arrays) -> tuple[State, Array]:
            end = self._turned(target, one, momentum)
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

    def _turned(self, target: Normals, state: State, momentum: Arrays) -> End:
        return trajectory(target, state, momentum, self.meeting_angle, 1)


def _decided(state: State, end: End, threshold: Array) -> tuple[State, Array]:
    accepted = end.error <= threshold
    tuning = state.tuning._replace(gradient=end.gradient)
    return chosen(accepted, State(end.position, end.log_weight, tuning), state), accepted
