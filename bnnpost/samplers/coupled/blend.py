"""Trajectories by rotations, which bring chains together, and small steps in which they meet.

A trajectory brings two chains near each other when both have the same momentum: in a wide network
the kick hardly depends on where one is. A small Crank–Nicolson step then lets them be one.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from bnnpost.samplers.chains.kernel import (
    Arrays,
    Info,
    Normals,
    Number,
    State,
    number,
    square,
)
from bnnpost.samplers.chains.rotation import Rotation
from bnnpost.samplers.coupled.pair_kernel import Moved, Paired, Walk, each


class Blend(Paired):
    """A trajectory by rotations, of a fixed angle, and then a Crank–Nicolson step of size β.

    Nothing is adapted: an adapting chain may not be coupled. Raises ValueError for a β not in
    (0, 1], or rotations whose angle is to be adapted.
    """

    rotation: Rotation
    step_size: Number = eqx.field(default=0.05, converter=number("step_size", 1.0))
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
            "step_size": float(self.step_size),
        }

    def init(self, key: Array, target: Normals) -> tuple[State, Array]:
        return self.rotation.init(key, target)

    def step(
        self, key: Array, state: State, target: Normals, adapting: Array
    ) -> tuple[State, Info]:
        turn_key, walk_key = jax.random.split(key)
        state, info = self.rotation.step(turn_key, state, target, adapting)
        state = self._walk(target).step(walk_key, state)
        lp = state.log_weight - 0.5 * square(state.position)
        return state, {**info, "lp": lp, "n_steps": info["n_steps"] + 1}

    def at(self, target: Normals, position: Arrays) -> State:
        log_weight, gradient = jax.value_and_grad(target.log_weight)(position)
        return State(position, log_weight, self.rotation.tuning(gradient))

    def moved(self, key: Array, pair: State, target: Normals, count: Array) -> Moved:
        turn_key, walk_key = jax.random.split(key)
        never = jnp.zeros((), bool)

        def turned(one: State, _: Arrays) -> tuple[State, Array]:
            after, info = self.rotation.step(turn_key, one, target, never)
            return after, info["acceptance_rate"]

        pair, rates = each(count, turned, pair, pair.position)
        walked = self._walk(target).moved(walk_key, pair, count)
        evaluations = count * (self.rotation.num_steps + 1)
        return Moved(walked.pair, walked.met, rates[0], evaluations)

    def tuned(self, state: State) -> Array:
        return self.rotation.tuned(state)

    def _walk(self, target: Normals) -> Walk:
        def arrive(state: State, position: Arrays) -> State:
            log_weight, gradient = jax.value_and_grad(target.log_weight)(position)
            return State(position, log_weight, state.tuning._replace(gradient=gradient))

        return Walk(jnp.arcsin(self.step_size), arrive)
