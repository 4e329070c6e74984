"""One pair of chains: X ahead of Y by a lag, moved together until they meet, X to where it is kept.

X and Y start from independent prior draws. The transition that takes X from step i to i + 1 has the
key of i, and from i = lag on takes Y from i − lag to i − lag + 1. They meet at τ, the first step
with X_τ = Y_{τ − lag}, and are one chain from there on.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bnnpost.samplers.chains.kernel import Arrays, Normals, Number, State, chosen
from bnnpost.samplers.coupled.pair_kernel import Paired

# Folded into a pair's key: the start of X, that of Y, and the transitions.
_X, _Y, _STEPS = 0, 1, 2


class PairPlan(NamedTuple):
    """lag: L ≥ 1; kept: the step at which X is kept; most: X goes no further in search of Y."""

    lag: Number
    kept: Number
    most: Number


class PairOutcome(NamedTuple):
    """meeting: τ, −1 where they have not met; given: X where it was kept; alive: both have a start.

    acceptance: of X's trajectories, on average; evaluations: of the log weight, both chains.
    """

    meeting: Array
    given: Arrays
    alive: Bool[Array, ""]
    acceptance: Float[Array, ""]
    evaluations: Array


class At(NamedTuple):
    """A pair on its way. step: of X; pair: X_step and Y_{step − lag}, [2, …]."""

    step: Array
    pair: State
    met: Bool[Array, ""]
    meeting: Array
    acceptance: Float[Array, ""]
    evaluations: Array


def begun(kernel: Paired, target: Normals, key: Array) -> tuple[At, Bool[Array, ""]]:
    """A pair at its start, and whether it has one."""
    keys = jnp.stack([jax.random.fold_in(key, which) for which in (_X, _Y)])
    pair, densities = jax.lax.map(lambda one: kernel.init(one, target), keys)
    none, zero = jnp.zeros((), jnp.float64), jnp.zeros((), jnp.int64)
    at = At(zero, pair, none > 0, zero - 1, none, zero)
    return at, jnp.all(jnp.isfinite(densities))


def further(kernel: Paired, target: Normals, key: Array, lag: Number, at: At) -> At:
    """One step further: X alone before the lag, and once they have met."""
    coupled = ~at.met & (at.step >= lag)
    moved = kernel.moved(step_key(key, at.step), at.pair, target, jnp.where(coupled, 2, 1))
    reached, now = at.step + 1, coupled & moved.met
    # What is one stays one, to the last bit: Y is X from then on.
    return At(
        reached,
        moved.pair,
        at.met | now,
        jnp.where(now, reached, at.meeting),
        at.acceptance + moved.acceptance,
        at.evaluations + moved.evaluations,
    )


@jax.jit
def run_pair(kernel: Paired, target: Normals, key: Array, plan: PairPlan) -> PairOutcome:
    """A pair from its start until it has met, or gone too far, and X is kept."""
    start, alive = begun(kernel, target, key)

    def more(carry: tuple[At, Arrays]) -> Array:
        at, _ = carry
        return (at.step < plan.kept) | (~at.met & (at.step < plan.most))

    def step(carry: tuple[At, Arrays]) -> tuple[At, Arrays]:
        at, kept = carry
        at = further(kernel, target, key, plan.lag, at)
        return at, chosen(at.step == plan.kept, first(at.pair.position), kept)

    end, kept = jax.lax.while_loop(more, step, (start, first(start.pair.position)))
    mean = end.acceptance / jnp.maximum(end.step, 1)
    return PairOutcome(end.meeting, target.given(kept), alive, mean, end.evaluations)


def first(tree: Any) -> Any:
    """X's part of a pair."""
    return jax.tree.map(lambda array: array[0], tree)


def step_key(key: Array, step: Array) -> Array:
    """Of the transition from this step."""
    return jax.random.fold_in(jax.random.fold_in(key, _STEPS), step.astype(jnp.uint32))


@jax.jit
def go_on(
    kernel: Paired, target: Normals, key: Array, given: Arrays, start: Array, stop: Array
) -> Arrays:
    """X of the pair with this key, which is there at a step, at another one."""

    def step(number: Array, state: State) -> State:
        return kernel.step(step_key(key, number), state, target, jnp.zeros((), bool))[0]

    state = jax.lax.fori_loop(start, stop, step, kernel.at(target, given))
    return target.given(state.position)
