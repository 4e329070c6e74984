"""Pairs of chains: X ahead of Y by a lag, moved together until they meet, X to where it is kept.

X and Y start from independent prior draws. The transition that takes X from step i to i + 1 has the
key of i, and from i = lag on takes Y from i − lag to i − lag + 1. They meet at τ, the first step
with X_τ = Y_{τ − lag}, and are one chain from there on. Pairs run side by side on threads, a pair
at a time on each.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from bnnpost.numerics.threads import calls_libraries, in_order, num_cores
from bnnpost.samplers.kernels.kernel import (
    START_TRIES,
    Arrays,
    Normals,
    Number,
    Paired,
    State,
    chosen,
)
from bnnpost.storage import available_memory, gigabytes

# Folded into a pair's key: the start of X, that of Y, and the transitions.
_X, _Y, _STEPS = 0, 1, 2
# Draws in memory: as they were kept, as they are at the last step, all of these in one array.
_COPIES = 3


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


def require_start(alive: Any) -> None:
    """Raise FloatingPointError unless both chains of a pair have one."""
    if not alive:
        raise FloatingPointError(
            f"a pair of chains finds no start: at each of {START_TRIES} prior draws the log weight "
            "is NaN or −∞; expected a finite number of nats"
        )


class Programs:
    """Compiled programs for pairs on one target, each with how many threads may run it."""

    def __init__(self, target: Normals):
        self.target, self._ready = target, dict[Any, tuple[Any, int]]()

    def on(self, target: Normals) -> "Programs":
        """The same on another target, compiled again only where its arrays differ in kind."""
        other = Programs(target)
        other._ready = self._ready
        return other

    def ready(self, program: Any, arguments: Any) -> tuple[Any, int]:
        """Compiled once for all arguments of these shapes, before threads would each."""
        leaves, structure = jax.tree.flatten(arguments)
        known = program, structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if known not in self._ready:
            lowered = program.lower(*arguments)
            # Programs that call libraries are for one thread at a time.
            threads = 1 if calls_libraries(lowered.as_text()) else num_cores()
            self._ready[known] = lowered.compile(), threads
        return self._ready[known]


class Pairs:
    """Pairs of chains, by their numbers: pair i has the i-th key.

    Nothing of one depends on what others are run, or beside how many.
    """

    def __init__(self, programs: Programs, kernel: Paired, key: Array, lag: int):
        self.lag, self._programs, self._kernel, self._key = lag, programs, kernel, key

    def run(self, numbers: Iterable[int], kept: int, most: int) -> Iterator[PairOutcome]:
        """These pairs, X kept at a step, each until it has met or X has made so many steps.

        Raises FloatingPointError where one has no start.
        """
        plan = PairPlan(self.lag, kept, max(most, self.lag + 1))
        for one in self.each(run_pair, ((number, plan) for number in numbers)):
            require_start(one.alive)
            yield one

    def go_on(self, given: Iterable[Arrays], start: int, stop: int) -> Iterator[Arrays]:
        """X of pairs 0, 1, …, kept at one step, at a later one."""
        return self.each(go_on, ((i, one, start, stop) for i, one in enumerate(given)))

    def each(self, program: Any, items: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """A jitted program's results in numpy, in order; of an item the first is the pair's number.

        The others are its arguments after kernel, target and key.
        """
        items = list(items)
        with jax.enable_x64(True):
            compiled, threads = self._programs.ready(program, self._arguments(items[0]))

        def one(item: tuple[Any, ...]) -> Any:
            # The flag belongs to the thread.
            with jax.enable_x64(True):
                return jax.tree.map(np.asarray, compiled(*self._arguments(item)))

        return in_order(one, items, threads)

    def _arguments(self, item: tuple[Any, ...]) -> Any:
        number, *more = item
        key = jax.random.fold_in(self._key, number)
        return jax.tree.map(_array, (self._kernel, self._programs.target, key, *more))


def _array(value: Any) -> Any:
    if isinstance(value, int):
        return jnp.asarray(value, jnp.int64)
    return value if isinstance(value, jax.Array) else jnp.asarray(value)


def bytes_per_draw(target: Normals) -> int:
    """Of what is kept of a draw."""
    with jax.enable_x64(True):
        kept = jax.eval_shape(lambda key: target.given(target.prior(key)), jax.random.key(0))
    return sum(math.prod(one.shape) * one.dtype.itemsize for one in jax.tree.leaves(kept))


def needed_memory(target: Normals, num_draws: int) -> int:
    """Bytes that so many draws take while they are made."""
    return _COPIES * bytes_per_draw(target) * num_draws


def require_memory(target: Normals, num_draws: int) -> None:
    """Raise ValueError if so many draws would not fit in the memory that is free now."""
    needed, free = needed_memory(target, num_draws), available_memory()
    if free is not None and needed > free:
        raise ValueError(
            f"{num_draws:,} draws of {bytes_per_draw(target):,} bytes need about "
            f"{gigabytes(needed)} of memory, and {gigabytes(free)} are free: ask for at most "
            f"{int(num_draws * free / needed):,} samples, or take a narrower network"
        )
