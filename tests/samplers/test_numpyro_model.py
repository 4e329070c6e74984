"""The posterior as a numpyro model that takes targets, or draws them."""

import jax
import numpy as np
import numpyro.distributions as laws
import pytest
from numpyro import handlers
from numpyro.infer import Predictive, util

import bnnpost
from bnnpost import likelihoods
from tests.samplers.user_likelihoods import Shifted

KEY = jax.random.key(5)
X = np.array([[0.0, 1.0], [1.0, 0.5], [-0.5, 0.2]])
CASES = {
    "gaussian": (likelihoods.Gaussian(0.5), [0.3, -0.2, 1.0], [1.3, 0.0, -2.0]),
    "unknown": (
        likelihoods.GaussianUnknownNoise(noise_std=laws.HalfNormal(1.0)), [0.3, -0.2, 1.0],
        [1.3, 0.0, -2.0],
    ),
    "student": (likelihoods.StudentT(4.0, 0.5), [0.3, -0.2, 1.0], [1.3, 0.0, -2.0]),
    "laplace": (likelihoods.Laplace(0.5), [0.3, -0.2, 1.0], [1.3, 0.0, -2.0]),
    "bernoulli": (likelihoods.Bernoulli(), [0, 1, 1], [1, 1, 0]),
    "poisson": (likelihoods.Poisson(), [0, 3, 1], [2, 0, 5]),
    "categorical": (likelihoods.Categorical(), [0, 2, 1], [2, 2, 0]),
}  # fmt: skip


def posterior(name, y):
    likelihood = CASES[name][0]
    outputs = 3 if name == "categorical" else 1
    network = bnnpost.mlp(width=4, depth=1, num_outputs=outputs)
    return bnnpost.Posterior(network, likelihood, X, np.array(y))


def density(model, sites, *arguments):
    return float(util.log_density(model, arguments, {}, sites)[0])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.first
def test_given_targets_make_the_posterior_of_these(name):
    _, y, others = CASES[name]
    with jax.enable_x64(True):
        model = bnnpost.hmc.model(posterior(name, y))
        trace = handlers.trace(handlers.seed(model, KEY)).get_trace()
        sites = {n: s["value"] for n, s in trace.items() if s["type"] == "sample" and n != "y"}
        # Classes and counts, where they are drawn, are no coordinates for HMC to move.
        counted = name in ("bernoulli", "poisson", "categorical")
        assert trace["y"]["fn"].support.is_discrete == counted
        assert trace["y"]["is_observed"] and "log_likelihood" not in trace
        np.testing.assert_array_equal(trace["y"]["value"][:, 0], y)
        expected = density(bnnpost.hmc.model(posterior(name, others)), sites)
        assert density(model, sites, np.array(others)) == expected
        free = bnnpost.hmc.model(posterior(name, y), observed=False)
        assert density(free, sites, np.array(others)[:, None]) == expected
        # What differs is the likelihood alone.
        f = trace["f"]["value"]
        if name != "unknown":
            of = CASES[name][0].log_prob
            ours, theirs = (float(of(f, np.array(each)[:, None])) for each in (y, others))
            difference = expected - density(model, sites)
            assert difference == pytest.approx(theirs - ours, rel=1e-9)


@pytest.mark.parametrize("name", ["laplace", "gaussian", "bernoulli", "categorical"])
@pytest.mark.first
def test_targets_are_drawn_where_none_are_given(name):
    """Means of y over draws of weights and targets, at 4.5 standard errors: 1e-5 false alarms."""
    model = bnnpost.hmc.model(posterior(name, CASES[name][1]), observed=False)
    drawn = Predictive(model, num_samples=2000)(KEY)
    y, f = np.asarray(drawn["y"], float)[:, :, 0], np.asarray(drawn["f"], float)
    expected = f[:, :, 0]
    if name == "bernoulli":
        expected = 1 / (1 + np.exp(-expected))
    if name == "categorical":
        parts = np.exp(f) / np.exp(f).sum(axis=2, keepdims=True)
        expected = parts @ np.arange(3.0)
    rest = y - expected
    assert np.all(rest.std(axis=0) > 0.2)
    assert np.all(np.abs(rest.mean(axis=0)) < 4.5 * rest.std(axis=0) / len(rest) ** 0.5)


@pytest.mark.slow
def test_what_does_not_fit_is_refused():
    model = bnnpost.hmc.model(posterior("gaussian", [0.3, -0.2, 1.0]))
    with pytest.raises(ValueError, match=r"expected y of shape \[3, 1\], .* got \[4\]"):
        handlers.seed(model, KEY)(np.zeros(4))
    classes = bnnpost.hmc.model(posterior("bernoulli", [0, 1, 1]))
    with pytest.raises(ValueError, match="expected targets 0 or 1"):
        handlers.seed(classes, KEY)(np.array([0, 1, 2]))
    own = bnnpost.Posterior(bnnpost.mlp(width=2), Shifted(), X, np.zeros(3))
    with pytest.raises(TypeError, match="does not say how observations are drawn"):
        handlers.seed(bnnpost.hmc.model(own, observed=False), KEY)()
