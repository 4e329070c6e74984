"""Fifty points, where strict rejection accepts one in 10³³: against other code, in plain numpy."""

import functools

import numpy as np
import pytest
import scipy.special

import bnnpost
from tests.samplers import cases, checks, oracles

pytestmark = pytest.mark.slow

WIDTH, NOISE_VAR, NUM_NETWORKS = 1024, 0.1, 500
LAYER = oracles.Layer(1.5, 0.1)
X, Y, X_TEST, _ = bnnpost.datasets.diabetes_problem(50, 5)


@functools.cache
def posterior():
    likelihood = bnnpost.likelihoods.Gaussian(noise_std=np.sqrt(NOISE_VAR))
    return bnnpost.Posterior(bnnpost.mlp(width=WIDTH), likelihood, X, Y)


def kernel_of(rows):
    return LAYER.w_std**2 * rows @ rows.T / rows.shape[1] + LAYER.b_std**2


@functools.cache
def known():
    """Log evidence, and mean and variance of f at training and test points, with errors."""
    rng, inputs = np.random.default_rng(0), np.concatenate([X, X_TEST])
    logs, means, variances = [], [], []
    for _ in range(NUM_NETWORKS):
        rows = inputs
        for _ in range(2):
            root = np.linalg.cholesky(kernel_of(rows) + 1e-10 * np.eye(len(rows)))
            rows = scipy.special.erf(root @ rng.standard_normal((len(rows), WIDTH)))
        found = oracles.conditional(kernel_of(rows)[None], Y[:, None], NOISE_VAR)
        for values, value in zip((logs, means, variances), found, strict=True):
            values.append(value[0])
    weights = np.exp(logs - np.max(logs))
    relative = weights / weights.sum()
    evidence = np.max(logs) + np.log(weights.mean())
    evidence_se = weights.std() / weights.mean() / np.sqrt(NUM_NETWORKS)
    mean, mean_se = average(relative, np.stack(means))
    squares = np.stack(variances) + (np.stack(means) - mean) ** 2
    return evidence, evidence_se, (mean, mean_se), average(relative, squares)


def average(relative, values):
    mean = np.tensordot(relative, values, axes=1)
    return mean, np.sqrt(np.tensordot(relative**2, (values - mean) ** 2, axes=1))


@functools.cache
def estimated():
    return bnnpost.importance.estimate(
        cases.key(0), posterior(), np.concatenate([X, X_TEST]), num_proposals=2000
    )


def test_evidence():
    evidence, evidence_se, *_ = known()
    assert abs(checks.evidence_z(estimated(), evidence, evidence_se)) < checks.LIMIT


def test_mean_and_variance():
    found = estimated()
    variances = np.diagonal(found.covariances, axis1=1, axis2=2)[:, :, None]
    (mean, mean_se), (variance, variance_se) = known()[2:]
    squares = variances + (found.means - mean) ** 2
    for values, expected, error in ((found.means, mean, mean_se), (squares, variance, variance_se)):
        value, own = average(found.weights, values)
        assert checks.worst((value - expected) / np.hypot(error, own)) < checks.LIMIT


def test_capped_draws():
    draws = bnnpost.rejection.sample(cases.key(1), posterior(), num_samples=150, bound="capped")
    assert draws.info.complete
    assert draws.info.excess_mass < 0.05
    values, weights = draws.training_outputs(), np.exp(draws.log_weights)
    mean, mean_se = known()[2]
    value, own = average(weights / weights.sum(), values)
    assert checks.worst((value - mean[: len(X)]) / np.hypot(mean_se[: len(X)], own)) < checks.LIMIT


def test_half_the_noise_would_be_told():
    halved = cases.with_noise(posterior(), np.sqrt(0.5))
    found = bnnpost.importance.estimate(cases.key(0), halved, X_TEST, num_proposals=500)
    evidence, evidence_se, *_ = known()
    assert abs(checks.evidence_z(found, evidence, evidence_se)) > checks.LIMIT


def test_strict_rejection_is_forecast_to_be_hopeless():
    found = bnnpost.forecast(cases.key(0), posterior(), num_pilot=256)
    assert found.best.log10_acceptance < -25
