"""The inverse sine against 40 digits, at its edges, and its slope."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from bnnpost.numerics import arcsine

EDGES = [0.0, 1e-300, 1e-30, 1e-9, 1e-3, 0.5, np.nextafter(0.5, 0), np.nextafter(0.5, 1), 1.0]
DTYPES = [np.float64, np.float32]


@functools.cache
def numbers(dtype):
    """A thousand numbers of [−1, 1], the edges, and the last ones before 1."""
    last = 1 - np.finfo(dtype).eps * np.array([0.5, 1, 2, 100])
    positive = np.concatenate([np.random.default_rng(0).uniform(0, 1, 500), EDGES, last])
    return np.concatenate([positive, -positive]).astype(dtype)


@functools.cache
def exact(dtype):
    with mpmath.workdps(40):
        return [mpmath.asin(mpmath.mpf(float(x))) for x in numbers(dtype)]


def worst(found, dtype):
    """Units in the last place."""
    with mpmath.workdps(40):
        pairs = zip(found, exact(dtype), strict=True)
        return max(
            abs(mpmath.mpf(float(f)) - e) / float(np.spacing(abs(dtype(float(e)))))
            for f, e in pairs
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_good_to_two_units_in_the_last_place(dtype):
    with jax.enable_x64(True):
        found = np.asarray(arcsine.arcsin(jnp.asarray(numbers(dtype))))
    assert found.dtype == dtype
    assert worst(found, dtype) <= 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_coefficient_off_by_a_hundred_thousandth_is_seen(dtype, monkeypatch):
    name = "_DOUBLE" if dtype == np.float64 else "_SINGLE"
    first, *others = getattr(arcsine, name)
    monkeypatch.setattr(arcsine, name, (first * (1 + 1e-5), *others))
    with jax.enable_x64(True):
        found = np.asarray(arcsine.arcsin(jnp.asarray(numbers(dtype))))
    assert worst(found, dtype) > 2


def test_odd_with_half_a_turn_between_its_ends_and_nan_beyond():
    with jax.enable_x64(True):
        x = jnp.asarray([1.0, -1.0, 0.0, 1.0 + 1e-15, -2.0, np.nan])
        found = np.asarray(arcsine.arcsin(x))
    assert found[:3].tolist() == [np.pi / 2, -np.pi / 2, 0.0]
    assert np.all(np.isnan(found[3:]))


@pytest.mark.slow
def test_slope():
    x = np.array([-0.99, -0.5, -1e-8, 0.0, 0.3, 0.7, 1 - 1e-12])
    with jax.enable_x64(True):
        slope = np.asarray(jax.vmap(jax.grad(arcsine.arcsin))(jnp.asarray(x)))
        at_ends = np.asarray(jax.vmap(jax.grad(arcsine.arcsin))(jnp.asarray([-1.0, 1.0])))
    assert np.allclose(slope, 1 / np.sqrt((1 - x) * (1 + x)), rtol=1e-14)
    assert np.all(at_ends == np.inf)
