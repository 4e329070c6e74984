"""Gradients of the kernel with respect to inputs and stds, against finite differences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from tests.kernels import points

# One of every form: kinks, jumps, closed forms, quadrature.
SOME = ("relu", "erf", "gelu", "sin", "gaussian", "sign", "tanh")
W_STD, STEP = 1.1, 1e-5


@functools.cache
def inputs(with_duplicate=False):
    x = 0.6 * np.random.default_rng(3).normal(size=(4, 3))
    return np.concatenate([x, x[:1]]) if with_duplicate else x


@functools.cache
def weighted_sum(name, with_duplicate=False):
    """Σ_ij c_ij K(x_i, x_j) with random c as a function of (x, w_std), and its gradients."""
    size = len(inputs(with_duplicate))
    weights = np.random.default_rng(4).normal(size=(size, size))

    def value(x, w_std):
        return jnp.sum(weights * bnnpost.nngp(points.network(name, w_std=w_std), x))

    return jax.jit(jax.value_and_grad(value, argnums=(0, 1)))


def finite_difference(function, x, w_std, x_direction, w_direction):
    up, _ = function(x + STEP * x_direction, w_std + STEP * w_direction)
    down, _ = function(x - STEP * x_direction, w_std - STEP * w_direction)
    return float(up - down) / (2 * STEP)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.first
def test_gradient_with_respect_to_inputs(name):
    direction = np.random.default_rng(5).normal(size=inputs().shape)
    with jax.enable_x64(True):
        function = weighted_sum(name)
        _, (gradient, _) = function(inputs(), W_STD)
        expected = finite_difference(function, inputs(), W_STD, direction, 0.0)
    assert np.all(np.isfinite(gradient))
    assert np.isclose(np.sum(np.asarray(gradient) * direction), expected, rtol=1e-6)


@pytest.mark.first
@pytest.mark.parametrize("name", SOME)
def test_gradient_with_respect_to_the_std_of_the_weights(name):
    with jax.enable_x64(True):
        function = weighted_sum(name)
        _, (_, slope) = function(inputs(), W_STD)
        expected = finite_difference(function, inputs(), W_STD, 0.0, 1.0)
    assert np.isclose(slope, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["relu", "sign", "tanh"])
@pytest.mark.first
def test_duplicate_inputs_leave_gradients_finite(name):
    with jax.enable_x64(True):
        function = weighted_sum(name, with_duplicate=True)
        _, (gradient, slope) = function(inputs(True), W_STD)
        expected = finite_difference(function, inputs(True), W_STD, 0.0, 1.0)
    assert np.all(np.isfinite(gradient))
    assert np.isclose(slope, expected, rtol=1e-6)


@pytest.mark.first
@pytest.mark.parametrize("name", ["relu", "abs"])
def test_gradient_of_the_variances(name):
    # One hidden layer, no bias: K(x, x) = q w⁴ ‖x‖²/d, q = 1/2 for ReLU and 1 for |u|.
    x = inputs()
    with jax.enable_x64(True):
        network = points.network(name, 1, W_STD, 0.0)
        gradient = jax.jit(jax.grad(lambda x: jnp.trace(bnnpost.nngp(network, x))))(x)
    share = {"relu": 0.5, "abs": 1.0}[name]
    assert np.allclose(gradient, share * W_STD**4 * 2 * x / x.shape[1], rtol=1e-12)
