"""Running chains: warmup, then draws that are kept, in blocks that do not change results.

Every transition has a key of its own, made from the chain's and its number, so it matters
neither how many are run at once nor where a run was broken off. Chains run side by side on
threads, one after another, or as one vectorised program.
"""

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.arguments import positive_integer, whole_number
from bnnpost.numerics.threads import in_order, num_cores
from bnnpost.samplers.kernels import START_TRIES, Arrays, Kernel
from bnnpost.samplers.progress import Progress

METHODS = ("auto", "parallel", "vectorized", "sequential")
# Folded into a run's key for the chains, which share no number with what draws are completed by.
_CHAINS = 0x63686E73
# Folded into a chain's key: the start, and every transition.
_START, _STEPS = 0, 1
# Draws kept in one block, and bytes of them, at most; seconds that a block should take, and its
# most transitions.
_BLOCK, _BLOCK_BYTES, _SECONDS, _LARGEST = 128, 2**24, 1.0, 2**14


@dataclass(frozen=True)
class Length:
    """How long chains are: num_samples kept of each, one transition in `thinning`.

    Raises ValueError for fewer than one chain or draw, a thinning below 1, a negative warmup;
    TypeError for what is no whole number.
    """

    num_samples: int
    num_warmup: int
    num_chains: int
    thinning: int

    def __post_init__(self) -> None:
        for name in ("num_samples", "num_chains", "thinning"):
            object.__setattr__(self, name, positive_integer(name, getattr(self, name)))
        warmup = whole_number("num_warmup", self.num_warmup)
        object.__setattr__(self, "num_warmup", warmup and positive_integer("num_warmup", warmup))


class Totals(NamedTuple):
    """Over the transitions after warmup: how many, their n_steps, divergences, acceptance."""

    transitions: Array
    n_steps: Array
    diverging: Array
    acceptance: Array

    @classmethod
    def none(cls) -> "Totals":
        whole = jnp.result_type(int)
        zero = jnp.zeros((), whole)
        return cls(zero, zero, zero, jnp.zeros((), jnp.result_type(float)))

    def add(self, stats: Arrays) -> "Totals":
        more = (1, stats["n_steps"], stats["diverging"], stats["acceptance_rate"])
        return Totals(*(a + jnp.asarray(b, a.dtype) for a, b in zip(self, more, strict=True)))


class Carried(NamedTuple):
    """A chain as far as it has come: its state, and totals since warmup."""

    state: Any
    totals: Totals


class Kept(NamedTuple):
    """What is kept of draws, each array [draw, …], or [chain, draw, …]: given, stats, totals."""

    given: dict[str, Any]
    stats: dict[str, Any]
    totals: Totals


@functools.partial(jax.jit, static_argnames="block")
def _advance(
    kernel: Kernel, key: Array, carried: Carried, first: Array, count: Array, every: Array,
    block: int,
) -> tuple[Carried, Kept]:  # fmt: skip
    """`count` draws, at most `block`, each `every` transitions after the last.

    first: number of the first transition, from 0 for the first of warmup.
    """

    def transition(carried: Carried, number: Array) -> Carried:
        state = kernel.step(
            jax.random.fold_in(key, number.astype(jnp.uint32)), carried.state, number
        )
        counted = carried.totals.add(kernel.stats(state))
        after_warmup = number >= kernel.num_warmup
        totals = jax.tree.map(lambda a, b: jnp.where(after_warmup, a, b), counted, carried.totals)
        return Carried(state, totals)

    def keep(i: Array, carry: tuple[Carried, Kept]) -> tuple[Carried, Kept]:
        carried, kept = carry
        start = first + i * every
        carried = jax.lax.fori_loop(start, start + every, lambda n, c: transition(c, n), carried)
        new = _kept(kernel, carried)
        return carried, jax.tree.map(lambda a, b: a.at[i].set(b), kept, new)

    shapes = jax.eval_shape(_kept, kernel, carried)
    empty = jax.tree.map(lambda a: jnp.zeros((block, *a.shape), a.dtype), shapes)
    return jax.lax.fori_loop(0, count, keep, (carried, empty))


def _kept(kernel: Kernel, carried: Carried) -> Kept:
    return Kept(kernel.given(carried.state), kernel.stats(carried.state), carried.totals)


@jax.jit
def _begin(kernel: Kernel, key: Array) -> Carried:
    return jax.tree.map(_strong, Carried(kernel.init(key), Totals.none()))  # type: ignore[no-any-return]


def _strong(leaf: Array) -> Array:
    """The same numbers, of the type that they have when they come back from a file."""
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return leaf if is_key else jax.lax.convert_element_type(leaf, leaf.dtype)


class Chains:
    """Chains of one kernel from one key.

    method: "parallel" (on threads, as many at once as there are cores), "vectorized" (one
    program for all) or "sequential"; "auto" is parallel on a CPU, else vectorized.
    """

    def __init__(self, kernel: Kernel, key: Array, length: Length, method: str = "auto"):
        if method not in METHODS:
            raise ValueError(
                f"expected chain_method to be one of {', '.join(METHODS)}, got {method!r}"
            )
        if method == "auto":
            method = "parallel" if jax.default_backend() == "cpu" else "vectorized"
        self._kernel, self._length, self._compiled = kernel, length, False
        self._key = jax.random.fold_in(key, _CHAINS)
        self.block = self._block = self._most_draws()
        self.vectorized = method == "vectorized"
        self._threads = num_cores() if method == "parallel" else 1

    def _most_draws(self) -> int:
        """Of one block: what has been kept so far is handed over then."""
        _, kept = self.shapes()
        size = sum(math.prod(a.shape) * a.dtype.itemsize for a in jax.tree.leaves(kept))
        return min(_BLOCK, self._length.num_samples, max(1, _BLOCK_BYTES // size))

    def _chain_keys(self, purpose: int) -> list[Array]:
        keys = [jax.random.fold_in(self._key, i) for i in range(self._length.num_chains)]
        return [jax.random.fold_in(key, purpose) for key in keys]

    def begin(self) -> list[Carried]:
        """All chains at their start. Raises FloatingPointError where there is none."""
        # One after another: whether there are library calls is not known yet.
        with self.precision():
            chains = [_begin(self._kernel, key) for key in self._chain_keys(_START)]
            alive = [bool(self._kernel.alive(carried.state)) for carried in chains]
        if not all(alive):
            raise FloatingPointError(
                f"chain {alive.index(False)} finds no start: at each of {START_TRIES} prior draws "
                "the log weight is NaN or −∞; expected a finite number of nats. Look at the "
                "likelihood's log_prob at prior draws, and at the scales of prior and targets"
            )
        return chains

    def shapes(self) -> tuple[Carried, Kept]:
        """Shapes and dtypes of one chain as far as it has come, and of what is kept of a draw."""
        with self.precision():
            carried = jax.eval_shape(_begin, self._kernel, self._key)
            return carried, jax.eval_shape(_kept, self._kernel, carried)

    def advance(
        self, chains: list[Carried], first: int, count: int, every: int
    ) -> tuple[list[Carried], Kept]:
        """All chains `count` kept draws further, each array of these [chain, draw, …]."""
        keys = self._chain_keys(_STEPS)
        with self.precision():
            numbers = tuple(jnp.asarray(number) for number in (first, count, every))
        if self.vectorized:
            return self._vectorised(keys, chains, numbers, count)
        self._compile(keys[0], chains[0], numbers)

        def one(pair: tuple[Array, Carried]) -> tuple[Carried, Kept]:
            carried, kept = _advance(self._kernel, *pair, *numbers, block=self._block)
            return carried, jax.tree.map(lambda a: np.asarray(a)[:count], kept)

        done = self._each(one, list(zip(keys, chains, strict=True)))
        kept = jax.tree.map(lambda *arrays: np.stack(arrays), *[part for _, part in done])
        return [carried for carried, _ in done], kept

    def _vectorised(
        self, keys: list[Array], chains: list[Carried], numbers: tuple[Array, ...], count: int
    ) -> tuple[list[Carried], Kept]:
        def one(key: Array, carried: Carried) -> tuple[Carried, Kept]:
            return _advance(self._kernel, key, carried, *numbers, block=self._block)

        with self.precision():
            stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *chains)
            carried, kept = jax.vmap(one)(jnp.stack(keys), stacked)
            parts = [jax.tree.map(lambda a: a[i], carried) for i in range(len(keys))]  # noqa: B023
            return parts, jax.tree.map(lambda a: np.asarray(a[:, :count]), kept)

    def _compile(self, key: Array, carried: Carried, numbers: tuple[Array, ...]) -> None:
        """Compile once, before threads would each; library calls are for one thread at a time."""
        if self._compiled:
            return
        with self.precision():
            none = (numbers[0], jnp.zeros_like(numbers[1]), numbers[2])
            program = _advance.lower(self._kernel, key, carried, *none, block=self._block)
            if "custom_call" in program.as_text():
                self._threads = 1
            jax.block_until_ready(_advance(self._kernel, key, carried, *none, block=self._block))
        self._compiled = True

    def _each(self, work: Callable[[Any], Any], items: list[Any]) -> list[Any]:
        def on_a_thread(item: Any) -> Any:
            # The flag belongs to the thread.
            with self.precision():
                return jax.block_until_ready(work(item))

        return list(in_order(on_a_thread, items, min(self._threads, len(items))))

    def precision(self) -> contextlib.AbstractContextManager[Any]:
        """JAX's flag under which the chains run, while it is held."""
        return jax.enable_x64(self._kernel.x64)


@dataclass(frozen=True)
class Progressed:
    """Chains as far as they have come: transitions of warmup done, and what was kept since.

    num_before: draws of each chain that were kept before, and are not in `kept`.
    """

    warmed: int
    chains: list[Carried]
    kept: list[Kept]
    num_before: int = 0

    @property
    def num_kept(self) -> int:
        """Draws of each chain."""
        return self.num_before + sum(num_draws(part) for part in self.kept)


def num_draws(kept: Kept) -> int:
    """How many draws of each chain, in arrays [chain, draw, …]."""
    return int(kept.stats["lp"].shape[1])


def run(
    chains: Chains, length: Length, *, progress: bool, begun: Progressed | None = None
) -> Iterator[Progressed]:
    """The run after each block, to its end; from `begun` if given, else from the start."""
    now = Progressed(0, chains.begin(), []) if begun is None else begun
    total = length.num_warmup + length.num_samples * length.thinning
    size = 1
    with Progress(total, enabled=progress, label="transitions", unit="step") as bar:
        while now.num_kept < length.num_samples:
            started = time.perf_counter()
            now, size = _block(chains, length, now, size), size
            done = now.warmed + now.num_kept * length.thinning
            bar.show(done, f"{length.num_chains} chains" if now.num_kept else "warmup")
            size = _next_size(size, time.perf_counter() - started)
            yield now


def _block(chains: Chains, length: Length, now: Progressed, size: int) -> Progressed:
    """One block more of about `size` transitions."""
    left = length.num_warmup - now.warmed
    if left > 0:
        count = min(size, left)
        moved, _ = chains.advance(now.chains, now.warmed, 1, count)
        return Progressed(now.warmed + count, moved, [])
    count = min(max(1, size // length.thinning), chains.block, length.num_samples - now.num_kept)
    first = length.num_warmup + now.num_kept * length.thinning
    moved, kept = chains.advance(now.chains, first, count, length.thinning)
    return Progressed(now.warmed, moved, [*now.kept, kept], now.num_before)


def _next_size(size: int, seconds: float) -> int:
    """Blocks of about a second: what a kill can cost, and how often progress is shown."""
    if seconds < 0.5 * _SECONDS:
        return min(2 * size, _LARGEST)
    return max(1, size // 2) if seconds > 2 * _SECONDS else size
