"""Rejection against exact posteriors at one training point, and wrong samplers that must fail.

Each check is a function of a run and of the exact answer that returns a surprise in standard
deviations; `checks.LIMIT` is put on it. Every check is also given samplers that are wrong in a
known way, which it must catch.
"""

import functools
from unittest import mock

import equinox as eqx
import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.networks.closed_forms import PiecewiseLinear
from bnnpost.samplers import rejection
from bnnpost.samplers.plan import Tally
from bnnpost.spaces.space import Space
from tests.samplers import cases, checks, oracles

X = np.array([[0.8, -0.3]])
Y, NOISE_STD, FACTOR = 1.5, 0.5, 1.7
OTHER = np.array([[0.4, 0.5], [-1.0, 0.2]])
READOUT = oracles.Layer(1.3, 0.3)
HIDDEN = oracles.Layer(1.5, 0.0)
# Slopes left and right of zero; given as numbers, the two activations share their compiled code.
ACTIVATIONS = {"identity": PiecewiseLinear(1.0, 1.0), "relu": PiecewiseLinear(0.0, 1.0)}
CASES = [
    pytest.param(activation, width, marks=pytest.mark.slow) if width == 2 else (activation, width)
    for activation in ACTIVATIONS
    for width in (1, 2, 8)
]
NUM_PROPOSALS, NUM_DRAWS = 2**16, 2**12


def exact(activation, width):
    """Test inputs and the exact posterior there."""
    if activation == "identity":
        return OTHER, oracles.linear_network(HIDDEN, READOUT, width, X, OTHER, Y, NOISE_STD**2)
    answer = oracles.relu_network(HIDDEN, READOUT, width, X, FACTOR, Y, NOISE_STD**2)
    return np.concatenate([FACTOR * X, -FACTOR * X]), answer


def posterior(activation, width):
    network = bnnpost.Serial(
        [
            bnnpost.Dense(width, w_std=HIDDEN.w_std),
            bnnpost.Activation(ACTIVATIONS[activation]),
            bnnpost.Dense(1, w_std=READOUT.w_std, b_std=READOUT.b_std),
        ]
    )
    likelihood = bnnpost.likelihoods.Gaussian(noise_std=NOISE_STD)
    return bnnpost.Posterior(network, likelihood, X, np.array([Y]))


class Run:
    """A sampler's record over all proposals, and the first draws' function values."""

    def __init__(self, problem, x_test):
        self.info = cases.run(problem, NUM_PROPOSALS).info
        draws = bnnpost.rejection.sample(jax.random.key(0), problem, num_samples=NUM_DRAWS)
        self.values = draws.predict(np.concatenate([X, x_test]))[:, :, 0]


def right(problem, x_test):
    return Run(problem, x_test)


def halved_noise(problem, x_test):
    return Run(cases.with_noise(problem, np.sqrt(0.5)), x_test)


def wider_prior(problem, x_test):
    stds = [leaf * 1.1 for leaf in prior_stds(problem)]
    return Run(eqx.tree_at(prior_stds, problem, stds), x_test)


def prior_stds(problem):
    """Every standard deviation of the prior."""
    hidden, _, readout = problem.network.layers
    return [hidden.w_std, readout.w_std, readout.b_std]


def low_bound(problem, x_test):
    """A bound 1.5 nats too low, and nobody to notice that weights exceed it."""
    true_bound = Space.log_bound
    with (
        mock.patch.object(Space, "log_bound", lambda space: true_bound(space) - 1.5),
        mock.patch.object(Tally, "_check", lambda *arguments: None),
    ):
        return Run(problem, x_test)


@functools.cache
def outcome(sampler, activation, width):
    """A sampler's run and the exact answer."""
    x_test, answer = exact(activation, width)
    return sampler(posterior(activation, width), x_test), answer


def evidence(run, answer):
    return checks.worst(checks.evidence_z(run.info, answer.log_evidence))


def acceptance(run, answer):
    """Accepted draws are binomial with probability evidence over N(y; 0, y²), the supremum."""
    rate = np.exp(answer.log_evidence + 0.5 * np.log(2 * np.pi * Y**2) + 0.5)
    spread = np.sqrt(NUM_PROPOSALS * rate * (1 - rate))
    return abs(run.info.num_samples - NUM_PROPOSALS * rate) / spread


def mean(run, answer):
    return checks.worst(checks.mean_z(run.values, answer.means))


def variance(run, answer):
    return checks.worst(checks.variance_z(run.values, answer.variances))


def uniformity(run, answer):
    """The exact CDF of f at the training point is uniform over the draws."""
    return checks.uniform_z(answer.cdf(run.values[:, 0]))


CHECKS = [evidence, acceptance, mean, variance, uniformity]


@pytest.mark.parametrize(("activation", "width"), CASES)
@pytest.mark.parametrize("check", CHECKS)
def test_exact_posterior(check, activation, width):
    assert check(*outcome(right, activation, width)) < checks.LIMIT


# A bound that is too low leaves the weights alone, and with them the evidence.
@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        *((check, halved_noise) for check in CHECKS),
        *((check, wider_prior) for check in (evidence, acceptance, variance)),
        *((check, low_bound) for check in (acceptance, mean, uniformity)),
    ],
)
def test_wrong_samplers_are_caught(check, wrong):
    assert check(*outcome(wrong, "identity", 2)) > checks.LIMIT


def test_a_low_bound_left_unpatched_is_an_error():
    true_bound = Space.log_bound
    with (
        mock.patch.object(Space, "log_bound", lambda space: true_bound(space) - 1.5),
        pytest.raises(rejection.BoundExceeded, match=r"exceeds the log bound .* by 1\.5 nats"),
    ):
        cases.run(posterior("identity", 2), NUM_PROPOSALS)
