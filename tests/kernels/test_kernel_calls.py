"""nngp as a function: jit, vmap, dtypes, blocks, the key, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.networks import Activation
from tests.kernels import points

X = np.random.default_rng(6).normal(size=(6, 3))


def test_jit_gives_the_same_kernel():
    network = points.network("relu", 1)
    with jax.enable_x64(True):
        eager = bnnpost.nngp(network, X)
        compiled = jax.jit(bnnpost.nngp)(network, X)
    assert np.allclose(compiled, eager, rtol=1e-14)


def test_jit_of_a_numerical_activation_gives_the_same_kernel():
    network = points.network("tanh", 1)
    with jax.enable_x64(True):
        eager = bnnpost.nngp(network, X)
        compiled = jax.jit(bnnpost.nngp)(network, X)
    assert np.allclose(compiled, eager, rtol=1e-13)


@pytest.mark.parametrize("name", ["erf", "tanh"])
def test_vmap_over_stds_equals_a_loop(name):
    stds = np.array([0.7, 1.0, 1.2])

    def kernel(w_std):
        return bnnpost.nngp(points.network(name, 1, w_std=w_std), X)

    with jax.enable_x64(True):
        batched = jax.vmap(kernel)(jnp.asarray(stds))
        looped = np.stack([kernel(std) for std in stds])
    assert batched.shape == (3, 6, 6)
    assert np.allclose(batched, looped, rtol=1e-13)


def test_vmap_over_the_std_of_the_biases_equals_a_loop():
    stds = np.array([0.2, 0.5])

    def kernel(b_std):
        return bnnpost.nngp(points.network("erf", 1, b_std=b_std), X)

    with jax.enable_x64(True):
        batched = jax.vmap(kernel)(jnp.asarray(stds))
        looped = np.stack([kernel(std) for std in stds])
    assert np.allclose(batched, looped, rtol=1e-14)


@pytest.mark.parametrize("name", ["relu", "erf", "tanh"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_that_of_the_inputs(name, dtype):
    with jax.enable_x64(True):
        assert bnnpost.nngp(points.network(name, 1), X.astype(dtype)).dtype == dtype


@pytest.mark.parametrize(("double", "dtype"), [(False, np.float32), (True, np.float64)])
def test_whole_numbers_and_lists_become_the_default_float(double, dtype):
    with jax.enable_x64(double):
        kernel = bnnpost.nngp(points.network("erf", 1), [[1, 2, 3], [4, 5, 6]])
    assert kernel.dtype == dtype


def test_key_is_accepted_and_changes_nothing():
    network = points.network("erf", 1)
    with_key = bnnpost.nngp(network, X, key=jax.random.key(1))
    assert np.array_equal(with_key, bnnpost.nngp(network, X))


def test_key_must_be_named():
    with pytest.raises(TypeError, match="positional"):
        bnnpost.nngp(points.network("erf", 1), X, X, jax.random.key(1))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_that_are_not_finite_are_refused(bad):
    x = X.copy()
    x[2, 1] = bad
    with pytest.raises(ValueError, match="finite numbers in x1"):
        bnnpost.nngp(points.network("erf", 1), x)
    with pytest.raises(ValueError, match="finite numbers in x2"):
        bnnpost.nngp(points.network("erf", 1), X, x)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (3, 0)])
def test_inputs_of_the_wrong_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"x1 of shape \[point, feature\]"):
        bnnpost.nngp(points.network("erf", 1), np.ones(shape))


def test_lists_with_different_features_are_refused():
    with pytest.raises(ValueError, match="expected the same"):
        bnnpost.nngp(points.network("erf", 1), X, X[:, :2])


def test_one_activation_is_a_network_too():
    # Without a first Dense the inputs are the units: K = E φφ of ⟨x, x′⟩/d.
    with jax.enable_x64(True):
        kernel = bnnpost.nngp(Activation("identity"), X)
    assert np.allclose(kernel, X @ X.T / 3, rtol=1e-14)
