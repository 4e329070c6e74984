"""Preconditioned Crank–Nicolson in function space."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from bnnpost.draws import Draws
from bnnpost.numerics.random import exponential
from bnnpost.posterior import Posterior
from bnnpost.samplers.chains import entry
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
    fresh,
    number,
    number_or_none,
    rotated,
    square,
    started,
)


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


def sample(
    key: Array,
    posterior: Posterior,
    *,
    step_size: float | None = None,
    target_accept: float = 0.3,
    **options: Any,
) -> Draws:
    """Chains by preconditioned Crank–Nicolson on the standard normals behind the functions.

    g′ = √(1−β²) g + β ν with ν standard normal, accepted with probability min(1, w(g′)/w(g)), w
    the weight that is left once the readout is integrated out (Cotter et al. 2013; for wide
    networks Pezzetti et al. 2024, arXiv 2408.14325). step_size: β in (0, 1]; by default adapted in
    warmup towards target_accept. options, draws and errors as in `chains.sample`; space "weights"
    moves all weights but the readout's (the repriorisation of Hron et al. 2022), with
    collapse=False those as well.
    """
    kernel = CrankNicolson(step_size, target_accept)
    return entry.sample(key, posterior, kernel, **options)
