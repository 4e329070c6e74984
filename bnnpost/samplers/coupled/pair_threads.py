"""Pairs of chains side by side on threads, a pair a time on each."""

from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.numerics.threads import calls_libraries, in_order, num_cores
from bnnpost.samplers.chains.kernel import START_TRIES, Arrays, Normals
from bnnpost.samplers.coupled.pair_kernel import Paired
from bnnpost.samplers.coupled.pairs import PairOutcome, PairPlan, go_on, run_pair


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
