"""Preconditioned Crank–Nicolson in function space, for one chain or two."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

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
    PairedPlain,
    State,
    StepSize,
    chosen,
    fresh,
    number,
    number_or_none,
    rotated,
    square,
    started,
)
from bnnpost.samplers.kernels.pairing import apart, each, halves, other_noise


class CrankNicolson(Kernel):
    """g′ = √(1−β²) g + β ν, accepted with probability min(1, w(g′)/w(g)) (Cotter et al. 2013).

    step_size: β in (0, 1]; None to adapt it in warmup towards target_accept, up to 1 (a fresh prior
    draw). Raises ValueError for other numbers.
    """

    step_size: Number = eqx.field(default=None, converter=number_or_none("step_size", 1.0))
    target_accept: Number = eqx.field(default=0.3, converter=number("target_accept", 1.0))
    name: ClassVar[str] = "pcn"

    def init(self, key: Array, target: Normals) -> tuple[State, Array]:
        return started(key, target, lambda position: self._tuning())

    def at(self, target: Normals, position: Arrays) -> State:
        """The state of a chain that is there, and has not adapted."""
        return State(position, target.log_weight(position), self._tuning())

    def angle(self, state: State, adapting: Bool[Array, ""] | bool = False) -> Array:
        """θ of its steps, sin θ = β."""
        found: Array = state.tuning.value(jnp.asarray(adapting))
        return found

    def step(
        self, key: Array, state: State, target: Normals, adapting: Array
    ) -> tuple[State, Info]:
        normal_key, threshold_key = jax.random.split(key)
        adapting = adapting & jnp.isnan(self.step_size)
        angle = self.angle(state, adapting)
        proposal, _ = rotated(state.position, fresh(normal_key, state.position), angle)
        log_weight, undefined = target.weighed(proposal)
        gain = log_weight - state.log_weight
        accepted = gain >= -exponential(threshold_key)
        position, kept = chosen(
            accepted, (proposal, log_weight), (state.position, state.log_weight)
        )
        rate = jnp.minimum(1.0, jnp.exp(gain))
        after = state.tuning.updated(rate, self.target_accept, QUARTER_TURN)
        info = {
            "lp": kept - 0.5 * square(position),
            "acceptance_rate": rate,
            "n_steps": jnp.ones((), jnp.int64),
            "diverging": undefined,
        }
        return State(position, kept, chosen(adapting, after, state.tuning)), info

    def tuned(self, state: State) -> Array:
        return jnp.sin(self.angle(state))

    def _tuning(self) -> StepSize:
        angle = jnp.where(jnp.isnan(self.step_size), 0.5, jnp.arcsin(self.step_size))
        return StepSize.start(angle)

    def coupling(self) -> Coupling:
        accept = float(self.target_accept)
        return Coupling((self,), lambda step: PairedWalk(CrankNicolson(step, accept)))

    @classmethod
    def tried(cls) -> "list[CrankNicolson]":
        # Ever smaller steps.
        return [cls(None, accept) for accept in (0.3, 0.5, 0.7)]


class PairedWalk(PairedPlain):
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
