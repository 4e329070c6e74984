"""Ranks with ties, weights and correlated draws; the distance from the mean; effective sizes."""

import numpy as np
import pytest

from bnnpost.verification import uniformity
from bnnpost.verification.autocorrelation import effective_sizes
from bnnpost.verification.statistics import distances_from_mean, rank, selected


def least_p_value(ranks, num_draws):
    return uniformity.p_values(np.asarray(ranks), num_draws).min()


def test_ties_are_broken_at_random():
    # Counts of mean 1 among 19: most are tied. A right procedure fails once in 1,000.
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, (2000, 20))
    ranks = [rank(row[:1], row[1:, None], rng.random(1))[0] for row in counts]
    assert least_p_value(ranks, 19) > 0.001 / 4
    # The known-wrong twin: no draw that is equal counts as less.
    wrong = [np.sum(row[1:] < row[0]) for row in counts]
    assert least_p_value(wrong, 19) < 1e-9


def test_equal_weights_thin_evenly():
    chosen = selected(np.zeros(1000), 100, 0.43)
    assert np.unique(np.diff(chosen)).tolist() == [10]
    assert selected(np.zeros(99), 99, 0.7).tolist() == list(range(99))


def test_draws_are_chosen_as_often_as_their_weights_say():
    log_weights = np.log([1.0, 2.0, 3.0, 4.0]) + 700
    rng = np.random.default_rng(0)
    chosen = np.concatenate([selected(log_weights, 3, place) for place in rng.random(20_000)])
    found = np.bincount(chosen, minlength=4) / len(chosen)
    # Four standard errors of independent choices; systematic ones vary less.
    np.testing.assert_allclose(found, [0.1, 0.2, 0.3, 0.4], rtol=0, atol=4 * 0.5 / 60_000**0.5)


def test_a_draw_of_weight_zero_is_never_chosen():
    log_weights = np.array([-np.inf, 0.0, -np.inf, 0.0, -np.inf])
    for place in (0.0, 0.3, 0.999999):
        assert set(selected(log_weights, 4, place).tolist()) <= {1, 3}


@pytest.mark.parametrize(("factor", "right"), [(1.0, True), (1.25, False), (0.8, False)])
def test_the_distance_tells_draws_that_spread_wrongly(factor, right):
    rng = np.random.default_rng(3)
    ranks = []
    for _ in range(300):
        draws, truth = rng.normal(size=(39, 10)), factor * rng.normal(size=10)
        far = distances_from_mean(truth, draws)
        ranks.append(rank(far[:1], far[1:, None], rng.random(1))[0])
    # A right one fails once in 1,000.
    assert (least_p_value(ranks, 39) > 0.001 / 4) == right


def test_values_that_never_change_do_not_count_in_the_distance():
    draws = np.random.default_rng(0).normal(size=(9, 3))
    draws[:, 1] = 2.0
    with_constant = distances_from_mean(np.array([0.3, 2.0, 0.1]), draws)
    np.testing.assert_allclose(
        with_constant, distances_from_mean(np.array([0.3, 0.1]), draws[:, [0, 2]])
    )


def autoregressive(rho, num_chains, length, seed=0):
    noise = np.random.default_rng(seed).normal(size=(num_chains, length))
    for i in range(1, length):
        noise[:, i] = rho * noise[:, i - 1] + np.sqrt(1 - rho**2) * noise[:, i]
    return noise[:, :, None]


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.9])
def test_effective_size_of_an_autoregressive_chain(rho):
    found = effective_sizes(autoregressive(rho, 4, 20_000))[0]
    assert found == pytest.approx(80_000 * (1 - rho) / (1 + rho), rel=0.15)


def test_chains_that_disagree_are_worth_little():
    chains = autoregressive(0.0, 4, 1000)
    chains[0] += 5.0
    assert effective_sizes(chains)[0] < 20
    stuck = np.repeat(np.arange(4.0), 100).reshape(4, 100, 1)
    assert effective_sizes(stuck)[0] < 10
    assert np.isnan(effective_sizes(np.ones((4, 100, 1)))[0])
