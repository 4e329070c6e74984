"""Single precision: no NaN where inputs are parallel, and the double kernel to rounding."""

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.networks.catalogue import names
from tests.kernels import points

# Activations with a jump turn a rounding ε of the correlation into √ε.
ROUNDING = {"sign": 2e-3}


def parallel_points():
    """Multiples of one row: every correlation is 1 or −1 and rounds in many ways."""
    rng = np.random.default_rng(0)
    multiples = np.concatenate([[1, 1, -1, 2, -3, 0.1], rng.uniform(-2, 2, 4)])
    return 0.3 * multiples[:, None] * rng.normal(size=5)


@pytest.mark.parametrize("name", names())
@pytest.mark.each(12)
def test_parallel_inputs_give_no_nan(name):
    with jax.enable_x64(False):
        kernel = bnnpost.nngp(points.network(name, depth=1, b_std=0.0), parallel_points())
    assert kernel.dtype == np.float32
    assert np.all(np.isfinite(kernel))


@pytest.mark.parametrize("double", [False, True], ids=["single", "double"])
def test_signs_of_parallel_inputs_are_equal_or_opposite(double):
    x = parallel_points()
    with jax.enable_x64(double):
        kernel = bnnpost.nngp(points.network("sign", depth=1, b_std=0.0), x)
    expected = np.sign(x[:, :1]) * np.sign(x[:, 0])
    assert np.allclose(kernel, expected, rtol=0, atol=1e-6 if not double else 1e-14)


@pytest.mark.parametrize("name", names())
@pytest.mark.each(12)
def test_single_precision_agrees_with_double(name):
    double = points.awkward_kernel(name, 1, 0.0)
    single = points.awkward_kernel(name, 1, 0.0, double=False)
    assert single.dtype == np.float32
    assert np.array_equal(single, single.T)
    assert np.allclose(single, double, rtol=0, atol=ROUNDING.get(name, 2e-5) * np.max(double))
