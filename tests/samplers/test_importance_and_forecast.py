"""Estimates over all proposals, and what a strict run is expected to cost."""

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.likelihoods import Likelihood


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


def test_forecast_tells_what_a_run_then_takes(problem, draws):
    found = bnnpost.forecast(jax.random.key(0), problem[0])
    option = found.option("auto", "collapsed")
    expected = option.proposals(1000)
    assert draws.info.num_proposals == pytest.approx(expected, rel=0.4)
    assert option.acceptance_rate == pytest.approx(draws.info.acceptance_rate, rel=0.2)
    assert found.best == option


def test_forecast_lists_each_space_and_bound(problem):
    found = bnnpost.forecast(jax.random.key(0), problem[0])
    kinds = {(option.space, option.bound) for option in found.options}
    assert kinds == {(s, b) for s in ("functions", "weights") for b in ("collapsed", "naive")}
    naive, collapsed = found.option("weights", "naive"), found.option("weights", "collapsed")
    assert naive.log10_acceptance < collapsed.log10_acceptance
    assert found.limit_log_evidence == pytest.approx(bnnpost.limit(problem[0]).log_evidence)


def test_forecast_of_a_digit_problem_sees_that_the_likelihood_alone_is_hopeless():
    x, y, _, _ = bnnpost.datasets.digits_problem(5)
    network = bnnpost.mlp(
        width=256, activation="relu", w_std=np.sqrt(2), num_outputs=10, readout_w_std=0.3
    )
    posterior = bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(np.sqrt(0.1)), x, y)
    found = bnnpost.forecast(jax.random.key(0), posterior)
    assert found.option("auto", "naive").log10_acceptance == pytest.approx(-10.06, abs=0.05)
    assert found.option("auto", "collapsed").log10_acceptance == pytest.approx(-1.7, abs=0.05)


class Cauchy(Likelihood):
    """Unit-scale Cauchy noise."""

    def log_prob(self, outputs, targets):
        return -jax.numpy.sum(jax.numpy.log(np.pi * (1 + (targets - outputs) ** 2)))

    def log_bound(self, targets):
        return -targets.size * np.log(np.pi)


def test_other_likelihoods_are_forecast_by_the_pilot_alone(problem):
    posterior = bnnpost.Posterior(problem[0].network, Cauchy(), problem[0].x, problem[0].targets)
    found = bnnpost.forecast(jax.random.key(0), posterior)
    assert found.source == "pilot"
    assert np.isnan(found.limit_log_evidence)
    draws = bnnpost.rejection.sample(jax.random.key(1), posterior, num_samples=200)
    assert draws.info.num_proposals <= 2 * found.best.proposals(200) + draws.info.block


def test_estimates_need_a_linear_readout(problem):
    network = bnnpost.Serial([*problem[0].network.layers, bnnpost.Activation("tanh")])
    posterior = bnnpost.Posterior(network, problem[0].likelihood, problem[0].x, problem[0].targets)
    with pytest.raises(ValueError, match="ends in a Dense layer"):
        bnnpost.importance.estimate(jax.random.key(0), posterior, problem[1], num_proposals=10)
