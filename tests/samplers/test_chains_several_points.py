"""Chain samplers against exact draws of other likelihoods, at training and test inputs.

Exact draws are by rejection in plain numpy (`numpy_draws`). Two comparisons a test, of means and
variances and of each value's law, by `chain_checks`: 64 chains each.
"""

import numpy as np
import pytest

from bnnpost.likelihoods import StudentT
from tests.samplers import chain_checks, chain_samplers, checks, likelihood_cases, numpy_draws
from tests.samplers.cases import X_TEST, X
from tests.samplers.chain_samplers import OPTIONS

NUM_EXACT = 8192
UNCOLLAPSED = {"space": "weights", "collapse": False}
REPRIORISED = {"space": "weights", "collapse": True}
# Likelihood, sampler, its options: each sampler with one likelihood, each likelihood with one or
# several samplers, each form of the posterior with two.
QUICK = [
    ("student-t", "elliptical slice", UNCOLLAPSED),
]
SLOW = [
    ("logit", "pcn", {}),
    ("unknown variance", "pcn", {}),
    ("unknown variance", "three rotations", REPRIORISED),
    ("unknown variance", "nuts of weights", {}),
    *(("student-t", name, {}) for name in OPTIONS),
    ("probit", "hmc of weights", {"collapse": True}),
    ("unknown variance", "elliptical slice", {}),
    ("laplace", "pcn", UNCOLLAPSED),
    ("laplace", "rotation", REPRIORISED),
    ("softmax", "elliptical slice", REPRIORISED),
    ("poisson", "rotation", {}),
]


def worst_law(values, exact):
    """The surprise of the laws of all values, as one comparison."""
    surprises = [
        chain_checks.same_law_z(values[:, :, point, output], exact[:, point, output])
        for point, output in np.ndindex(*values.shape[2:])
    ]
    return checks.worst_of_many(surprises)


def surprise(draws, name, f):
    values, exact = chain_checks.in_chains(draws, f), numpy_draws.accepted(name, NUM_EXACT)
    exact = exact[:, : values.shape[2]]
    return max(chain_checks.same_moments_z(values, exact), worst_law(values, exact))


@pytest.mark.parametrize(("name", "sampler", "options"), QUICK)
def test_chains_and_exact_draws_have_one_law(name, sampler, options):
    draws = chain_samplers.sample(sampler, likelihood_cases.posterior(name), **options)
    assert surprise(draws, name, draws.training_outputs()) < checks.LIMIT


@pytest.mark.slow
@pytest.mark.parametrize(("name", "sampler", "options"), [*QUICK, *SLOW])
def test_chains_predict_as_exact_draws_do(name, sampler, options):
    draws = chain_samplers.sample(sampler, likelihood_cases.posterior(name), **options)
    values = np.concatenate([draws.training_outputs(), draws.predict(X_TEST)], axis=1)
    assert surprise(draws, name, values) < checks.LIMIT
    if name == "unknown variance":
        exact = numpy_draws.noise_variances(numpy_draws.accepted(name, NUM_EXACT))
        noise = chain_checks.in_chains(draws, draws.noise_std())
        assert chain_checks.same_law_z(noise, np.sqrt(exact)) < checks.LIMIT


def test_half_the_noise_variance_is_caught():
    name = "student-t"
    right = likelihood_cases.posterior(name)
    half = StudentT(df=5, noise_std=likelihood_cases.STD * np.sqrt(0.5))
    wrong = type(right)(right.network, half, X, right.targets)
    draws = chain_samplers.sample("elliptical slice", wrong, **UNCOLLAPSED)
    assert surprise(draws, name, draws.training_outputs()) > checks.LIMIT
