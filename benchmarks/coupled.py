"""Coupled chains: when pairs meet, and what a thousand draws cost.

    python benchmarks/coupled.py [POINTS WIDTH …]

Diabetes, erf, depth 2, noise variance 0.1, b_std 0.1; 1,000 pairs, tolerance 0.01. Printed: steps
until half of the pairs, and all, have met, beyond the lag; the step of the draws and the limit of
their distance; rotations of a step; seconds of the pilot, compilation with it, and of the rest.
"""

import sys

import jax

import bnnpost
from bnnpost.likelihoods import Gaussian

PROBLEMS = [(20, 256), (50, 256), (50, 1024), (100, 1024), (50, 64)]


def posterior(num_points: int, width: int) -> bnnpost.Posterior:
    """The problem of so many points and units."""
    x, y, *_ = bnnpost.datasets.diabetes_problem(num_points, 1)
    network = bnnpost.mlp(width=width, depth=2, activation="erf", w_std=1.0, b_std=0.1)
    return bnnpost.Posterior(network, Gaussian(0.1**0.5), x, y)


def main(arguments: list[str]) -> None:
    """Print a row a problem."""
    numbers = [int(word) for word in arguments]
    chosen = list(zip(numbers[::2], numbers[1::2], strict=True)) or PROBLEMS
    print("points  width  met, half  all  step  distance  rotations  pilot, s  pairs, s")
    for num_points, width in chosen:
        draws = bnnpost.coupled.sample(jax.random.key(0), posterior(num_points, width))
        found = draws.info.coupled
        assert found is not None
        times = sorted(time - found.lag for time in found.meeting_times)
        print(
            f"{num_points:6d} {width:6d} {times[len(times) // 2]:10d} {times[-1]:4d} "
            f"{found.step:5d} {found.tv_upper:9.4f} {found.num_rotations:10d} "
            f"{found.pilot_seconds:9.0f} {draws.info.seconds - found.pilot_seconds:9.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
