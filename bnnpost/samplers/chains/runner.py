"""Running chains: warmup, then draws that are kept, in blocks that do not change results.

Chains run side by side on threads, one after another, or as one vectorised program.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.numerics.threads import calls_libraries, in_order, num_cores
from bnnpost.samplers.chains import transitions
from bnnpost.samplers.chains.chains import Chains
from bnnpost.samplers.chains.kernel import START_TRIES
from bnnpost.samplers.chains.transitions import Chain, Checkpoint, Samples, Steps
from bnnpost.samplers.progress import Progress

# Folded into a run's key for the chains, which share no number with what draws are completed by.
_CHAINS = 0x63686E73
# Folded into a chain's key: the start, and every transition.
_START, _STEPS = 0, 1
# Draws kept in one block, and bytes of them, at most; seconds that a block should take, and its
# most transitions.
_BLOCK, _BLOCK_BYTES, _SECONDS, _LARGEST = 128, 2**24, 1.0, 2**14


class Runner:
    """What takes chains further. block: draws of each chain that are handed over at once."""

    def __init__(self, chains: Chains):
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
            begun = [
                transitions.begin_chain(*self._program, key) for key in self._chain_keys(_START)
            ]
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
        return transitions.advance(*self._program, key, chain, steps, block=self.block)

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
            program = transitions.advance.lower(*given, block=self.block)
            if calls_libraries(program.as_text()):
                self._threads = 1
            jax.block_until_ready(transitions.advance(*given, block=self.block))
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
    """One block more, of about `size` transitions."""
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
