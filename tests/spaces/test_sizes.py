"""The most that a unit's energy can be, against units that are made to have much of it."""

import jax.numpy as jnp
import numpy as np
import pytest

from bnnpost.numerics.precision import in_double_precision
from bnnpost.spaces.auxiliary.sizes import BoundedSizes, PiecewiseSizes

RNG = np.random.default_rng(0)


def largest(rows, left, right, t):
    """Of (Σ t_a φ(F_a·z))² over ‖z‖ = 1: from many starts, uphill by the gradient."""
    best = 0.0
    for z in RNG.standard_normal((200, rows.shape[1])):
        for _ in range(50):
            slopes = np.where(rows @ z > 0, right, left)
            gradient = rows.T @ (t * slopes)
            value = gradient @ z
            if not np.linalg.norm(gradient) > 0:
                break
            best = max(best, (value / np.linalg.norm(z)) ** 2)
            z = gradient * np.sign(value)
    return best


@pytest.mark.parametrize(("left", "right"), [(0.0, 1.0), (0.1, 1.0), (-1.0, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize(("count", "dimensions"), [(1, 1), (4, 2), (12, 5), (30, 8)])
@in_double_precision
@pytest.mark.first
def test_piecewise_linear_units(left, right, count, dimensions):
    rows = RNG.standard_normal((count, dimensions))
    sizes = PiecewiseSizes(rows, np.float64((left + right) / 2), np.float64((right - left) / 2))
    for _ in range(5):
        t = RNG.standard_normal(count)
        found, bound = largest(rows, left, right, t), float(sizes.of(jnp.asarray(t)[:, None]))
        assert found <= bound < 40 * found
        if left == right:  # of a linear unit it is all but exact
            assert bound < found * (1 + 1e-4)
        both = np.stack([t, 2 * t], axis=1)
        assert np.isclose(float(sizes.of(jnp.asarray(both))), 5 * bound)


@in_double_precision
def test_bounded_units():
    t = np.array([[1.0, -0.5], [-2.0, 0.25]])
    assert np.isclose(float(BoundedSizes(np.float64(0.3)).of(jnp.asarray(t))), 0.3 * (9 + 0.5625))
