"""The limit under every likelihood, against unguided draws of the Gaussian process in numpy."""

import functools

import jax
import numpy as np
import pytest

import bnnpost
from tests.samplers import cases, checks
from tests.samplers.cases import X_TEST, X
from tests.samplers.likelihood_cases import NUM_DRAWS, PROBLEMS, given_noise, posterior, weighted

# The quick suite takes one problem of each kind of guide.
QUICK = ("student-t", "logit")
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PROBLEMS]


@functools.cache
def kernel():
    with jax.enable_x64(True):
        inputs = np.concatenate([X, X_TEST])
        return np.asarray(bnnpost.nngp(posterior("logit").network, inputs))


@functools.cache
def known(name):
    """Log evidence, and mean and second moment of f at X_TEST, each with its error."""
    problem, rng = PROBLEMS[name], np.random.default_rng(3)
    if problem.noise is None:
        normals = rng.standard_normal((NUM_DRAWS, len(kernel()), problem.num_outputs))
        f = np.linalg.cholesky(kernel()) @ normals
        logs, first, second = problem.log_prob(f[:, : len(X)]), f, f**2
    else:
        kernels = np.broadcast_to(kernel(), (NUM_DRAWS, *kernel().shape))
        logs, first, variance = given_noise(kernels, problem.noise(rng))
        second = first**2 + variance
    weights = np.exp(logs - logs.max())
    evidence = logs.max() + np.log(weights.mean())
    evidence_se = weights.std() / weights.mean() / np.sqrt(NUM_DRAWS)
    moments = [weighted(weights / weights.sum(), v[:, len(X) :]) for v in (first, second)]
    return evidence, evidence_se, moments


@functools.cache
def limit(name):
    return bnnpost.limit(posterior(name), key=cases.key(2))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_evidence(name):
    evidence, evidence_se, _ = known(name)
    assert abs(checks.evidence_z(limit(name), evidence, evidence_se)) < checks.LIMIT
    assert limit(name).effective_sample_size > 0.5 * 2**14


@pytest.mark.first
@pytest.mark.parametrize("name", NAMES)
def test_mean_and_variance(name):
    (mean, mean_se), (second, second_se) = known(name)[2]
    covariance = limit(name).covariance(X_TEST)
    variance = np.diagonal(covariance, axis1=-2, axis2=-1)
    variance = variance[:, None] if variance.ndim == 1 else variance.T
    # The limit's own error is no larger than that of as many equally weighted draws.
    own = 1 / np.sqrt(limit(name).effective_sample_size)
    found = limit(name).mean(X_TEST)
    spread = np.hypot(mean_se, own * np.sqrt(variance))
    assert checks.worst((found - mean) / spread) < checks.LIMIT
    spread = np.hypot(second_se, own * np.sqrt(2 * variance**2 + 4 * variance * mean**2))
    assert checks.worst((variance + found**2 - second) / spread) < checks.LIMIT


@pytest.mark.parametrize("name", ["student-t", pytest.param("softmax", marks=pytest.mark.slow)])
def test_draws_have_its_moments(name):
    values = limit(name).sample(cases.key(3), X_TEST, num_samples=20_000)
    covariance = np.atleast_3d(limit(name).covariance(X_TEST).T).T
    variance = np.diagonal(covariance, axis1=-2, axis2=-1).T
    mean = limit(name).mean(X_TEST)
    own = 1 / np.sqrt(limit(name).effective_sample_size)
    assert checks.worst(checks.mean_z(values, mean, own * np.sqrt(variance))) < checks.LIMIT
    assert checks.worst(checks.variance_z(values, variance, 2 * own * variance)) < checks.LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("name", ["laplace", "logit"])
def test_wide_networks_have_its_evidence(name):
    estimate = bnnpost.importance.estimate(
        cases.key(4), posterior(name, width=2048), X_TEST, num_proposals=4096
    )
    spread = np.hypot(estimate.log_evidence_se, limit(name).log_evidence_se)
    # Networks of this width are themselves about 1/width away.
    assert abs(estimate.log_evidence - limit(name).log_evidence) < 6 * spread + 2 / 2048


def test_another_limit_would_be_told():
    evidence, evidence_se, _ = known("probit")
    assert abs(checks.evidence_z(limit("logit"), evidence, evidence_se)) > checks.LIMIT


def test_a_likelihood_without_a_closed_form_needs_a_key():
    with pytest.raises(TypeError, match="has no closed form and is sampled: pass"):
        bnnpost.limit(posterior("logit"))
