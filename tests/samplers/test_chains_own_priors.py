"""Chains under laws of weights, biases and scales that are not Gaussian, against plain numpy.

Three comparisons, by `chain_checks`. Exact draws are by rejection in numpy: Laplace weights,
logistic biases, a half normal scale for every hidden input, an inverse gamma variance of the
readout.
"""

import functools

import numpy as np
import numpyro.distributions as dist
import pytest

import bnnpost
from tests.samplers import chain_checks, chain_samplers, checks
from tests.samplers.cases import X, Y

pytestmark = pytest.mark.slow
WIDTH, B_STD, NOISE_STD, NUM_EXACT = 3, 0.4, 0.5, 8192
AT_ONCE = 2**17
HIDDEN, READOUT = dist.HalfNormal(1.5), dist.InverseGamma(3.0, 4.0)


def posterior(noise_std=NOISE_STD):
    hidden = bnnpost.Dense(
        WIDTH,
        w_std=bnnpost.per_input(HIDDEN),
        b_std=B_STD,
        prior=dist.Laplace(0.0, 1.0),
        bias_prior=dist.Logistic(0.0, 1.0),
    )
    network = bnnpost.Serial(
        [hidden, bnnpost.Activation("tanh"), bnnpost.Dense(1, w_var=READOUT, b_std=B_STD)]
    )
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(noise_std), X, Y[:, :1])


def proposals(rng, num):
    """f at the training inputs [network, point] of prior networks."""
    stds = 1.5 * np.abs(rng.standard_normal((num, X.shape[1], 1)))
    weights = rng.laplace(size=(num, X.shape[1], WIDTH)) * stds / np.sqrt(X.shape[1])
    hidden = np.tanh(X @ weights + B_STD * rng.logistic(size=(num, 1, WIDTH)))
    scale = np.sqrt(4.0 / rng.gamma(3.0, size=(num, 1, 1)) / WIDTH)
    outputs = hidden @ (scale * rng.standard_normal((num, WIDTH, 1)))
    return outputs[:, :, 0] + B_STD * rng.standard_normal((num, 1))


@functools.cache
def exact():
    """Exact draws of f at the training inputs [draw, point]."""
    rng, found = np.random.default_rng(0), []
    while sum(map(len, found)) < NUM_EXACT:
        f = proposals(rng, AT_ONCE)
        log_ratio = -0.5 * np.sum(np.square(f - Y[:, 0]), axis=1) / NOISE_STD**2
        found.append(f[np.log(rng.random(AT_ONCE)) < log_ratio])
    return np.concatenate(found)[:NUM_EXACT]


def surprise(draws):
    values = chain_checks.in_chains(draws, draws.training_outputs()[:, :, 0])
    laws = [chain_checks.same_law_z(values[:, :, i], exact()[:, i]) for i in range(len(X))]
    moments = chain_checks.same_moments_z(values, exact())
    return max(moments, checks.worst_of_many(laws), chain_checks.apart_z(draws))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pcn", {}),
        ("elliptical slice", {"space": "weights", "collapse": False}),
        ("three rotations", {}),
        ("nuts of weights", {}),
    ],
)
def test_chains_and_exact_draws_have_one_law(name, options):
    assert surprise(chain_samplers.sample(name, posterior(), **options)) < checks.LIMIT


def test_data_counted_twice_are_caught():
    draws = chain_samplers.sample("pcn", posterior(NOISE_STD * np.sqrt(0.5)))
    assert surprise(draws) > checks.LIMIT
