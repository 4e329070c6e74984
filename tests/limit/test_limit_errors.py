"""What the limit refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost import Posterior
from bnnpost.likelihoods import Gaussian, Likelihood

X, Y = np.eye(3), np.ones(3)


@pytest.fixture(scope="module")
def limit():
    return bnnpost.limit(Posterior(bnnpost.mlp(), Gaussian(noise_std=0.3), X, Y))


@pytest.mark.parametrize("method", ["mean", "covariance"])
def test_test_inputs_with_other_features_are_refused(limit, method):
    with pytest.raises(ValueError, match=r"rows of shape \(2,\), the training inputs \(3,\)"):
        getattr(limit, method)(X[:, :2])


def test_samples_at_inputs_with_other_features_are_refused(limit):
    with pytest.raises(ValueError, match="the training inputs"):
        limit.sample(jax.random.key(0), X[:, :2], num_samples=3)


def test_one_dimensional_test_inputs_get_a_hint(limit):
    with pytest.raises(ValueError, match=r"for one feature use x_test\[:, None\]"):
        limit.mean(X[0])


def test_test_inputs_that_are_not_finite_are_refused(limit):
    with pytest.raises(ValueError, match=r"x_test holds 1 value\(s\).*index \(1, 2\)"):
        limit.mean(np.where(np.arange(9).reshape(3, 3) == 5, np.nan, X))


def test_legacy_key_is_refused(limit):
    with pytest.raises(TypeError, match="wrap_key_data"):
        limit.sample(jax.random.key_data(jax.random.key(0)), X)


def test_likelihood_without_a_closed_form_needs_a_key():
    class Laplace(Likelihood):
        def log_prob(self, outputs, targets):
            return -jnp.sum(jnp.abs(outputs - targets))

        def log_bound(self, targets):
            return 0.0

    with pytest.raises(TypeError, match="under Laplace has no closed form and is sampled: pass"):
        bnnpost.limit(Posterior(bnnpost.mlp(), Laplace(), X, Y))


def test_noise_lost_in_rounding_is_an_error_and_not_a_number():
    # A duplicate input makes the kernel singular: only the noise keeps K + σ²I definite.
    x, y = np.concatenate([X, X]), np.concatenate([Y, Y])
    posterior = Posterior(bnnpost.mlp(), Gaussian(noise_std=1e-10), x, y)
    with pytest.raises(FloatingPointError, match="use a larger noise_std"):
        bnnpost.limit(posterior)
