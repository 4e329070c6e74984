"""A prior whose scale is at odds with the targets is noticed, be it too wide or too narrow."""

import dataclasses

import numpy as np
import numpyro.distributions as dist
import pytest

import bnnpost
from bnnpost.samplers.forecast import LARGEST_GAIN, prior_scale

NOISE = bnnpost.likelihoods.Gaussian(np.sqrt(0.1))


def digits(num_points, readout_w_std, readout_b_std=0.1):
    x, y, _, _ = bnnpost.datasets.digits_problem(num_points)
    network = bnnpost.mlp(
        width=64, activation="relu", w_std=np.sqrt(2), num_outputs=10,
        readout_w_std=readout_w_std, readout_b_std=readout_b_std,
    )  # fmt: skip
    return bnnpost.Posterior(network, NOISE, x, y)


def diabetes(num_points, factor=1.0):
    x, y, _, _ = bnnpost.datasets.diabetes_problem(num_points, 1)
    return bnnpost.Posterior(bnnpost.mlp(width=64), NOISE, x, factor * y)


@pytest.mark.parametrize(
    ("posterior", "word", "factor"),
    [
        (digits(5, 0.3), None, 0.50),
        (digits(10, 0.3), None, 0.58),
        (digits(5, 1.0), "wide", 0.16),
        (digits(10, 1.0), "wide", 0.18),
        (diabetes(5), None, 1.05),
        (diabetes(50), None, 1.41),
        (diabetes(5, factor=10), "narrow", 12.6),
    ],
)
def test_scales_at_odds_with_the_targets_are_named_and_others_not(posterior, word, factor):
    found = prior_scale(posterior)
    assert found.factor == pytest.approx(factor, rel=0.03)
    assert found.at_odds == (word is not None)
    assert (f"too {word}" in found.sentence()) if word else found.sentence() == ""
    assert (found.norm_ratio > 1) == (found.factor > 1)


def test_the_gain_is_what_the_limit_gains_with_the_suggested_readout():
    found = prior_scale(digits(10, 1.0))
    scaled = digits(10, found.factor, 0.1 * found.factor)
    gain = bnnpost.limit(scaled).log_evidence - bnnpost.limit(digits(10, 1.0)).log_evidence
    assert found.gain == pytest.approx(gain, rel=1e-9)
    again = prior_scale(scaled)
    assert again.factor == pytest.approx(1.0, abs=1e-6)
    assert again.gain == pytest.approx(0.0, abs=1e-9)


@pytest.mark.slow
def test_targets_from_the_prior_are_seldom_at_odds_with_it():
    """150 draws, each flagged with probability 0.003: more than 5 by chance with 1e-5."""
    posterior = diabetes(5)
    kernel = np.asarray(bnnpost.nngp(posterior.network, posterior.x)) + 0.1 * np.eye(5)
    targets = np.random.default_rng(0).multivariate_normal(np.zeros(5), kernel, 150)
    flags = [_at_odds(posterior, y) for y in targets]
    assert sum(flags) <= 5
    # Ten times as large, they are flagged most of the time.
    assert np.mean([_at_odds(posterior, 10 * y) for y in targets[:30]]) > 0.8


def _at_odds(posterior, targets):
    return prior_scale(
        bnnpost.Posterior(posterior.network, posterior.likelihood, posterior.x, targets)
    ).at_odds


def test_noise_that_would_fit_better_is_named():
    found = prior_scale(diabetes(200))
    assert found.noise_gain > found.gain > LARGEST_GAIN
    assert "noise_std of" in found.sentence()
    # Classes want no noise at all, which says nothing of the prior.
    assert "noise_std" not in prior_scale(digits(10, 1.0)).sentence()


def test_where_there_is_nothing_to_compare():
    posterior = diabetes(5)
    classes = bnnpost.Posterior(
        posterior.network, bnnpost.likelihoods.Bernoulli(), posterior.x, posterior.targets > 0
    )
    network = bnnpost.Serial([*posterior.network.layers, bnnpost.Activation("tanh")])
    squashed = bnnpost.Posterior(network, NOISE, posterior.x, posterior.targets)
    assert prior_scale(classes) is None
    assert prior_scale(squashed) is None


def test_a_readout_without_bias_is_not_told_of_one():
    with_bias = prior_scale(digits(5, 1.0))
    assert "b_std" in with_bias.sentence()
    assert "b_std" not in dataclasses.replace(with_bias, b_std=None).sentence()


def test_a_readout_with_random_scales_has_no_one_scale_to_advise_on():
    network = bnnpost.mlp(width=4, readout_w_std=bnnpost.per_input(dist.HalfNormal(1.0)))
    x = np.arange(3.0)[:, None]
    assert prior_scale(bnnpost.Posterior(network, NOISE, x, x)) is None
