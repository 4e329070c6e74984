"""Draws of the limit: their moments within standard errors."""

import functools

import jax
import numpy as np
from scipy import stats

import bnnpost
from bnnpost import Posterior
from bnnpost.likelihoods import Gaussian

# Fixed seeds; were they random, a test would fail with at most this probability.
FALSE_ALARM_RATE = 1e-5
NUM_SAMPLES = 40_000
RNG = np.random.default_rng(5)
X, Y, X_TEST = RNG.normal(size=(4, 2)), RNG.normal(size=(4, 2)), RNG.normal(size=(3, 2))


@functools.cache
def limit():
    network = bnnpost.mlp(num_outputs=2)
    return bnnpost.limit(Posterior(network, Gaussian(noise_std=0.5), X, Y))


@functools.cache
def samples():
    """Draws [sample, point · output], and their exact mean and covariance."""
    drawn = limit().sample(jax.random.key(7), X_TEST, num_samples=NUM_SAMPLES)
    covariance = np.kron(limit().covariance(X_TEST), np.eye(2))
    return drawn.reshape(NUM_SAMPLES, -1), limit().mean(X_TEST).ravel(), covariance


def normal_quantile(num_comparisons):
    return stats.norm.isf(FALSE_ALARM_RATE / (2 * num_comparisons))


def covariance_scores(drawn, covariance):
    """Entries of the sample covariance against the exact ones, in standard errors."""
    # Var of a sample covariance of normals: (C_ii C_jj + C_ij²)/(n − 1).
    variances = np.diagonal(covariance)
    spread = np.sqrt((np.outer(variances, variances) + covariance**2) / (len(drawn) - 1))
    return np.abs(np.cov(drawn, rowvar=False) - covariance) / spread


def test_means():
    drawn, mean, covariance = samples()
    scores = (drawn.mean(axis=0) - mean) / np.sqrt(np.diagonal(covariance) / NUM_SAMPLES)
    assert np.max(np.abs(scores)) < normal_quantile(len(mean))


def test_covariances_between_points_and_outputs():
    drawn, mean, covariance = samples()
    limit_score = normal_quantile(len(mean) * (len(mean) + 1) // 2)
    assert np.max(covariance_scores(drawn, covariance)) < limit_score
    # A std off by 5 % is seen.
    assert np.max(covariance_scores(1.05 * drawn, covariance)) > limit_score


def test_draws_are_normal():
    drawn, mean, covariance = samples()
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), (drawn - mean).T).ravel()
    assert stats.kstest(whitened, "norm").pvalue > FALSE_ALARM_RATE
    assert stats.kstest(1.05 * whitened, "norm").pvalue < FALSE_ALARM_RATE


def test_same_key_same_draws():
    first, again, other = (
        limit().sample(jax.random.key(k), X_TEST, num_samples=3) for k in (1, 1, 2)
    )
    assert (first.shape, first.dtype) == ((3, 3, 2), np.float64)
    assert np.array_equal(first, again)
    assert not np.any(first == other)


def test_draws_do_not_depend_on_the_x64_flag():
    with jax.enable_x64(True):
        on = limit().sample(jax.random.key(1), X_TEST, num_samples=3)
    with jax.enable_x64(False):
        off = limit().sample(jax.random.key(1), X_TEST, num_samples=3)
    assert np.array_equal(on, off)


def test_duplicate_test_inputs_have_equal_values():
    drawn = limit().sample(jax.random.key(2), np.repeat(X_TEST, 2, axis=0), num_samples=3)
    assert np.allclose(drawn[:, ::2], drawn[:, 1::2], rtol=0, atol=1e-7)
