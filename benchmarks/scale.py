"""Many points and wide networks: effective draws, acceptance, seconds, memory.

The standard problem diabetes(n, 5), noise_std √0.1, erf, depth 2, on this machine. Seconds are
without compilation; memory is the peak of a process of its own.
"""

import multiprocessing
import resource
import time

import jax
import numpy as np

import bnnpost
from bnnpost.numerics.weights import WeightSum
from bnnpost.samplers import pilot
from bnnpost.spaces import make_space

KEY = jax.random.key(0)


def problem(num_points: int, width: int) -> tuple[bnnpost.Posterior, np.ndarray]:
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(num_points, 5)
    likelihood = bnnpost.likelihoods.Gaussian(0.1**0.5)
    return bnnpost.Posterior(bnnpost.mlp(width=width), likelihood, x, y), x_test


def efficiency(num_points: int, width: int, num_proposals: int, target: float) -> None:
    posterior, _ = problem(num_points, width)
    log_weights = pilot.log_weights(KEY, make_space(posterior, strict=False), num_proposals)
    size = WeightSum().add(log_weights).effective_sample_size()
    print(
        f"diabetes({num_points}, 5), width {width}: {size / num_proposals:.3f} effective draws a "
        f"proposal   (target ≥ {target})"
    )


def cap_of_four_means() -> None:
    posterior, _ = problem(50, 4096)
    weights = pilot.log_weights(KEY, make_space(posterior, strict=False), 4000)
    cap = WeightSum().add(weights).log_mean().value + np.log(4)
    info = bnnpost.rejection.sample(KEY, posterior, num_samples=1000, bound="capped", cap=cap).info
    print(
        f"diabetes(50, 5), width 4096, cap 4 times the mean weight: {info.acceptance_rate:.3f} "
        f"accepted a proposal (target about 0.25), excess mass {info.excess_mass:.4f} "
        "(target < 0.02)"
    )


def thousand_draws() -> None:
    posterior, _ = problem(20, 1024)
    bnnpost.rejection.sample(jax.random.key(1), posterior, num_samples=1, bound="capped")
    start = time.perf_counter()
    draws = bnnpost.rejection.sample(KEY, posterior, num_samples=1020, bound="capped")
    seconds = time.perf_counter() - start
    print(
        f"diabetes(20, 5), width 1024: {draws.info.effective_sample_size:.0f} effective capped "
        f"draws in {seconds:.1f} s   (target 1,000 in < 10 s)"
    )


def widest() -> None:
    posterior, x_test = problem(10, 65_536)
    draws = bnnpost.rejection.sample(KEY, posterior, num_samples=20, bound="capped")
    draws.predict(x_test)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"diabetes(10, 5), width 65,536, drawn and predicted: {peak:.2f} GiB   (target < 2)",
        flush=True,
    )


def many_predictions() -> None:
    posterior, _ = problem(5, 16)
    draws = bnnpost.rejection.sample(KEY, posterior, num_samples=100_000)
    x_test = np.random.default_rng(0).standard_normal((1000, 10))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    held = draws.predict(x_test).nbytes / 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"diabetes(5, 5), width 16, 100,000 exact draws at 1,000 test inputs: {held:.2f} GiB of "
        f"predictions in {time.perf_counter() - start:.0f} s, peak {peak:.2f} GiB, of which "
        f"{before:.2f} before",
        flush=True,
    )


def main() -> None:
    efficiency(50, 4096, 4000, 0.5)
    efficiency(100, 16_384, 1000, 0.5)
    cap_of_four_means()
    thousand_draws()
    for task in (widest, many_predictions):
        process = multiprocessing.get_context("spawn").Process(target=task)
        process.start()
        process.join()


if __name__ == "__main__":
    main()
