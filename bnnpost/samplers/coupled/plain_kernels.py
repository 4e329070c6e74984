"""Crank–Nicolson and elliptical slices, as they are, for two chains."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bnnpost.numerics.random import exponential
from bnnpost.samplers.chains.elliptical_slice import EllipticalSlice
from bnnpost.samplers.chains.kernel import Arrays, Info, Normals, State, chosen, fresh, rotated
from bnnpost.samplers.chains.pcn import CrankNicolson
from bnnpost.samplers.coupled.pair_kernel import (
    Moved,
    Paired,
    apart,
    each,
    halves,
    other_noise,
)


class PairedWalk(Paired):
    """Preconditioned Crank–Nicolson of a fixed β, which is not adapted.

    Chains come together by their common noise, a factor √(1 − β²) a step that both accept, and meet
    where they are nearer than β. Raises ValueError for a β that is to be adapted.
    """

    plain: CrankNicolson
    name: ClassVar[str] = "pcn"

    def __check_init__(self) -> None:
        if jnp.isnan(self.plain.step_size):
            raise ValueError("expected steps of a fixed size: give step_size")

    def settings(self) -> dict[str, Any]:
        return {"step_size": float(self.plain.step_size)}

    def init(self, key: Array, target: Normals) -> tuple[State, Array]:
        return self.plain.init(key, target)

    def step(
        self, key: Array, state: State, target: Normals, adapting: Array
    ) -> tuple[State, Info]:
        return self.plain.step(key, state, target, adapting)

    def at(self, target: Normals, position: Arrays) -> State:
        return self.plain.at(target, position)

    def moved(self, key: Array, pair: State, target: Normals, count: Array) -> Moved:
        noise_key, threshold_key = jax.random.split(key)
        x, y = halves(pair.position)
        angle, noise = self.plain.angle(halves(pair)[0]), fresh(noise_key, x)
        other, same = other_noise(key, apart(x, y, 1 / jnp.tan(angle)), noise)
        first, second = rotated(x, noise, angle)[0], rotated(y, other, angle)[0]
        second = chosen(same, first, second)
        proposals = {name: jnp.stack([first[name], second[name]]) for name in first}
        threshold = exponential(threshold_key)

        def walked(one: State, proposal: Arrays) -> tuple[State, Array]:
            log_weight = target.log_weight(proposal)
            accepted = log_weight - one.log_weight >= -threshold
            there = State(proposal, log_weight, one.tuning)
            return chosen(accepted, there, one), accepted.astype(jnp.float64)

        pair, accepted = each(count, walked, pair, proposals)
        return Moved(pair, same & (jnp.sum(accepted) > 1.5), accepted[0], count)

    def tuned(self, state: State) -> Array:
        return self.plain.tuned(state)


class PairedSlice(Paired):
    """Elliptical slice sampling: a common level and angles, ellipses that may cross.

    Where both chains take the first angle, their ellipses can cross there: the second prior draw
    is the first one, shifted, by reflection and maximal coupling.
    """

    plain: EllipticalSlice
    name: ClassVar[str] = "slice"

    def settings(self) -> dict[str, Any]:
        return {}

    def init(self, key: Array, target: Normals) -> tuple[State, Array]:
        return self.plain.init(key, target)

    def step(
        self, key: Array, state: State, target: Normals, adapting: Array
    ) -> tuple[State, Info]:
        return self.plain.step(key, state, target, adapting)

    def at(self, target: Normals, position: Arrays) -> State:
        return State(position, target.log_weight(position), ())

    def moved(self, key: Array, pair: State, target: Normals, count: Array) -> Moved:
        keys = self.plain.keys(key)
        x, y = halves(pair.position)
        noise = fresh(keys.normal, x)
        other, same = other_noise(key, apart(x, y, 1 / jnp.tan(keys.first_angle())), noise)
        noises = {name: jnp.stack([noise[name], other[name]]) for name in noise}

        def sliced(one: State, noise: Arrays) -> tuple[State, Array]:
            after, info = self.plain.along(keys, one, target, noise)
            return after, info["n_steps"].astype(jnp.float64)

        pair, evaluations = each(count, sliced, pair, noises)
        met = same & (count == 2) & jnp.all(evaluations == 1)
        first, second = halves(pair)
        # The point of the other ellipse is the same but for rounding.
        second = chosen(met, first, second)
        pair = jax.tree.map(lambda *arrays: jnp.stack(arrays), first, second)
        return Moved(pair, met, 1 / evaluations[0], jnp.sum(evaluations).astype(jnp.int64))
