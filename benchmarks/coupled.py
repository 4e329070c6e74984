"""Coupled chains: when pairs meet, and what a thousand draws cost.

    python benchmarks/coupled.py [POINTS,WIDTH | NAME] …

POINTS,WIDTH: diabetes, erf, depth 2, noise variance 0.1, b_std 0.1. NAME, one of OTHERS: another
network or likelihood at twenty points. By default all. 1,000 pairs, tolerance 0.01. Printed: steps
until half of the pairs, and all, have met, beyond the lag; the step of the draws and the limit of
their distance; rotations of a step; seconds of the pilot, compilation with it, and of the rest.
"""

import sys
from collections.abc import Callable

import jax
import numpy as np

import bnnpost
from bnnpost import (
    Activation,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    Posterior,
    SelfAttention,
    Serial,
    mlp,
)
from bnnpost.likelihoods import Bernoulli, Gaussian, Likelihood, StudentT

PROBLEMS = ("20,256", "50,256", "50,1024", "100,256", "100,1024", "50,64")
NOISE = Gaussian(0.1**0.5)


def diabetes(num_points: int, width: int) -> Posterior:
    """The problem of so many points and units."""
    x, y, *_ = bnnpost.datasets.diabetes_problem(num_points, 1)
    return Posterior(mlp(width=width, depth=2, activation="erf", w_std=1.0, b_std=0.1), NOISE, x, y)


def on_twenty(
    network: Serial,
    likelihood: Likelihood = NOISE,
    of: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> Posterior:
    """Twenty patients, and their targets or what is made of them."""
    x, y, *_ = bnnpost.datasets.diabetes_problem(20, 1)
    return Posterior(network, likelihood, x, of(y))


def on_digits(network: Serial, shape: tuple[int, ...]) -> Posterior:
    """Twenty digits, all ten outputs."""
    x, y, *_ = bnnpost.datasets.digits_problem(20)
    return Posterior(network, NOISE, x.reshape(-1, *shape), y)


def convolution() -> Serial:
    """Two layers of 32 channels."""
    conv = Conv(32, (3, 3), w_std=1.4, b_std=0.1)
    return Serial([conv, Activation("relu"), conv, Activation("relu"), Flatten(), Dense(10)])


def attention() -> Serial:
    """Softmax attention of four heads over the eight rows of a digit."""
    layers = [Dense(16), Activation("relu"), SelfAttention(16, heads=4), Activation("relu")]
    return Serial([*layers, GlobalAvgPool(), Dense(10)])


def erf() -> Serial:
    return mlp(width=256, depth=2, activation="erf", w_std=1.0, b_std=0.1)


OTHERS: dict[str, Callable[[], Posterior]] = {
    "relu-depth-3": lambda: on_twenty(
        mlp(width=256, depth=3, activation="relu", w_std=2**0.5, b_std=0.1)
    ),
    "tanh-depth-1": lambda: on_twenty(
        mlp(width=256, depth=1, activation="tanh", w_std=1.0, b_std=0.1)
    ),
    "student-t": lambda: on_twenty(erf(), StudentT(df=4.0, noise_std=0.1**0.5)),
    "bernoulli": lambda: on_twenty(erf(), Bernoulli(), lambda y: (y > 0).astype(float)),
    "convolution": lambda: on_digits(convolution(), (8, 8, 1)),
    "attention": lambda: on_digits(attention(), (8, 8)),
}


def posterior(name: str) -> Posterior:
    """Of this name."""
    if name in OTHERS:
        return OTHERS[name]()
    num_points, width = map(int, name.split(","))
    return diabetes(num_points, width)


def main(names: list[str]) -> None:
    """Print a row a problem."""
    print("problem       met, half  all  step  distance  rotations  pilot, s  pairs, s")
    for name in names or (*PROBLEMS, *OTHERS):
        draws = bnnpost.coupled.sample(jax.random.key(0), posterior(name))
        found = draws.info.coupled
        assert found is not None
        times = sorted(time - found.lag for time in found.meeting_times)
        print(
            f"{name:12s} {times[len(times) // 2]:10d} {times[-1]:4d} {found.step:5d} "
            f"{found.tv_upper:9.4f} {found.num_rotations:10d} {found.pilot_seconds:9.0f} "
            f"{draws.info.seconds - found.pilot_seconds:9.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
