"""nngp as a function: jit, vmap, dtypes, blocks, the key, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.networks import Activation
from tests.kernels import points

X = np.random.default_rng(6).normal(size=(6, 3))


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_jit_gives_the_same_kernel(name):
    network = points.network(name, 1)
    with jax.enable_x64(True):
        eager = bnnpost.nngp(network, X)
        compiled = jax.jit(bnnpost.nngp)(network, X)
    assert np.allclose(compiled, eager, rtol=1e-13)


@pytest.mark.parametrize(("name", "std"), [("erf", "w_std"), ("tanh", "w_std"), ("erf", "b_std")])
def test_vmap_over_stds_equals_a_loop(name, std):
    stds = np.array([0.2, 0.7, 1.2])

    def kernel(value):
        return bnnpost.nngp(points.network(name, 1, **{std: value}), X)

    with jax.enable_x64(True):
        batched = jax.vmap(kernel)(jnp.asarray(stds))
        looped = np.stack([kernel(value) for value in stds])
    assert batched.shape == (3, 6, 6)
    assert np.allclose(batched, looped, rtol=1e-13)


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


NAN, INFINITY = (np.where(np.arange(18).reshape(6, 3) == 7, bad, X) for bad in (np.nan, np.inf))


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ((NAN,), "finite numbers in x1"),
        ((INFINITY,), "finite numbers in x1"),
        ((X, NAN), "finite numbers in x2"),
        ((np.ones(3),), r"x1 of shape \[point, feature\]"),
        ((np.ones((0, 3)),), r"x1 of shape \[point, feature\]"),
        ((np.ones((3, 0)),), r"x1 of shape \[point, feature\]"),
        ((X, X[:, :2]), "one shape of inputs"),
    ],
)
def test_what_are_no_inputs_is_refused(inputs, words):
    with pytest.raises(ValueError, match=words):
        bnnpost.nngp(points.network("erf", 1), *inputs)


def test_one_activation_is_a_network_too():
    # Without a first Dense the inputs are the units: K = E φφ of ⟨x, x′⟩/d.
    with jax.enable_x64(True):
        kernel = bnnpost.nngp(Activation("identity"), X)
    assert np.allclose(kernel, X @ X.T / 3, rtol=1e-14)
