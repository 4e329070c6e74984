"""Chain samplers of a network with two hidden layers and two outputs against rejection.

Exact draws are strict ones of all weights, a space that none of the collapsed chains is in. One
comparison a test, of means, variances and the product of the outputs, by `chain_checks`.
"""

import functools

import numpy as np
import pytest

import bnnpost
from tests.samplers import chain_checks, chain_samplers, checks
from tests.samplers.cases import X_TEST, Case, key
from tests.samplers.chain_samplers import OPTIONS

pytestmark = pytest.mark.slow

CASE = Case(width=8, depth=2, activation="tanh", num_outputs=2)
NUM_EXACT = 8192


def with_products(values):
    """f at all inputs, and the product of its two outputs beside them."""
    return np.concatenate([values, values[..., :1] * values[..., 1:]], axis=-1)


def at_all_inputs(draws):
    return with_products(np.concatenate([draws.training_outputs(), draws.predict(X_TEST)], axis=1))


@functools.cache
def exact():
    draws = bnnpost.rejection.sample(
        key(11), CASE.posterior(), num_samples=NUM_EXACT, space="weights", collapse=True
    )
    assert draws.info.kind == "exact" and draws.info.complete
    return at_all_inputs(draws)


def surprise(draws):
    return chain_checks.same_moments_z(chain_checks.in_chains(draws, at_all_inputs(draws)), exact())


@pytest.mark.parametrize("name", OPTIONS)
def test_chains_have_the_moments_of_exact_draws(name):
    draws = chain_samplers.sample(name, CASE.posterior())
    assert max(surprise(draws), chain_checks.apart_z(draws)) < checks.LIMIT


@pytest.mark.parametrize("name", OPTIONS)
def test_data_counted_twice_are_caught(name):
    draws = chain_samplers.counting_twice(name, CASE.posterior())
    assert surprise(draws) > checks.LIMIT
