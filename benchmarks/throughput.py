"""Proposals a second: function space over weight space, over drawing the normals alone, in width.

Everything is timed in one process, each configuration at the best of several batch sizes, in
rounds that take turns, best of the rounds, on as many threads as the samplers use. Printed are
ratios; the microseconds beside them are of this machine.
"""

import itertools
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

import bnnpost
from bnnpost.datasets import diabetes_problem
from bnnpost.numerics.random import row_normals
from bnnpost.numerics.threads import in_order, num_cores
from bnnpost.samplers.trials import trial
from bnnpost.spaces import engine, make_space
from bnnpost.spaces.network_parts import linear_layers
from bnnpost.spaces.space import Space

KEY = jax.random.key(0)
ROUNDS = 5
SECONDS = 0.6


def posterior(width: int, depth: int) -> bnnpost.Posterior:
    x, y, _, _ = diabetes_problem(5, 5)
    network = bnnpost.mlp(width=width, depth=depth)
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(0.1**0.5), x, y)


def normals_alone(space: Space, key: jax.Array) -> jax.Array:
    """The normals of one function-space proposal, from the same generator, and their sum."""
    rows = space.posterior.num_points
    total = jnp.zeros((), space.dtype)
    features = space.posterior.x.shape[1:]
    for i, (layer, *_) in enumerate(linear_layers(space.posterior.network, features)[:-1]):
        layer_key = jax.random.fold_in(jax.random.fold_in(key, 1), i)
        total += row_normals(jax.random.fold_in(layer_key, 0), rows, layer.width, space.dtype).sum()
    return total


class Case:
    """One task at one batch size: keeps its best time a proposal."""

    def __init__(self, task: Callable, space: Space, batch: int):
        self.task, self.space, self.batch = engine.Each(task, batch), space, batch
        self.best = np.inf
        self._size_block(batch)
        self._calibrate()

    def _size_block(self, block: int) -> None:
        self.block = block
        self.calls = engine.Calls(self.task, self.space, KEY, (), block)
        self.threads = self.calls.threads

    def _run(self, blocks: int) -> float:
        def work(start: int) -> object:
            numbers = np.arange(start, start + self.block, dtype=np.uint64)
            return jax.tree.map(np.asarray, self.calls(numbers))

        start = time.perf_counter()
        starts: Iterator[int] = itertools.islice(itertools.count(0, self.block), blocks)
        for _ in in_order(work, starts, self.threads):
            pass
        return time.perf_counter() - start

    def _calibrate(self) -> None:
        self._run(1)  # compile
        each = self._run(1)
        self._size_block(self.block * max(1, int(SECONDS / 4 / each)))
        self._run(self.threads)

    def measure(self) -> None:
        blocks = 2 * self.threads
        self.best = min(self.best, self._run(blocks) / (blocks * self.block))


def best(task: Callable, space: Space, batches: list[int]) -> Callable[[], Case]:
    cases = [Case(task, space, batch) for batch in batches]

    def measure() -> Case:
        for case in cases:
            case.measure()
        return min(cases, key=lambda case: case.best)

    return measure


def take_turns(**measures: Callable[[], Case]) -> dict[str, Case]:
    for _ in range(ROUNDS):
        found = {name: measure() for name, measure in measures.items()}
    return found


def against_weights_and_floor() -> None:
    target = posterior(1024, 3)
    functions = make_space(target, space="functions")
    weights = make_space(target, space="weights", collapse=False)
    batches = [2, 4, 8, 16, 64]
    found = take_turns(
        functions=best(trial, functions, batches),
        floor=best(normals_alone, functions, batches),
        weights=best(trial, weights, [1, 2, 4]),
    )
    print("width 1024, depth 3, 5 points, single precision; each at its best batch")
    for name, case in found.items():
        print(f"  {name:<10} {case.best * 1e6:10.1f} µs a proposal (batch {case.batch})")
    f, floor, w = (found[n].best for n in ("functions", "floor", "weights"))
    print(f"  function space over weight space, proposals a second: {w / f:.0f}   (target ≥ 120)")
    print(f"  function space over its normals alone, time: {f / floor:.2f}   (target ≤ 1.3)")


def against_width() -> None:
    widths = [256, 1024, 4096, 16384]
    found = take_turns(
        **{
            str(width): best(trial, make_space(posterior(width, 3)), [1, 4 if width > 4096 else 8])
            for width in widths
        }
    )
    times = np.array([found[str(width)].best for width in widths])
    exponent = np.polyfit(np.log(widths), np.log(times), 1)[0]
    print("\ntime of a function-space proposal against width (depth 3, 5 points)")
    for width, seconds in zip(widths, times, strict=True):
        print(
            f"  width {width:>6} {seconds * 1e6:10.1f} µs   {seconds / width * 1e9:6.1f} ns a unit"
        )
    print(f"  exponent from 256 to 16,384: {exponent:.3f}   (target ≤ 1.1)")


def main() -> None:
    print(f"{jax.devices()[0].device_kind}, {num_cores()} core(s)")
    against_weights_and_floor()
    against_width()


if __name__ == "__main__":
    main()
