"""nngp, and both kernels at once, as functions: jit, vmap, dtypes, the key, what is refused."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.kernels import HeadsWarning, monte_carlo_error
from bnnpost.networks import Activation, Dense, Flatten, SelfAttention, Serial
from tests.kernels import points

X = np.random.default_rng(6).normal(size=(6, 3))


@pytest.mark.first
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_jit_gives_the_same_kernel(name):
    network = points.network(name, 1)
    with jax.enable_x64(True):
        eager = bnnpost.nngp(network, X)
        compiled = jax.jit(bnnpost.nngp)(network, X)
    assert np.allclose(compiled, eager, rtol=1e-13)


@pytest.mark.first
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


@pytest.mark.first
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


def test_the_package_of_kernels_gives_both():
    network = points.network("gelu", 1)
    with jax.enable_x64(True):
        both = bnnpost.kernels(network, X, X[:2])
        compiled = jax.jit(bnnpost.kernels)(network, X, X[:2])
        alone = bnnpost.nngp(network, X, X[:2]), bnnpost.ntk(network, X, X[:2])
    assert both._fields == ("nngp", "ntk")
    for found in (both, compiled):
        assert np.allclose(found, alone, rtol=1e-13)
    assert bnnpost.kernels is importlib.import_module("bnnpost.kernels")
    assert bnnpost.kernels.monte_carlo_error is monte_carlo_error


@pytest.mark.slow
def test_both_kernels_need_and_say_what_one_does():
    attention = SelfAttention(1, heads=1, scaling="sqrt", num_draws=8)
    network, x = Serial([attention, Flatten(), Dense(1)]), X.reshape(3, 2, 3)
    with pytest.warns(HeadsWarning) as warned:
        both = bnnpost.kernels(network, x, key=jax.random.key(0))
        ntk = bnnpost.ntk(network, x, key=jax.random.key(0))
    assert [warning.filename for warning in warned] == [__file__] * 2
    assert np.array_equal(both.ntk, ntk)
    with pytest.raises(TypeError, match="pass key"), pytest.warns(HeadsWarning):
        bnnpost.kernels(network, x)
    with pytest.raises(ValueError, match="one shape of inputs"):
        bnnpost.kernels(network, x, X)
