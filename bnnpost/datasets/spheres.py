"""A teacher on the sphere, whose learning curve has a known exponent."""

from __future__ import annotations

import math

import numpy as np

from bnnpost.datasets.table import DataError, Dataset, check_integer

_NUM_UNITS = 1024


def sphere_teacher(
    num_points: int = 2500,
    seed: int = 0,
    noise_std: float = 0.0,
    *,
    num_features: int = 4,
    num_targets: int = 1,
) -> Dataset:
    """Return points on a sphere, and random networks of them with one hidden layer of 1024 ReLUs.

    x, [num_points, num_features], is uniform on the sphere of radius √num_features; y,
    [num_points] or [num_points, num_targets], is √2 times the sum over units, of standard normal
    weights and no bias, over the root of their number: of mean square 1. Noise of noise_std is
    added. To the kernel of ReLU networks of
    any depth a teacher is as rough as a draw from the prior: on the sphere of d features its
    eigenvalues fall as i^-(1 + 3/(d-1)), and the loss of n points without noise as n^-3/(d-1).

    Raises DataError for fewer than 2 features, fewer than 1 point or target, a negative seed, and
    noise_std that is negative or not finite.
    """
    num_points = check_integer("num_points", num_points, minimum=1)
    seed = check_integer("seed", seed, minimum=0)
    num_features = check_integer("num_features", num_features, minimum=2)
    num_targets = check_integer("num_targets", num_targets, minimum=1)
    if not (math.isfinite(noise_std) and noise_std >= 0):
        raise DataError(
            f"noise_std must be finite and at least 0, got {noise_std}; 0 means no noise"
        )
    # The teacher does not depend on how many points there are.
    teacher, points, noise = np.random.default_rng(seed).spawn(3)
    weights = teacher.standard_normal((num_features, _NUM_UNITS)) / math.sqrt(num_features)
    readout = teacher.standard_normal((_NUM_UNITS, num_targets)) * math.sqrt(2 / _NUM_UNITS)
    x = points.standard_normal((num_points, num_features))
    x *= math.sqrt(num_features) / np.linalg.norm(x, axis=1, keepdims=True)
    y = np.maximum(x @ weights, 0.0) @ readout
    y += noise_std * noise.standard_normal(y.shape)
    return Dataset(
        name="sphere_teacher",
        x=x,
        y=y[:, 0] if num_targets == 1 else y,
        feature_names=tuple(f"x{i + 1}" for i in range(num_features)),
        target_names=tuple(f"y{i + 1}" for i in range(num_targets)),
        source=(
            f"generated: sphere_teacher(num_points={num_points}, seed={seed}, "
            f"noise_std={noise_std}, num_features={num_features}, num_targets={num_targets})"
        ),
        licence="none needed: generated numbers",
    )
