"""A transition under which two chains come together and then meet exactly.

A trajectory by rotations brings two chains near each other when both have the same momentum: in
a wide network the kick hardly depends on where one is. A small Crank–Nicolson step, its proposals
by reflection and maximal coupling, then lets them be one (Heng and Jacob 2019, Biometrika 106;
Bou-Rabee, Eberle and Zimmer 2020; in function space Agapiou, Roberts and Vollmer 2018).
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bnnpost.numerics.random import exponential
from bnnpost.samplers.chains.kernel import (
    Arrays,
    Info,
    Kernel,
    Normals,
    Number,
    State,
    chosen,
    combined,
    fresh,
    number,
    rotated,
    square,
)
from bnnpost.samplers.chains.rotation import Rotation

# Proposals whose means are further apart than so many of their stds hardly ever coincide: the
# same noise for both then, which keeps them as near as they are.
_NEAR = 2.0


class Moved(NamedTuple):
    """A pair after a step, whether it is now one, X's acceptance, evaluations of the weight."""

    pair: State
    met: Bool[Array, ""]
    acceptance: Float[Array, ""]
    evaluations: Array


class Blend(Kernel):
    """A trajectory by rotations, of a fixed angle, and then a Crank–Nicolson step of size β.

    Nothing is adapted: an adapting chain may not be coupled. Raises ValueError for a β not in
    (0, 1], or rotations whose angle is to be adapted.
    """

    rotation: Rotation
    step_size: Number = eqx.field(default=0.05, converter=number("step_size", 1.0))
    name: ClassVar[str] = "blend"
    gradients_per_step: ClassVar[int] = 1

    def __check_init__(self) -> None:
        if jnp.isnan(self.rotation.step_size):
            raise ValueError("expected rotations of a fixed angle: give step_size")

    def init(self, key: Array, target: Normals) -> tuple[State, Array]:
        return self.rotation.init(key, target)

    def step(
        self, key: Array, state: State, target: Normals, adapting: Array
    ) -> tuple[State, Info]:
        turn_key, walk_key = jax.random.split(key)
        state, info = self.rotation.step(turn_key, state, target, adapting)
        noise_key, threshold_key, _ = jax.random.split(walk_key, 3)
        noise = fresh(noise_key, state.position)
        proposal = self._proposal(state.position, noise)
        state, _ = self._decided(target, state, proposal, exponential(threshold_key))
        lp = state.log_weight - 0.5 * square(state.position)
        return state, {**info, "lp": lp, "n_steps": info["n_steps"] + 1}

    def at(self, target: Normals, position: Arrays) -> State:
        """The state of a chain that is there."""
        log_weight, gradient = jax.value_and_grad(target.log_weight)(position)
        return State(position, log_weight, self.rotation.tuning(gradient))

    def moved(self, key: Array, pair: State, target: Normals, count: Array) -> "Moved":
        """The first of two chains one step further, or where count is 2 both. pair: [2, …].

        Each as by `step`, the first with this key, and with the very numbers that it would have.
        """
        turn_key, walk_key = jax.random.split(key)
        never = jnp.zeros((), bool)

        def turned(one: State, _: Arrays) -> tuple[State, Array]:
            after, info = self.rotation.step(turn_key, one, target, never)
            return after, info["acceptance_rate"]

        pair, rates = _each(count, turned, pair, pair.position)
        noise_key, threshold_key, meeting_key = jax.random.split(walk_key, 3)
        x, y = ({name: array[i] for name, array in pair.position.items()} for i in range(2))
        noise = fresh(noise_key, x)
        other, same = self._other_noise(meeting_key, x, y, noise)
        first, second = self._proposal(x, noise), self._proposal(y, other)
        second = chosen(same, first, second)
        proposals = {name: jnp.stack([first[name], second[name]]) for name in first}
        threshold = exponential(threshold_key)

        def walked(one: State, proposal: Arrays) -> tuple[State, Array]:
            after, accepted = self._decided(target, one, proposal, threshold)
            return after, accepted.astype(jnp.float64)

        pair, accepted = _each(count, walked, pair, proposals)
        met = same & (jnp.sum(accepted) > 1.5)
        return Moved(pair, met, rates[0], count * (self.rotation.num_steps + 1))

    def _proposal(self, position: Arrays, noise: Arrays) -> Arrays:
        return rotated(position, noise, jnp.arcsin(self.step_size))[0]

    def _decided(
        self, target: Normals, state: State, proposal: Arrays, threshold: Array
    ) -> tuple[State, Array]:
        log_weight, gradient = jax.value_and_grad(target.log_weight)(proposal)
        accepted = log_weight - state.log_weight >= -threshold
        moved = State(proposal, log_weight, state.tuning._replace(gradient=gradient))
        return chosen(accepted, moved, state), accepted

    def _other_noise(
        self, key: Array, x: Arrays, y: Arrays, noise: Arrays
    ) -> tuple[Arrays, Bool[Array, ""]]:
        """Noise of the second proposal, and whether that is to be the first one.

        With d the distance of the means, over their std: the same proposal with probability
        min(1, φ(ξ + d)/φ(ξ)), else the noise reflected at the plane between the means.
        """
        share = jnp.sqrt(1 - self.step_size**2) / self.step_size
        between = {name: share * (x[name].astype(jnp.float64) - y[name]) for name in x}
        length = square(between)
        along = sum(jnp.sum(noise[name].astype(jnp.float64) * between[name]) for name in x)
        near = length < _NEAR**2
        log_chance = -(along + 0.5 * length)
        same = near & (jnp.log(jax.random.uniform(key, (), jnp.float64)) <= log_chance)
        times = jnp.where(near, 2 * along / jnp.maximum(length, 1e-300), 0.0)
        return combined(lambda z, d: z - times * d, noise, between), same


def _each(
    count: Array, move: Callable[[State, Arrays], tuple[State, Array]], pair: State, more: Arrays
) -> tuple[State, Array]:
    """One chain after the other, as many as `count`, by one program; and a number of each."""

    def one(i: Array, carry: tuple[State, Array]) -> tuple[State, Array]:
        pair, numbers = carry
        after, number = move(_nth(pair, i), _nth(more, i))
        put = jax.tree.map(lambda array, new: array.at[i].set(new), pair, after)
        return put, numbers.at[i].set(number)

    return jax.lax.fori_loop(0, count, one, (pair, jnp.zeros(2, jnp.float64)))  # type: ignore[no-any-return]


def _nth(tree: Any, i: Any) -> Any:
    return jax.tree.map(lambda array: array[i], tree)
