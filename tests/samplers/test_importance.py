"""Estimates over all proposals."""

import jax
import numpy as np
import pytest

import bnnpost


@pytest.fixture(scope="module")
def problem():
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(4, 3)
    likelihood = bnnpost.likelihoods.Gaussian(np.sqrt(0.1))
    return bnnpost.Posterior(bnnpost.mlp(width=32), likelihood, x, y), x_test


@pytest.fixture(scope="module")
def estimate(problem):
    posterior, x_test = problem
    return bnnpost.importance.estimate(jax.random.key(7), posterior, x_test, num_proposals=20_000)


@pytest.fixture(scope="module")
def draws(problem):
    return bnnpost.rejection.sample(jax.random.key(8), problem[0], num_samples=1000)


@pytest.mark.slow
def test_importance_and_rejection_agree(problem, estimate, draws):
    """Two routes to posterior mean and covariance; 4.5 standard errors: false alarm 7e-6 each."""
    f = draws.predict(problem[1])[:, :, 0]
    error = np.hypot(f.std(axis=0) / np.sqrt(len(f)), estimate.mean_se()[:, 0])
    assert np.all(np.abs(f.mean(axis=0) - estimate.mean()[:, 0]) < 4.5 * error)
    variances = np.diagonal(estimate.covariance()[0])
    kurtosis_bound = 4.5 * np.sqrt(4 / len(f))
    assert np.all(np.abs(f.var(axis=0) / variances - 1) < kurtosis_bound)
    error = np.hypot(estimate.log_evidence_se, draws.info.log_evidence_se)
    assert abs(estimate.log_evidence - draws.info.log_evidence) < 4.5 * error


@pytest.mark.slow
def test_estimate_uses_the_proposals_that_rejection_would(problem):
    posterior, x_test = problem
    key = jax.random.key(8)
    draws = bnnpost.rejection.sample(key, posterior, num_samples=5)
    last = int(draws.proposal_numbers[-1])
    estimate = bnnpost.importance.estimate(key, posterior, x_test, num_proposals=last + 1)
    mixture = draws.mixture(x_test)
    chosen = estimate.means[draws.proposal_numbers.astype(int)]
    assert np.allclose(chosen, mixture.means, rtol=1e-4, atol=1e-5)


def test_estimate_shapes_and_weights(estimate):
    assert estimate.means.shape == (20_000, 3, 1)
    assert estimate.covariances.shape == (20_000, 3, 3)
    assert estimate.weights.sum() == pytest.approx(1.0)
    assert 1000 < estimate.effective_sample_size < 20_000


@pytest.mark.slow
def test_estimates_need_a_linear_readout(problem):
    network = bnnpost.Serial([*problem[0].network.layers, bnnpost.Activation("tanh")])
    posterior = bnnpost.Posterior(network, problem[0].likelihood, problem[0].x, problem[0].targets)
    with pytest.raises(ValueError, match="ends in a Dense layer"):
        bnnpost.importance.estimate(jax.random.key(0), posterior, problem[1], num_proposals=10)
