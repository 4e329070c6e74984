"""Every likelihood against plain networks weighted by scipy's densities, which need no guide."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

import bnnpost
from bnnpost.numerics import gp
from bnnpost.numerics.weights import WeightSum
from bnnpost.samplers import importance
from bnnpost.spaces import make_space
from bnnpost.spaces.guides import DrawnNoise, FittedSites
from tests.samplers import cases, checks, oracles
from tests.samplers.cases import X_TEST, X
from tests.samplers.likelihood_cases import (
    LAYER,
    NUM_DRAWS,
    PROBLEMS,
    WIDTH,
    given_noise,
    posterior,
    weighted,
)

# The quick suite takes most problems; the others differ from them in a formula that
# test_log_prob_and_bound holds against scipy.
SLOW = ("laplace", "logit", "poisson", "probit", "student-t", "unknown variance")
NAMES = [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in PROBLEMS]
GUIDED = ["softmax", pytest.param("logit", marks=pytest.mark.slow)]


@functools.cache
def known(name):
    """Log evidence, and posterior mean and second moment of f at X_TEST, each with its error."""
    problem, rng = PROBLEMS[name], np.random.default_rng(2)
    inputs = np.concatenate([X, X_TEST])
    hidden = oracles.features(rng, [LAYER], WIDTH, scipy.special.erf, inputs, NUM_DRAWS)
    if problem.noise is None:
        weights = rng.standard_normal((NUM_DRAWS, WIDTH, problem.num_outputs)) / np.sqrt(WIDTH)
        biases = rng.standard_normal((NUM_DRAWS, 1, problem.num_outputs))
        f = LAYER.w_std * hidden @ weights + LAYER.b_std * biases
        logs, first, second = problem.log_prob(f[:, : len(X)]), f, f**2
    else:
        kernels = LAYER.w_std**2 / WIDTH * hidden @ np.swapaxes(hidden, 1, 2) + LAYER.b_std**2
        logs, first, variance = given_noise(kernels, problem.noise(rng))
        second = first**2 + variance
    weights = np.exp(logs - logs.max())
    evidence = logs.max() + np.log(weights.mean())
    evidence_se = weights.std() / weights.mean() / np.sqrt(NUM_DRAWS)
    relative = weights / weights.sum()
    moments = [weighted(relative, values[:, len(X) :]) for values in (first, second)]
    return evidence, evidence_se, moments


@functools.cache
def estimated(name, seed=0):
    return bnnpost.importance.estimate(
        cases.key(seed), posterior(name), X_TEST, num_proposals=2**14
    )


def evidence_surprise(name, estimate):
    evidence, evidence_se, _ = known(name)
    spread = np.hypot(estimate.log_evidence_se, evidence_se)
    return abs(estimate.log_evidence - evidence) / spread


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.first
def test_evidence(name):
    assert evidence_surprise(name, estimated(name)) < checks.LIMIT


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.first
def test_moments_of_the_mixture(name):
    estimate = estimated(name)
    variances = np.diagonal(estimate.covariances, axis1=-2, axis2=-1)
    variances = variances[:, :, None] if variances.ndim == 2 else np.moveaxis(variances, 1, 2)
    for functional, (mean, error) in zip(
        (estimate.means, estimate.means**2 + variances), known(name)[2], strict=True
    ):
        found, own_error = weighted(estimate.weights, functional)
        assert checks.worst((found - mean) / np.hypot(error, own_error)) < checks.LIMIT


@pytest.mark.slow  # in the fast suite test_two_modes.py has capped draws that a guide leads
@pytest.mark.parametrize("name", [pytest.param("softmax", marks=pytest.mark.slow), "unknown std"])
def test_capped_draws(name):
    draws = bnnpost.rejection.sample(
        cases.key(1), posterior(name), num_samples=4000, bound="capped"
    )
    values = draws.predict(X_TEST)
    weights = np.exp(draws.log_weights)
    for power, (mean, error) in enumerate(known(name)[2], 1):
        found, own_error = weighted(weights / weights.sum(), values**power)
        assert checks.worst((found - mean) / np.hypot(error, own_error)) < checks.LIMIT
    evidence, evidence_se, _ = known(name)
    assert abs(checks.evidence_z(draws.info, evidence, evidence_se)) < checks.LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unknown variance", "poisson"])
def test_strict_draws(name):
    draws = bnnpost.rejection.sample(cases.key(3), posterior(name), num_samples=4000)
    assert (draws.info.kind, draws.info.complete) == ("exact", True)
    np.testing.assert_array_equal(draws.log_weights, 0)
    values = draws.predict(X_TEST)
    for power, (mean, error) in enumerate(known(name)[2], 1):
        surprise = checks.mean_z(values**power, mean, error)
        assert checks.worst(surprise) < checks.LIMIT
    evidence, evidence_se, _ = known(name)
    assert abs(checks.evidence_z(draws.info, evidence, evidence_se)) < checks.LIMIT


class SitesAlone(FittedSites):
    """A wrong guide: the sites taken for the likelihood."""

    def log_weight(self, kernel, drawn, outputs, shift=None):
        return gp.log_density(kernel, drawn.sites.less(shift)) + 0.0 * outputs[0, 0]


class Unweighted(DrawnNoise):
    """A wrong guide: noise drawn from it as if it were the prior."""

    def draw(self, key):
        return super().draw(key)._replace(log_weight=jnp.zeros(()))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        pytest.param("logit", SitesAlone, marks=pytest.mark.slow),
        pytest.param("softmax", SitesAlone, marks=pytest.mark.slow),
        pytest.param("laplace", Unweighted, marks=pytest.mark.slow),
        ("unknown std", Unweighted),
    ],
)
def test_a_guide_without_its_weight_would_be_told(name, wrong):
    space = make_space(posterior(name), strict=False)
    fields = {f.name: getattr(space.guide, f.name) for f in dataclasses.fields(space.guide)}
    space = dataclasses.replace(space, guide=wrong(**fields))
    blocks = importance.observations(space, cases.key(1), X_TEST, np.arange(2**16))
    found = WeightSum().add(np.concatenate([block.log_weight for block in blocks])).log_mean()
    evidence, evidence_se, _ = known(name)
    assert abs(found.value - evidence) > checks.LIMIT * np.hypot(found.standard_error, evidence_se)


@pytest.mark.parametrize("name", GUIDED)
@pytest.mark.slow
def test_guides_leave_little_to_the_weights(name):
    assert estimated(name).effective_sample_size > 0.6 * 2**14


def test_noise_without_a_bound_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="no strict bound exists for this law of the noise"):
        bnnpost.rejection.sample(cases.key(0), posterior("unknown std"))


@pytest.mark.parametrize("name", [n for n in PROBLEMS if not n.startswith("unknown")])
def test_log_prob_and_bound(name):
    problem, rng = PROBLEMS[name], np.random.default_rng(5)
    f = 3 * rng.standard_normal((50, len(X), problem.num_outputs))
    targets = posterior(name).targets
    with jax.enable_x64(True):
        found = [float(problem.likelihood.log_prob(jnp.asarray(one), targets)) for one in f]
    np.testing.assert_allclose(found, problem.log_prob(f), rtol=1e-12)
    assert max(found) < problem.likelihood.log_bound(targets)


@pytest.mark.first
@pytest.mark.parametrize("name", ["unknown variance", "unknown std"])
def test_log_prob_of_unknown_noise_is_the_integral(name):
    f = np.random.default_rng(6).standard_normal((20, len(X), 1))
    with jax.enable_x64(True):
        likelihood, targets = PROBLEMS[name].likelihood, posterior(name).targets
        found = [float(likelihood.log_prob(jnp.asarray(one), targets)) for one in f]
    np.testing.assert_allclose(found, PROBLEMS[name].log_prob(f), rtol=1e-4)
