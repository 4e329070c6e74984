"""Tests of ranks: their laws by enumeration, bands by simulation, and what they can detect."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

from bnnpost.verification import uniformity
from bnnpost.verification.uniformity import POWER, detectable

EACH = list(uniformity.TESTS)


def chances_of(test, num_datasets, num_draws):
    """Every p-value there can be, with its probability, over all ranks of the datasets."""
    size, found = num_draws + 1, {}
    for ranks in itertools.combinations_with_replacement(range(size), num_datasets):
        counts = np.bincount(ranks, minlength=size)
        orders = np.prod(np.arange(1, num_datasets + 1)) / np.prod(
            [np.prod(np.arange(1, count + 1)) for count in counts]
        )
        p = uniformity.p_values(np.array(ranks), num_draws)[EACH.index(test)]
        found[p] = found.get(p, 0.0) + orders / size**num_datasets
    return found


@pytest.mark.parametrize("test", uniformity.TESTS)
@pytest.mark.parametrize(("num_datasets", "num_draws"), [(1, 9), (4, 4), (5, 2)])
def test_p_values_are_valid_by_enumeration(test, num_datasets, num_draws):
    chances = chances_of(test, num_datasets, num_draws)
    assert sum(chances.values()) == pytest.approx(1)
    # Chi-square alone is simulated: 100,000 times, so ± 0.0016 at one standard error.
    allowed = 0.008 if test == "chi_square" else 1e-9
    for level in chances:
        attained = sum(w for p, w in chances.items() if p <= level * (1 + 1e-9))
        assert attained <= level + allowed
        if test == "ecdf":
            assert attained == pytest.approx(level, abs=1e-9)


def left_somewhere(bands, num_datasets, num_draws, num_simulated, seed):
    """Share of simulated uniform ranks whose counts leave the bands."""
    size = num_draws + 1
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(num_datasets, np.full(size, 1 / size), num_simulated)
    reached = np.cumsum(counts, axis=1)[:, :-1]
    return np.mean(np.any((reached < bands.lower) | (reached > bands.upper), axis=1))


@pytest.mark.parametrize(("num_datasets", "num_draws"), [(30, 9), (100, 99)])
def test_bands_are_left_as_often_as_stated(num_datasets, num_draws):
    level, num = 0.05, 10_000
    found = left_somewhere(
        uniformity.bands(num_datasets, num_draws, level), num_datasets, num_draws, num, 0
    )
    # Discrete bands may be left a little less often. Four standard errors: 1 in 16,000.
    error = 4 * np.sqrt(level * (1 - level) / num)
    assert 0.7 * level - error < found < level + error


def test_pointwise_bands_are_left_far_more_often():
    # The known-wrong twin.
    shares = np.arange(1, 100) / 100
    pointwise = uniformity.Bands(
        stats.binom.ppf(0.025, 100, shares), stats.binom.ppf(0.975, 100, shares)
    )
    assert left_somewhere(pointwise, 100, 99, 2000, 0) > 0.3


@pytest.mark.slow
def test_detectable_errors_are_found_as_often_as_stated():
    level, num, num_datasets, num_draws = 0.002, 200, 100, 99
    found = detectable(num_datasets, num_draws, level)
    rng = np.random.default_rng(0)
    for test, bias, ratio in (
        ("shift", found.bias, 1.0),
        ("spread", 0.0, 1 / found.too_small),
        ("spread", 0.0, 1 / found.too_large),
    ):
        truth = bias + ratio * rng.normal(size=(num, num_datasets))
        ranks = rng.binomial(num_draws, ndtr(truth))
        column = EACH.index(test)
        hits = np.mean([uniformity.p_values(row, num_draws)[column] <= level for row in ranks])
        # Four standard errors, and 0.02 for a sum taken for normal.
        assert abs(hits - POWER) < 0.02 + 4 * np.sqrt(POWER * (1 - POWER) / num)


def test_one_dataset_detects_no_error_of_a_single_statistic():
    found = detectable(1, 99, 0.01)
    assert (found.bias, found.too_small, found.too_large) == (np.inf, 0.0, np.inf)


@pytest.mark.slow
def test_smallest_p_value_is_that_of_ranks_that_are_all_zero():
    for num_datasets, num_draws in ((1, 99), (3, 20)):
        found = uniformity.p_values(np.zeros(num_datasets, int), num_draws).min()
        assert found == pytest.approx(
            uniformity.smallest_p_value(num_datasets, num_draws), rel=0.01
        )
