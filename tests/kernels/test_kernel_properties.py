"""What holds for the kernel of every activation: symmetry, definiteness, duplicates, zeros."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bnnpost.networks import Activation
from bnnpost.networks.catalogue import names
from tests.kernels import points

# Name, depth, std of every bias: deep with one, shallow without. Two of the three
# activations that need quadrature, the slow ones, are left shallow.
DEEP = [name for name in names() if name not in ("sigmoid", "softplus")]
KERNELS = [(name, 2, 0.1) for name in DEEP] + [(name, 1, 0.0) for name in names()]
every_kernel = pytest.mark.parametrize(("name", "depth", "b_std"), KERNELS)


@every_kernel
@pytest.mark.each(12)
def test_kernel_is_finite_and_exactly_symmetric(name, depth, b_std):
    kernel = points.awkward_kernel(name, depth, b_std)
    assert kernel.dtype == np.float64
    assert np.all(np.isfinite(kernel))
    assert np.array_equal(kernel, kernel.T)


@every_kernel
@pytest.mark.each(12)
def test_kernel_is_positive_semidefinite_to_rounding(name, depth, b_std):
    eigenvalues = np.linalg.eigvalsh(points.awkward_kernel(name, depth, b_std))
    assert eigenvalues[0] >= -1e-13 * eigenvalues[-1]


@pytest.mark.each(12)
@every_kernel
def test_duplicate_inputs_have_identical_rows_to_rounding(name, depth, b_std):
    kernel = points.awkward_kernel(name, depth, b_std)
    first, duplicate = kernel[points.FIRST], kernel[points.DUPLICATE]
    assert np.allclose(first, duplicate, rtol=0, atol=8 * np.finfo(float).eps * np.max(kernel))


@pytest.mark.each(4)
@pytest.mark.parametrize("name", DEEP)
def test_different_inputs_have_different_rows(name):
    kernel = points.awkward_kernel(name, 2, 0.1)
    assert np.max(np.abs(kernel[0] - kernel[1])) > 1e-6 * np.max(kernel)


@pytest.mark.parametrize("name", points.HOMOGENEOUS)
def test_doubling_an_input_doubles_its_row_for_a_homogeneous_activation(name):
    kernel = points.awkward_kernel(name, 1, 0.0)
    assert np.allclose(kernel[points.DOUBLE], 2 * kernel[points.FIRST], rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("name", points.ODD)
def test_opposite_input_has_the_opposite_row_for_an_odd_activation(name):
    kernel = points.awkward_kernel(name, 1, 0.0)
    assert np.allclose(kernel[points.OPPOSITE], -kernel[points.FIRST], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", points.EVEN)
def test_opposite_input_has_the_same_row_for_an_even_activation(name):
    kernel = points.awkward_kernel(name, 1, 0.0)
    assert np.allclose(kernel[points.OPPOSITE], kernel[points.FIRST], rtol=1e-12, atol=1e-15)


def test_relu_units_of_opposite_inputs_are_never_both_alive():
    kernel = points.awkward_kernel("relu", 1, 0.0)
    assert abs(kernel[points.FIRST, points.OPPOSITE]) <= 1e-16
    assert kernel[points.FIRST, points.FIRST] > 1e-2


@pytest.mark.each(4)
@pytest.mark.parametrize("name", names())
def test_zero_input_without_bias_has_the_activation_at_zero(name):
    # u = 0 surely, so K(0, 0) = φ(0)² and K(0, x) = φ(0) E φ(u), here by a fine trapezoid rule.
    kernel = points.awkward_kernel(name, 1, 0.0)
    nodes = np.linspace(-9, 9, 18001)
    weights = np.exp(-0.5 * nodes**2) / np.sum(np.exp(-0.5 * nodes**2))
    x = points.awkward_points()[points.FIRST]
    with jax.enable_x64(True):
        at_zero = float(Activation(name)(jnp.zeros(())))
        values = np.asarray(Activation(name)(jnp.asarray(np.sqrt(np.mean(x**2)) * nodes)))
    assert np.isclose(kernel[points.ZERO, points.ZERO], at_zero**2, rtol=1e-13, atol=0)
    mean = weights @ values
    assert np.isclose(kernel[points.ZERO, points.FIRST], at_zero * mean, rtol=1e-12, atol=1e-16)


def test_zero_input_with_a_bias_has_the_variance_of_the_biases():
    # Identity, depth 2, w_std 1: K(0, 0) = 3 b_var.
    kernel = points.awkward_kernel("identity", 2, 0.1)
    assert np.isclose(kernel[points.ZERO, points.ZERO], 3 * 0.1**2, rtol=1e-14)
