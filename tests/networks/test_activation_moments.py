"""E φ(u)φ(v) of every named activation against integration in polar coordinates."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bnnpost.networks import Activation
from bnnpost.networks.catalogue import names
from bnnpost.networks.covariance import Covariance
from tests.networks import formulas, polar

VARIANCES1, VARIANCES2 = np.array([0.3, 1.4]), np.array([0.8, 1.1, 2.0])
CORRELATIONS = np.array([[0.6, -0.9, 0.0], [-0.35, 0.99, 0.6]])
# Relative to the largest moment; a correlation off by 1 % moves every activation's by more.
TOLERANCE = 1e-12
every_activation = pytest.mark.parametrize(
    ("name", "hyperparameters", "phi"), formulas.ACTIVATIONS, ids=formulas.IDS
)


@jax.jit
def covariance(layer, k):
    return layer.covariance(k)


@functools.cache
def moments(name):
    """The library's moments for these variances and correlations, as numpy arrays."""
    cross = CORRELATIONS * np.sqrt(VARIANCES1[:, None] * VARIANCES2)
    hyperparameters = dict(zip(formulas.IDS, formulas.ACTIVATIONS, strict=True))[name][1]
    with jax.enable_x64(True):
        k = Covariance(*(jnp.asarray(a) for a in (cross, VARIANCES1, VARIANCES2)))
        after = covariance(Activation(name, **hyperparameters), k)
    return jax.tree.map(np.asarray, after)


def integrated(phi, correlations):
    """The same by integration."""
    return np.array(
        [
            [
                polar.product_moment(phi, v1, v2, rho)
                for v2, rho in zip(VARIANCES2, row, strict=True)
            ]
            for v1, row in zip(VARIANCES1, correlations, strict=True)
        ]
    )


def relative_error(found, expected):
    return np.max(np.abs(found - expected)) / np.max(np.abs(expected))


def test_every_named_activation_is_here():
    assert set(formulas.IDS) == set(names())


@pytest.mark.each(4)
@every_activation
def test_product_moment(name, hyperparameters, phi):
    del hyperparameters
    found = moments(name).cross
    assert relative_error(found, integrated(phi, CORRELATIONS)) < TOLERANCE


@every_activation
def test_second_moments(name, hyperparameters, phi):
    del hyperparameters
    after = moments(name)
    for found, variances in ((after.variances1, VARIANCES1), (after.variances2, VARIANCES2)):
        expected = np.array([polar.second_moment(phi, v) for v in variances])
        assert relative_error(found, expected) < TOLERANCE


@every_activation
def test_correlation_off_by_a_percent_is_seen(name, hyperparameters, phi):
    del hyperparameters
    found = moments(name).cross
    assert relative_error(found, integrated(phi, 0.99 * CORRELATIONS)) > 1e6 * TOLERANCE


@pytest.mark.each(4)
@every_activation
def test_parallel_inputs(name, hyperparameters, phi):
    std1, std2 = np.sqrt(0.5), np.sqrt([1.3, 1.3])
    with jax.enable_x64(True):
        k = Covariance(jnp.array([std1 * std2 * [1, -1]]), jnp.array([0.5]), jnp.array(std2**2))
        found = np.asarray(covariance(Activation(name, **hyperparameters), k).cross)
    expected = [polar.product_moment(phi, 0.5, 1.3, rho) for rho in (1.0, -1.0)]
    # Against the second moments: a product moment may vanish.
    size = np.sqrt(polar.second_moment(phi, 0.5) * polar.second_moment(phi, 1.3))
    assert np.max(np.abs(found - expected)) < TOLERANCE * size


def test_gaussian_that_grows():
    # a·exp(bx²) with b > 0, where its moments are finite: 1 − 4bv > 0.
    with jax.enable_x64(True):
        k = Covariance(jnp.array([[0.2]]), jnp.array([0.5]), jnp.array([0.8]))
        found = Activation("gaussian", a=1.0, b=0.1).covariance(k).cross
    expected = polar.product_moment(lambda x: np.exp(0.1 * x**2), 0.5, 0.8, 0.2 / np.sqrt(0.4))
    assert np.isclose(found[0, 0], expected, rtol=1e-12)


@pytest.mark.parametrize(("degree", "moment"), [(0, 1), (1, 1), (2, 3), (3, 15), (4, 105)])
def test_monomials_have_double_factorial_moments(degree, moment):
    # E u^2k = (2k − 1)!! for a standard normal.
    with jax.enable_x64(True):
        found = Activation("monomial", degree=degree).covariance(Covariance.of_self(jnp.eye(1)))
    assert np.isclose(found.variances1[0], moment, rtol=1e-14)
