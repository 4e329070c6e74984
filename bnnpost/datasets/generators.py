"""Small one-dimensional problems, drawn afresh from an explicit seed.

Each generator returns a Dataset with x [row, 1], in ascending order for plotting, and y [row].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from bnnpost.datasets.table import DataError, Dataset, FloatArray, check_integer


class Generator(Protocol):
    """What every entry of GENERATORS can be called with; all arguments have defaults."""

    def __call__(
        self, num_points: int = ..., seed: int = ..., noise_std: float = ...
    ) -> Dataset: ...


def sine_gap(num_points: int = 100, seed: int = 0, noise_std: float = 0.1) -> Dataset:
    """Return y = sin(2 x) + noise, with no points in the middle.

    x, [num_points, 1], is uniform on [-3, -1] and [1, 3]; y is [num_points]. The gap shows
    whether predictions grow uncertain between the data. Raises DataError as _draw does.
    """

    def place(uniform: FloatArray) -> FloatArray:
        # [-2, 2] is torn apart at 0 and each half is moved outward by 1.
        torn = 4.0 * uniform - 2.0
        return np.where(torn < 0, torn - 1.0, torn + 1.0)

    return _draw("sine_gap", place, lambda x: np.sin(2.0 * x), num_points, seed, noise_std)


def cubic(num_points: int = 20, seed: int = 0, noise_std: float = 3.0) -> Dataset:
    """Return y = x cubed + noise, x uniform on [-4, 4].

    x is [num_points, 1], y is [num_points]. With the defaults this is the toy problem of
    Hernandez-Lobato and Adams (2015), few points and loud noise. Raises DataError as _draw
    does.
    """
    return _draw(
        "cubic", lambda uniform: 8.0 * uniform - 4.0, lambda x: x**3, num_points, seed, noise_std
    )


def step(num_points: int = 60, seed: int = 0, noise_std: float = 0.1) -> Dataset:
    """Return y = -1 left of 0, +1 from 0 on, + noise, x uniform on [-2, 2].

    x is [num_points, 1], y is [num_points]. The jump is what smooth priors find hard.
    Raises DataError as _draw does.
    """
    return _draw(
        "step",
        lambda uniform: 4.0 * uniform - 2.0,
        lambda x: np.where(x < 0, -1.0, 1.0),
        num_points,
        seed,
        noise_std,
    )


#: The one-dimensional problems that are made from a seed, by name.
GENERATORS: Mapping[str, Generator] = {"sine_gap": sine_gap, "cubic": cubic, "step": step}


def _draw(
    name: str,
    place: Callable[[FloatArray], FloatArray],
    mean: Callable[[FloatArray], FloatArray],
    num_points: int,
    seed: int,
    noise_std: float,
) -> Dataset:
    """Return the set of num_points rows with x from place(uniform) and y = mean(x) + noise.

    place maps uniform numbers on [0, 1), [row], to x, [row]; mean maps x to the noiseless
    y, [row]. The noise is Gaussian with mean 0.

    Raises DataError if num_points < 1, the seed is negative, either is not an integer, or
    noise_std is negative or not finite.
    """
    num_points = check_integer("num_points", num_points, minimum=1)
    seed = check_integer("seed", seed, minimum=0)
    if not (math.isfinite(noise_std) and noise_std >= 0):
        raise DataError(
            f"noise_std must be finite and at least 0, got {noise_std}; 0 means no noise"
        )
    rng = np.random.default_rng(seed)
    x = np.sort(place(rng.random(num_points)))
    # Standard normals are drawn whatever noise_std is, so that one seed gives one x and
    # one shape of noise at every noise level.
    y = mean(x) + noise_std * rng.standard_normal(num_points)
    return Dataset(
        name=name,
        x=x[:, None],
        y=y,
        feature_names=("x",),
        target_names=("y",),
        source=f"generated: {name}(num_points={num_points}, seed={seed}, noise_std={noise_std})",
        licence="none needed: generated numbers",
    )
