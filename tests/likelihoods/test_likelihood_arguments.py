"""Likelihoods refuse what they cannot mean, and say what they wanted."""

import numpy as np
import numpyro.distributions as dist
import pytest

import bnnpost
from bnnpost import likelihoods
from tests.samplers.cases import X


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: likelihoods.StudentT(df=2, noise_std=1.0), ValueError, "expected df above 2"),
        (lambda: likelihoods.StudentT(df=5, noise_std=0.0), ValueError, "noise_std to be positive"),
        (lambda: likelihoods.Laplace(noise_std=-1.0), ValueError, "noise_std to be positive"),
        (lambda: likelihoods.Laplace(noise_std=np.nan), ValueError, "noise_std to be positive"),
        (lambda: likelihoods.Bernoulli(link="cloglog"), ValueError, "'logit' or 'probit'"),
        (likelihoods.GaussianUnknownNoise, ValueError, "law of either noise_std or noise_var"),
        (
            lambda: likelihoods.GaussianUnknownNoise(noise_std=0.3),
            TypeError,
            r"expected a numpyro law .* got float; .* use Gaussian",
        ),
        (
            lambda: likelihoods.GaussianUnknownNoise(noise_std=dist.Normal(0.0, 1.0)),
            ValueError,
            "law of one positive real number, got Normal",
        ),
    ],
)
def test_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("likelihood", "y", "num_outputs", "message"),
    [
        (likelihoods.Bernoulli(), [0, 1, 2], 1, "expected targets 0 or 1"),
        (likelihoods.Bernoulli(), [0, 1, 1], 2, "y has 1 column"),
        (likelihoods.Categorical(), [0, 1, 1], 1, "one output; for two classes .* use Bernoulli"),
        (likelihoods.Categorical(), [0, 3, 1], 3, "expected class numbers 0 to 2"),
        (likelihoods.Categorical(), np.eye(3), 3, "one column of class numbers, got 3"),
        (likelihoods.Poisson(), [0, 1.5, 2], 1, "expected targets to be counts"),
        (likelihoods.Poisson(), [0, -1, 2], 1, "expected targets to be counts"),
        (likelihoods.StudentT(df=4, noise_std=1.0), np.ones((3, 2)), 1, "y has 2 column"),
    ],
)
def test_targets(likelihood, y, num_outputs, message):
    network = bnnpost.mlp(width=4, num_outputs=num_outputs)
    with pytest.raises(ValueError, match=message):
        bnnpost.Posterior(network, likelihood, X, np.asarray(y, float))


@pytest.mark.parametrize("law", ["noise_std", "noise_var"])
def test_unknown_noise_without_a_bound_in_terms_of_outputs_says_so(law):
    likelihood = likelihoods.GaussianUnknownNoise(**{law: dist.Gamma(2.0, 1.0)})
    with pytest.raises(ValueError, match="no bound in terms of outputs"):
        likelihood.log_bound(np.ones((3, 1)))
