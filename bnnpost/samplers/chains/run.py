"""A run of chains: what decides it, how one chain goes on, and what runs all of them.

Every transition has a key of its own, made from the chain's and its number, so it matters neither
how many are run at once nor where a run was broken off. Chains run side by side on threads, one
after another, or as one vectorised program: warmup, then draws that are kept, in blocks that do not
change results.
"""

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.arguments import positive_integer
from bnnpost.draws import DrawsInfo
from bnnpost.draws.draws_files import Contents
from bnnpost.numerics.random import require_key
from bnnpost.numerics.threads import calls_libraries, in_order, num_cores
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.runs.store import Check
from bnnpost.samplers.coupled.mixing_time import measured_warmup
from bnnpost.samplers.kernels.kernel import (
    START_TRIES,
    Arrays,
    Info,
    Kernel,
    Normals,
    Target,
    plain_kernel,
)
from bnnpost.samplers.progress import Progress
from bnnpost.spaces.making import make_space
from bnnpost.spaces.space import Space
from bnnpost.storage import available_memory, gigabytes

# A warmup as long as pairs of chains show that it must be.
MEASURED = "measured"
_METHODS = ("auto", "parallel", "vectorized", "sequential")
# What was kept is in memory twice while blocks are put one after another.
_COPIES = 2
# Folded into a run's key for the chains, which share no number with what draws are completed by.
_CHAINS = 0x63686E73
# Folded into a chain's key: the start, and every transition.
_START, _STEPS = 0, 1
# Draws kept in one block, and bytes of them, at most; seconds that a block should take, and its
# most transitions.
_BLOCK, _BLOCK_BYTES, _SECONDS, _LARGEST = 128, 2**24, 1.0, 2**14


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

    def add(self, info: Info) -> "Totals":
        usual = {"n_steps": 1, "diverging": False, "acceptance_rate": jnp.nan, **info}
        more = (1, usual["n_steps"], usual["diverging"], usual["acceptance_rate"])
        return Totals(*(a + jnp.asarray(b, a.dtype) for a, b in zip(self, more, strict=True)))


class Chain(NamedTuple):
    """A chain as far as it has come: its kernel's state, and totals since warmup."""

    state: Any
    totals: Totals


class Samples(NamedTuple):
    """What is kept of draws, each array [draw, …], or [chain, draw, …]: given, info, totals."""

    given: Arrays
    info: Info
    totals: Totals

    @property
    def num_samples(self) -> int:
        """How many draws of each chain, in arrays [chain, draw, …]."""
        return int(self.info["lp"].shape[1])

    def between(self, start: int, stop: int) -> "Samples":
        """These draws of each chain."""
        return jax.tree.map(lambda array: array[:, start:stop], self)  # type: ignore[no-any-return]

    @classmethod
    def joined(cls, parts: "Sequence[Samples]") -> "Samples":
        """Parts, each array [chain, draw, …], one after another."""
        if len(parts) == 1:
            return parts[0]
        return jax.tree.map(lambda *arrays: np.concatenate(arrays, axis=1), *parts)  # type: ignore[no-any-return]


class Checkpoint(NamedTuple):
    """Chains as far as they have come: transitions of warmup done, and what was kept since.

    num_before: draws of each chain that were kept before, and are not in `samples`.
    """

    num_warmup: int
    chains: list[Chain]
    samples: tuple[Samples, ...] = ()
    num_before: int = 0

    @property
    def num_samples(self) -> int:
        """Draws of each chain."""
        return self.num_before + sum(part.num_samples for part in self.samples)


class Steps(NamedTuple):
    """What is to be done: num_samples draws, each `every` transitions after the last.

    first: number of the first transition, from 0 for the first of warmup.
    """

    first: Array
    num_samples: Array
    every: Array
    num_warmup: Array


@jax.jit
def begin_chain(kernel: Kernel, target: Target, key: Array) -> tuple[Chain, Array]:
    """A chain at its start, and its log density there."""
    state, log_density = kernel.init(key, target)
    return jax.tree.map(_strong, Chain(state, Totals.none())), log_density


def _strong(leaf: Array) -> Array:
    """The same numbers, of the type that they have when they come back from a file."""
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return leaf if is_key else jax.lax.convert_element_type(leaf, leaf.dtype)


@functools.partial(jax.jit, static_argnames="block")
def advance(
    kernel: Kernel, target: Target, key: Array, chain: Chain, steps: Steps, block: int
) -> tuple[Chain, Samples]:
    """A chain after some steps, of at most `block` draws, and what is kept of these."""
    first, num_samples, every, num_warmup = steps

    def once(chain: Chain) -> Samples:
        _, info = _step(kernel, target, key, chain.state, first < num_warmup)
        return _samples(kernel, target, chain, info)

    kept = jax.eval_shape(once, chain)
    nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), kept.info)

    def transition(number: Array, carry: tuple[Chain, Info]) -> tuple[Chain, Info]:
        chain, _ = carry
        one = jax.random.fold_in(key, number.astype(jnp.uint32))
        state, info = _step(kernel, target, one, chain.state, number < num_warmup)
        counted, after_warmup = chain.totals.add(info), number >= num_warmup
        totals = jax.tree.map(lambda a, b: jnp.where(after_warmup, a, b), counted, chain.totals)
        return Chain(state, totals), info

    def keep(i: Array, carry: tuple[Chain, Samples]) -> tuple[Chain, Samples]:
        chain, samples = carry
        start = first + i * every
        chain, info = jax.lax.fori_loop(start, start + every, transition, (chain, nothing))
        new = _samples(kernel, target, chain, info)
        return chain, jax.tree.map(lambda a, b: a.at[i].set(b), samples, new)

    empty = jax.tree.map(lambda a: jnp.zeros((block, *a.shape), a.dtype), kept)
    return jax.lax.fori_loop(0, num_samples, keep, (chain, empty))  # type: ignore[no-any-return]


def _step(
    kernel: Kernel, target: Target, key: Array, state: Any, adapting: Array
) -> tuple[Any, Info]:
    state, info = kernel.step(key, state, target, adapting)
    return state, jax.tree.map(jnp.asarray, info)


def _samples(kernel: Kernel, target: Target, chain: Chain, info: Info) -> Samples:
    return Samples(target.given(kernel.position(chain.state)), info, chain.totals)


def _shapes(kernel: Kernel, target: Target, key: Array) -> tuple[Chain, Samples]:
    """Shapes and dtypes of one chain as far as it has come, and of what is kept of a draw."""

    def kept(key: Array) -> tuple[Chain, Samples]:
        chain, _ = begin_chain(kernel, target, key)
        _, info = _step(kernel, target, key, chain.state, jnp.zeros((), bool))
        return chain, _samples(kernel, target, chain, info)

    with jax.enable_x64(target.x64):
        return jax.eval_shape(kept, key)


@dataclass(frozen=True)
class ChainsPlan:
    """Chains of one kernel, from one key: num_samples kept of each, one in `thinning`.

    target: what they move; space: in which `target.given` describes draws. method: "parallel" (on
    threads, as many at once as there are cores), "vectorized" (one program for all) or
    "sequential". cross_check: whether draws are held against importance draws. warmup_tv_upper:
    of a measured warmup, how far it leaves chains from the posterior.
    """

    FORMAT: ClassVar[str] = "bnnpost chains 1"
    ENTRIES: ClassVar[Mapping[str, Check]] = {
        "settings": ("keys and values", lambda value: isinstance(value, dict))
    }
    kernel: Kernel
    target: Target
    space: Space
    key: Array
    num_samples: int
    num_warmup: int
    num_chains: int
    thinning: int
    method: str
    cross_check: bool
    warmup_tv_upper: float = math.nan

    @classmethod
    def make(
        cls,
        key: Array,
        posterior: Posterior,
        kernel: Kernel,
        *,
        num_samples: int = 1000,
        num_warmup: int | str | None = None,
        num_chains: int = 4,
        thinning: int = 1,
        space: str | None = None,
        collapse: bool | None = None,
        precision: str = "single",
        chain_method: str = "auto",
        cross_check: bool = True,
    ) -> "ChainsPlan":
        """For the arguments of `chains.sample`; raises what it raises of these, and of memory."""
        require_key(key)
        require_posterior(posterior)
        if not isinstance(kernel, Kernel):
            raise TypeError(f"expected a bnnpost.chains.Kernel, got {type(kernel).__name__}")
        if space is None:
            space = "weights" if kernel.on_weights else "functions"
        if collapse is None:
            collapse = not kernel.on_weights or space != "weights"
        made = make_space(
            posterior, space=space, collapse=collapse, precision=precision, strict=False, alone=True
        )
        target = _target(kernel, made)
        if num_warmup == MEASURED:
            _require_normals(target)
            kernel, count, tv_upper = measured_warmup(key, made, kernel)
        else:
            count, tv_upper = _count(kernel, num_warmup), math.nan
        chains = cls(
            kernel.prepared(target, count),
            target,
            made,
            key,
            positive_integer("num_samples", num_samples),
            count,
            positive_integer("num_chains", num_chains),
            positive_integer("thinning", thinning),
            _method(chain_method),
            cross_check,
            tv_upper,
        )
        chains.check_memory()
        return chains

    def settings(self) -> dict[str, object]:
        """What a run of the same draws has in common with this one, in plain data.

        How long the chains are is not among it.
        """
        return {
            **plain_kernel(self.kernel, with_kinds=False),
            "sampler": self.kernel.name,
            "kernel": type(self.kernel).__name__,
            "num_warmup": self.num_warmup,
            "num_chains": self.num_chains,
            "thinning": self.thinning,
            # One program for all chains rounds otherwise than one for each.
            "vectorized": self.method == "vectorized",
            "space": self.space.form,
            "collapse": self.space.collapse,
            "precision": self.space.precision,
            "key": np.asarray(jax.random.key_data(self.key)).tolist(),
        }

    def entries(self) -> dict[str, object]:
        """See `runs.Prepared`."""
        return {"settings": self.settings()}

    def settings_written(self, record: Mapping[str, Any]) -> dict[str, object]:
        """See `runs.Prepared`."""
        settings: dict[str, object] = record["settings"]
        return settings

    def as_written(self, contents: Contents, record: Mapping[str, Any]) -> "ChainsPlan":
        """See `runs.Prepared`; the guide of a space may have been rounded otherwise."""
        space = contents.space
        return dataclasses.replace(self, target=_target(self.kernel, space), space=space)

    def contents(self) -> Contents:
        """As draws of which there are none yet, to be written to a file."""
        return Contents(self.space, self.key, np.zeros(0, np.uint64), np.zeros(0), self.no_draws())

    def no_draws(self) -> DrawsInfo:
        """The record of chains of which there are no draws yet."""
        space, forms = self.space, self.space.layer_forms()
        return DrawsInfo("chain", space=space.form, precision=space.precision, layer_forms=forms)

    @functools.cached_property
    def shapes(self) -> tuple[Chain, Samples]:
        """Shapes and dtypes of one chain as far as it has come, and of what is kept of a draw."""
        return _shapes(self.kernel, self.target, self.key)

    def num_bytes(self) -> int:
        """Of what is kept of one draw."""
        kept = jax.tree.leaves(self.shapes[1])
        return sum(math.prod(a.shape) * a.dtype.itemsize for a in kept)

    def needed_memory(self) -> int:
        """Bytes while the draws are put together."""
        return _COPIES * self.num_bytes() * self.num_samples * self.num_chains

    def check_memory(self) -> None:
        """Raise ValueError if the draws would not fit in the memory that is free now."""
        needed, free = self.needed_memory(), available_memory()
        if free is not None and needed > free:
            raise ValueError(
                f"{self.num_chains} chains of {self.num_samples:,} draws need about "
                f"{gigabytes(needed)} of memory, and {gigabytes(free)} are free: keep one "
                f"transition in {math.ceil(needed / free) * self.thinning} with thinning=, and "
                "ask for fewer samples or chains"
            )


def _require_normals(target: Target) -> None:
    if not isinstance(target, Normals):
        raise ValueError(
            f'num_warmup="{MEASURED}" is for chains that move standard normals: give '
            'space="functions", or collapse=True'
        )


def _count(kernel: Kernel, num_warmup: object) -> int:
    """Transitions of warmup, of which there may be none."""
    if num_warmup is None:
        return kernel.default_warmup
    return 0 if num_warmup == 0 else positive_integer("num_warmup", num_warmup)


def _target(kernel: Kernel, space: Space) -> Target:
    if kernel.on_weights and space.form == "weights" and not space.collapse:
        from bnnpost.samplers.kernels.numpyro_sampler import Weights

        return Weights(space.posterior, space.precision == "double")
    return Normals.of(space)


def _method(name: str) -> str:
    if name not in _METHODS:
        raise ValueError(f"expected chain_method to be one of {', '.join(_METHODS)}, got {name!r}")
    if name != "auto":
        return name
    return "parallel" if jax.default_backend() == "cpu" else "vectorized"


class Runner:
    """What takes chains further. block: draws of each chain that are handed over at once."""

    def __init__(self, chains: ChainsPlan):
        self.chains, self._compiled = chains, False
        self._program = chains.kernel, chains.target
        self._key = jax.random.fold_in(chains.key, _CHAINS)
        most = max(1, _BLOCK_BYTES // chains.num_bytes())
        self.block = min(_BLOCK, chains.num_samples, most)
        self._threads = num_cores() if chains.method == "parallel" else 1

    def _chain_keys(self, purpose: int) -> list[Array]:
        keys = [jax.random.fold_in(self._key, i) for i in range(self.chains.num_chains)]
        return [jax.random.fold_in(key, purpose) for key in keys]

    def precision(self) -> contextlib.AbstractContextManager[Any]:
        """JAX's flag under which the chains run, while it is held."""
        return jax.enable_x64(self.chains.target.x64)

    def begin(self) -> Checkpoint:
        """All chains at their start. Raises FloatingPointError where there is none."""
        # One after another: whether there are library calls is not known yet.
        with self.precision():
            begun = [begin_chain(*self._program, key) for key in self._chain_keys(_START)]
            alive = [bool(jnp.isfinite(log_density)) for _, log_density in begun]
        if not all(alive):
            raise FloatingPointError(
                f"chain {alive.index(False)} finds no start: at each of {START_TRIES} prior draws "
                "the log weight is NaN or −∞; expected a finite number of nats. Look at the "
                "likelihood's log_prob at prior draws, and at the scales of prior and targets"
            )
        return Checkpoint(0, [chain for chain, _ in begun])

    def advance(
        self, chains: list[Chain], first: int, count: int, every: int
    ) -> tuple[list[Chain], Samples]:
        """All chains `count` kept draws further, each array of these [chain, draw, …]."""
        keys = self._chain_keys(_STEPS)
        with self.precision():
            steps = Steps(*map(jnp.asarray, (first, count, every, self.chains.num_warmup)))
        if self.chains.method == "vectorized":
            return self._vectorised(keys, chains, steps, count)
        self._compile(keys[0], chains[0], steps)

        def one(pair: tuple[Array, Chain]) -> tuple[Chain, Samples]:
            chain, kept = self._advance(*pair, steps)
            return chain, jax.tree.map(lambda a: np.asarray(a)[:count], kept)

        done = self._each(one, list(zip(keys, chains, strict=True)))
        kept = jax.tree.map(lambda *arrays: np.stack(arrays), *[part for _, part in done])
        return [chain for chain, _ in done], kept

    def _advance(self, key: Array, chain: Chain, steps: Steps) -> tuple[Chain, Samples]:
        return advance(*self._program, key, chain, steps, block=self.block)

    def _vectorised(
        self, keys: list[Array], chains: list[Chain], steps: Steps, count: int
    ) -> tuple[list[Chain], Samples]:
        with self.precision():
            stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *chains)
            advance = jax.vmap(self._advance, (0, 0, None))
            chain, kept = advance(jnp.stack(keys), stacked, steps)
            parts = [jax.tree.map(lambda a: a[i], chain) for i in range(len(keys))]  # noqa: B023
            return parts, jax.tree.map(lambda a: np.asarray(a[:, :count]), kept)

    def _compile(self, key: Array, chain: Chain, steps: Steps) -> None:
        """Compile once, before threads would each; library calls are for one thread at a time."""
        if self._compiled:
            return
        with self.precision():
            given = (
                *self._program,
                key,
                chain,
                steps._replace(num_samples=jnp.zeros_like(steps[1])),
            )
            program = advance.lower(*given, block=self.block)
            if calls_libraries(program.as_text()):
                self._threads = 1
            jax.block_until_ready(advance(*given, block=self.block))
        self._compiled = True

    def _each(self, work: Callable[[Any], Any], items: list[Any]) -> list[Any]:
        def on_a_thread(item: Any) -> Any:
            # The flag belongs to the thread.
            with self.precision():
                return jax.block_until_ready(work(item))

        return list(in_order(on_a_thread, items, min(self._threads, len(items))))


def run_chains(
    runner: Runner,
    *,
    progress: bool = False,
    begun: Checkpoint | None = None,
    num_samples: int | None = None,
) -> Iterator[Checkpoint]:
    """The run after each block, to its end; from `begun` if given, else from the start."""
    chains, now = runner.chains, runner.begin() if begun is None else begun
    wanted = chains.num_samples if num_samples is None else num_samples
    total = chains.num_warmup + wanted * chains.thinning
    size = 1
    with Progress(total, enabled=progress, label="transitions", unit="step") as bar:
        while now.num_samples < wanted:
            started = time.perf_counter()
            now = _after_block(runner, now, size, wanted)
            done = now.num_warmup + now.num_samples * chains.thinning
            bar.show(done, f"{chains.num_chains} chains" if now.num_samples else "warmup")
            size = _next_size(size, time.perf_counter() - started)
            yield now


def _after_block(runner: Runner, now: Checkpoint, size: int, wanted: int) -> Checkpoint:
    """One block more, of about `size`"""
    chains = runner.chains
    left = chains.num_warmup - now.num_warmup
    if left > 0:
        count = min(size, left)
        moved, _ = runner.advance(now.chains, now.num_warmup, 1, count)
        return Checkpoint(now.num_warmup + count, moved)
    count = min(max(1, size // chains.thinning), runner.block, wanted - now.num_samples)
    first = chains.num_warmup + now.num_samples * chains.thinning
    moved, kept = runner.advance(now.chains, first, count, chains.thinning)
    return now._replace(chains=moved, samples=(*now.samples, kept))


def _next_size(size: int, seconds: float) -> int:
    """Blocks of about a second: what a kill can cost, and how often progress is shown."""
    if seconds < 0.5 * _SECONDS:
        return min(2 * size, _LARGEST)
    return max(1, size // 2) if seconds > 2 * _SECONDS else size
