"""Strict draws by auxiliary rejection, beside the bound of the likelihood.

    python benchmarks/auxiliary.py

Diabetes, one hidden layer of erf or ReLU, noise variance 0.1, b_std 0.1. Printed for each: the
share of attempts that are draws; that of proposals under the likelihood's own bound, its log10;
draws a second, compilation aside, on all cores; and how many times longer a draw takes than the
standard normals of one prior network at the training inputs (the least there could be).
"""

import math
import time

import jax
import jax.numpy as jnp
import numpy as np

import bnnpost
from bnnpost import rejection
from bnnpost.likelihoods import Gaussian
from bnnpost.spaces import engine

PROBLEMS = [
    *(("erf", *p) for p in [(5, 256), (10, 256), (10, 1024), (20, 1024), (20, 4096), (50, 16384)]),
    *(("relu", *p) for p in [(5, 256), (10, 256), (20, 256), (20, 1024), (50, 4096), (50, 16384)]),
]
SECONDS = 10.0


def posterior(activation: str, num_points: int, width: int) -> bnnpost.Posterior:
    """The problem of so many points and units."""
    x, y, *_ = bnnpost.datasets.diabetes_problem(num_points, 1)
    network = bnnpost.mlp(
        width=width, depth=1, activation=activation, w_std=1.0, b_std=0.1, readout_w_std=1.0
    )
    return bnnpost.Posterior(network, Gaussian(0.1**0.5), x, y)


def timed(of: bnnpost.Posterior) -> tuple[bnnpost.Draws, float]:
    """Draws, and draws a second: of what more blocks of them take than one, SECONDS at least."""
    run(of, 1)  # which compiles
    first, before = run(of, 1)
    block = engine.block_shape(first.space).block
    count = block
    while True:
        draws, taken = run(of, count)
        blocks = math.ceil(draws.info.num_proposals / block) - 1
        if taken - before > SECONDS:
            return draws, blocks * block * draws.info.acceptance_rate / (taken - before)
        count *= 4


def run(of: bnnpost.Posterior, count: int) -> tuple[bnnpost.Draws, float]:
    """So many draws, and the seconds that they take with all that precedes them."""
    start = time.perf_counter()
    draws = rejection.sample(jax.random.key(0), of, num_samples=count, bound="auxiliary")
    return draws, time.perf_counter() - start


def floor(num_points: int, width: int) -> float:
    """Seconds for as many standard normals as a network has at the training inputs, one core."""
    draw = jax.jit(lambda key: jnp.sum(jax.random.normal(key, (num_points, width))))
    draw(jax.random.key(0)).block_until_ready()
    start, count = time.perf_counter(), 50
    for i in range(count):
        draw(jax.random.key(i)).block_until_ready()
    return (time.perf_counter() - start) / count


def main() -> None:
    """Print a row a problem."""
    print("      points  width  draws/attempt  log10 likelihood's bound  draws/s  x normals")
    for activation, num_points, width in PROBLEMS:
        of = posterior(activation, num_points, width)
        draws, rate = timed(of)
        bound = of.likelihood.collapsed_log_bound(of.targets, 0.1**2)
        other = (draws.info.log_evidence - bound) / np.log(10)
        ratio = 1 / (rate * floor(num_points, width))
        print(
            f"{activation:5} {num_points:6d} {width:6d} {draws.info.acceptance_rate:14.3f} "
            f"{other:24.1f} {rate:8.1f} {ratio:10.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
