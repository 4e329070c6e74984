"""Class probabilities against plain numpy, at extreme outputs too, and from draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import bnnpost
from bnnpost import likelihoods
from tests.samplers.user_likelihoods import one_point

F = np.array([-800.0, -38.0, -5.0, -1e-9, 0.0, 0.3, 9.0, 40.0, 800.0])[:, None]


def probabilities(likelihood, outputs):
    with jax.enable_x64(True):
        return np.asarray(likelihood.probabilities(jnp.asarray(outputs)))


def test_logit():
    expected = np.exp(np.minimum(F, 0.0)) / (np.exp(np.minimum(F, 0.0)) + np.exp(-np.maximum(F, 0)))
    found = probabilities(likelihoods.Bernoulli(), F)
    assert np.allclose(found, expected, rtol=1e-14, atol=0)


def test_probit():
    found = probabilities(likelihoods.Bernoulli(link="probit"), F)
    assert np.allclose(found, scipy.special.ndtr(F), rtol=1e-12, atol=0)


def test_softmax_over_the_outputs_of_each_point():
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(4, 3, 5)) * np.array([1.0, 30.0, 900.0])[:, None]
    shifted = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    found = probabilities(likelihoods.Categorical(), outputs)
    assert np.allclose(found, shifted / shifted.sum(axis=-1, keepdims=True), rtol=1e-12, atol=0)
    assert np.allclose(found.sum(axis=-1), 1.0, rtol=1e-14)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_two_classes_and_probabilities_of_targets_agree(link):
    likelihood = likelihoods.Bernoulli(link=link)
    with jax.enable_x64(True):
        log_one = np.asarray(likelihood.log_terms(jnp.asarray(F), jnp.ones_like(F)))
    assert np.allclose(np.log(probabilities(likelihood, F[2:])), log_one[2:], rtol=1e-9, atol=1e-15)


@pytest.fixture(scope="module")
def draws():
    posterior = one_point(likelihoods.Bernoulli(), y=1.0)
    return bnnpost.rejection.sample(jax.random.key(0), posterior, num_samples=50)


def test_draws_give_the_probabilities_of_their_functions(draws):
    key, x_test = jax.random.key(1), np.array([[1.0], [-2.0]])
    found = draws.predictive(key, x_test, kind="probabilities")
    assert found.shape == (50, 2, 1)
    assert found.dtype == np.float64
    assert np.allclose(found, scipy.special.expit(draws.predict(x_test)), rtol=1e-14)
    observed = draws.predictive(key, x_test)
    assert set(np.unique(observed)) <= {0.0, 1.0}
    np.testing.assert_array_equal(draws.predictive(key, x_test, kind="observations"), observed)


@pytest.mark.slow
def test_what_is_not_there_is_refused(draws):
    key, x_test = jax.random.key(1), np.ones((1, 1))
    with pytest.raises(ValueError, match="expected kind to be observations or probabilities, got"):
        draws.predictive(key, x_test, kind="classes")
    posterior = one_point(likelihoods.Gaussian(0.5))
    gaussian = bnnpost.rejection.sample(key, posterior, num_samples=4)
    with pytest.raises(TypeError, match="Gaussian has no class probabilities: expected Bernoulli"):
        gaussian.predictive(key, x_test, kind="probabilities")
