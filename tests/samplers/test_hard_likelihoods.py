"""Targets at odds with the prior of their noise, inputs without variance, coupled outputs."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.integrate
import scipy.special
import scipy.stats

import bnnpost
from bnnpost import likelihoods
from tests.samplers import cases, checks
from tests.samplers.cases import X

NETWORK = bnnpost.mlp(width=64, depth=1)


def kernel(x):
    with jax.enable_x64(True):
        return np.asarray(bnnpost.nngp(NETWORK, x))


def integral(log_likelihood, std):
    """log ∫ exp(log_likelihood(f)) N(f; 0, std²) df on a fine grid, and the mean of f."""
    f = np.linspace(-12 * std, 40 * std, 400_001)
    logs = log_likelihood(f) + scipy.stats.norm(0, std).logpdf(f)
    total = scipy.special.logsumexp(logs)
    return total + np.log(f[1] - f[0]), np.exp(logs - total) @ f


@pytest.mark.slow
@pytest.mark.parametrize("name", ["laplace", pytest.param("student-t", marks=pytest.mark.slow)])
def test_an_outlier_far_beyond_the_prior_of_its_noise(name):
    # Two hundred of the noise's standard deviations away from what the prior allows.
    x = X[:1]
    likelihood, law, y = {
        "laplace": (
            likelihoods.Laplace(noise_std=0.1),
            scipy.stats.laplace(scale=0.1 / np.sqrt(2)),
            20.0,
        ),
        "student-t": (
            likelihoods.StudentT(df=30, noise_std=0.1),
            scipy.stats.t(30, scale=0.1 * np.sqrt(28 / 30)),
            12.0,
        ),
    }[name]
    evidence, mean = integral(lambda f: law.logpdf(y - f), np.sqrt(kernel(x)[0, 0]))
    posterior = bnnpost.Posterior(NETWORK, likelihood, x, np.array([y]))
    found = bnnpost.limit(posterior, key=cases.key(0))
    assert abs(checks.evidence_z(found, evidence)) < checks.LIMIT
    assert abs(found.mean(x)[0, 0] - mean) < 0.02
    assert found.effective_sample_size > 1000


@pytest.mark.slow
def test_one_noise_far_beyond_its_prior():
    x, y = X[:1], np.array([2.0])
    likelihood = likelihoods.GaussianUnknownNoise(noise_std=dist.HalfNormal(0.01))
    stds = np.linspace(1e-6, 1.0, 200_001)
    total = np.sqrt(kernel(x)[0, 0] + stds**2)
    values = scipy.stats.halfnorm(scale=0.01).pdf(stds) * scipy.stats.norm(0, total).pdf(2.0)
    evidence = np.log(scipy.integrate.trapezoid(values, stds))
    found = bnnpost.limit(bnnpost.Posterior(NETWORK, likelihood, x, y), key=cases.key(0))
    assert abs(checks.evidence_z(found, evidence)) < checks.LIMIT


@pytest.mark.slow
@pytest.mark.parametrize(
    ("likelihood", "y"),
    [
        (likelihoods.Bernoulli(), [0, 1, 1]),
        (likelihoods.Poisson(), [1, 0, 4]),
    ],
)
def test_an_input_where_outputs_are_always_zero(likelihood, y):
    x = np.array([[0.0], [1.0], [0.5]])
    network = bnnpost.mlp(width=16, depth=1, b_std=None)
    posterior = bnnpost.Posterior(network, likelihood, x, np.asarray(y, float))
    found = bnnpost.importance.estimate(cases.key(0), posterior, x, num_proposals=2000)
    strict = bnnpost.rejection.sample(cases.key(1), posterior, num_samples=500)
    surprise = checks.evidence_z(strict.info, found.log_evidence, found.log_evidence_se)
    assert abs(surprise) < checks.LIMIT
    assert found.effective_sample_size > 1000


class Coupled(likelihoods.Likelihood):
    """Two outputs with correlated Gaussian noise: terms are of both at once."""

    def log_terms(self, outputs, targets):
        precision = jnp.array([[2.0, -1.0], [-1.0, 2.0]])
        residual = targets - outputs
        return -0.5 * jnp.sum((residual @ precision) * residual, axis=-1, keepdims=True)

    def log_prob(self, outputs, targets):
        return jnp.sum(self.log_terms(outputs, targets))

    def log_bound(self, targets):
        return 0.0


@pytest.mark.slow
def test_coupled_outputs_are_drawn_from_the_prior():
    network = bnnpost.mlp(width=16, depth=1, num_outputs=2)
    posterior = bnnpost.Posterior(network, Coupled(), X, np.ones((3, 2)))
    capped = bnnpost.rejection.sample(cases.key(0), posterior, num_samples=500, bound="capped")
    strict = bnnpost.rejection.sample(cases.key(1), posterior, num_samples=500)
    assert capped.info.kind == "capped"
    spread = np.hypot(capped.info.log_evidence_se, strict.info.log_evidence_se)
    assert abs(capped.info.log_evidence - strict.info.log_evidence) < checks.LIMIT * spread
