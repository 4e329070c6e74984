"""Kernels of functions of the user's: quadrature, its warning, and a closed form of theirs."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.kernels import QuadratureWarning, quadrature_error
from bnnpost.networks import Activation
from bnnpost.networks.nonlinearities import Nonlinearity
from tests.kernels import points

X = np.random.default_rng(8).normal(size=(3, 4))


def kernel(activation, x=X, w_std=1.2):
    with jax.enable_x64(True):
        return np.asarray(bnnpost.nngp(points.network(activation, 1, w_std), x))


def error_estimate(activation, x=X):
    with jax.enable_x64(True):
        return quadrature_error(points.network(activation, 1, 1.2), x)


def true_error(activation, closed_form, x=X):
    """Relative to the largest entry, as the estimate is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QuadratureWarning)
        found, exact = kernel(activation, x), kernel(closed_form, x)
    return np.max(np.abs(found - exact)) / np.max(np.abs(exact))


def test_named_numerical_activation_is_its_function():
    assert np.array_equal(kernel(Activation(jax.nn.tanh)), kernel("tanh"))


@pytest.mark.first
@pytest.mark.parametrize(
    ("function", "closed_form"),
    [(jnp.sin, "sin"), (jax.scipy.special.erf, "erf"), (jnp.square, "monomial")],
    ids=["sin", "erf", "square"],
)
def test_smooth_function_agrees_with_its_closed_form(function, closed_form):
    assert true_error(Activation(function), closed_form) < 1e-12
    assert error_estimate(Activation(function)) < 1e-5


def test_closed_form_has_no_quadrature_error():
    assert error_estimate("erf") == 0.0


@pytest.mark.first
@pytest.mark.parametrize("step", [0.5, 1.0])
@pytest.mark.parametrize(
    ("function", "closed_form"),
    [(jnp.sin, "sin"), (jax.scipy.special.erf, "erf")],
    ids=["sin", "erf"],
)
def test_estimate_for_a_smooth_function_is_the_error_at_twice_the_step(function, closed_form, step):
    estimate = error_estimate(Activation(function, step=step))
    error = true_error(Activation(function, step=step), closed_form)
    doubled = true_error(Activation(function, step=2 * step), closed_form)
    assert error < estimate
    assert abs(estimate - doubled) <= 1.5 * error + 1e-14
    # Exponential convergence: at the step itself about the square, never much above it.
    assert error < 10 * estimate**2 + 1e-14


def test_kinked_function_warns_with_its_estimate():
    # Ordinary inputs; the estimate hovers above the threshold, 1e-5, so take rows well above.
    x = np.random.default_rng(4).normal(size=(3, 3))
    estimate = error_estimate(Activation(jax.nn.relu), x)
    assert estimate > 1e-5
    with pytest.warns(QuadratureWarning, match=f"kernel by {estimate:.1e} of its largest"):
        kernel(Activation(jax.nn.relu), x)


def test_estimate_for_a_kink_is_of_the_size_of_the_error():
    # Fixed inputs, no chance: twelve triples of rows, all of one compiled shape.
    ratios = []
    for seed in range(12):
        x = np.random.default_rng(seed).normal(size=(3, 3))
        error = true_error(Activation(jax.nn.relu), "relu", x)
        ratios.append(error / error_estimate(Activation(jax.nn.relu), x))
    assert max(ratios) < 1
    assert np.median(ratios) > 1 / 30


def test_estimate_for_a_jump_is_of_the_size_of_the_error():
    error = true_error(Activation(jnp.sign), "sign")
    estimate = error_estimate(Activation(jnp.sign))
    assert estimate / 20 < error < 2 * estimate
    assert error > 1e-3


@pytest.mark.slow
def test_smaller_step_is_honoured_and_silent():
    # Where the kink is met obliquely the error falls as the square of the step.
    x = np.random.default_rng(4).normal(size=(3, 3))
    coarse, fine = Activation(jax.nn.relu), Activation(jax.nn.relu, step=0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel(fine, x)
    assert true_error(fine, "relu", x) < true_error(coarse, "relu", x) / 8


def test_step_of_a_named_activation_is_honoured():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", QuadratureWarning)
        moved = np.max(np.abs(kernel(Activation("tanh", step=0.8)) - kernel("tanh")))
    assert 1e-6 < moved < 1e-1


class Square(Nonlinearity):
    """x² with the closed form E u²v² = v₁v₂ + 2c² (Isserlis)."""

    closed_form = True

    def __call__(self, x):
        return x**2

    def product_moment(self, k):
        return k.variances1[:, None] * k.variances2 + 2 * k.cross**2

    def second_moment(self, variances):
        return 3 * variances**2


def test_nonlinearity_of_the_users_brings_its_own_kernel_map():
    own = Activation(Square())
    assert np.allclose(kernel(own), kernel("monomial"), rtol=1e-14)
    assert error_estimate(own) == 0.0
    assert np.array_equal(own(jnp.array([-2.0, 3.0])), [4.0, 9.0])


def test_nonlinearity_that_is_wrong_is_told_apart():
    class Wrong(Square):
        def product_moment(self, k):
            return k.variances1[:, None] * k.variances2 + k.cross**2

    assert np.max(np.abs(kernel(Activation(Wrong())) / kernel("monomial") - 1)) > 0.01
