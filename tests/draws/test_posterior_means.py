"""Posterior means of functions of f, and their standard errors, by how draws were made.

One comparison in 5e8 is off by six standard errors by chance.
"""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.draws.posterior_means import posterior_mean
from tests.samplers.checks import LIMIT, variance_z, worst
from tests.samplers.coupled_pairs import POSTERIOR

KEY = jax.random.key(8)
X_TEST = np.array([[0.8], [-0.2], [0.1]])


def h(f):
    """A matrix: means and squares."""
    return jnp.stack([f[:, 0], f[:, 0] ** 2])


def exact():
    return bnnpost.rejection.sample(KEY, POSTERIOR, num_samples=4000)


@pytest.mark.slow
def test_ways_of_sampling_agree():
    by_exact = exact().expectation(h, X_TEST)
    assert by_exact.value.shape == by_exact.standard_error.shape == (2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        others = [
            bnnpost.rejection.sample(KEY, POSTERIOR, num_samples=4000, bound="capped", cap=-4.0),
            bnnpost.pcn.sample(KEY, POSTERIOR, num_samples=1000, cross_check=False),
        ]
    assert np.ptp(others[0].log_weights) > 0
    for draws in others:
        found = draws.expectation(h, X_TEST)
        error = np.hypot(found.standard_error, by_exact.standard_error)
        assert worst((found.value - by_exact.value) / error) < LIMIT
        plain = draws.predict(X_TEST)[:, :, 0].mean(axis=0)
        if np.any(draws.log_weights):  # which are not left out
            assert np.all(np.abs(plain - found.value[0]) > 0)


def test_at_training_inputs_by_hand():
    draws = exact()
    found, f = draws.expectation(h), draws.training_outputs()[:, :, 0]
    np.testing.assert_allclose(found.value[0], f.mean(axis=0))
    np.testing.assert_allclose(found.standard_error[0], f.std(axis=0, ddof=1) / np.sqrt(len(f)))


def test_errors_are_as_large_as_they_are_said_to_be():
    """Weighted and in autocorrelated chains: the spread over replicates of what is estimated."""
    rng = np.random.default_rng(0)
    info = bnnpost.draws.DrawsInfo("capped")
    values = rng.standard_normal((400, 300, 1))
    logs = 0.5 * values[:, :, 0]  # of the mean 0.5
    found = [posterior_mean(v, w, info) for v, w in zip(values, logs, strict=True)]
    z = [(one.value[0] - 0.5) / one.standard_error[0] for one in found]
    assert abs(np.mean(z)) < 0.3
    assert worst(variance_z(np.array(z), 1.0, 0.05)) < LIMIT


@pytest.mark.slow
def test_errors_of_chains_know_that_draws_depend_on_each_other():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        draws = bnnpost.pcn.sample(
            KEY, POSTERIOR, num_samples=1000, num_warmup=200, step_size=0.2, cross_check=False
        )
    found, f = draws.expectation(h), draws.training_outputs()[:, :, 0]
    independent = f.std(axis=0) / np.sqrt(len(f))
    assert np.all(found.standard_error[0] > 1.5 * independent)
    constant = draws.expectation(lambda f: 1.0 + 0.0 * f[0, 0])
    np.testing.assert_allclose([constant.value, constant.standard_error], [1.0, 0.0], atol=1e-12)


@pytest.mark.slow
def test_what_has_no_error():
    draws = exact()
    with pytest.raises(ValueError, match="repeat networks"):
        draws.resample(KEY, 100).expectation(h)
    with pytest.raises(ValueError, match="two draws or more, got 1"):
        draws._of(np.array([0]), np.zeros(1), draws.info).expectation(h)
