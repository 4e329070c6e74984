"""Running sums of importance weights against sums written out in numpy."""

import math

import numpy as np
import pytest

from bnnpost.numerics.weights import WeightSum


def plain(log_weights):
    """Log mean, its delta-method error and Kish's sample size, from the weights themselves."""
    weights = np.exp(log_weights)
    error = weights.std() / math.sqrt(weights.size) / weights.mean()
    return math.log(weights.mean()), error, weights.sum() ** 2 / np.sum(weights**2)


@pytest.mark.parametrize("cuts", [[], [1], [50, 51, 90]])
@pytest.mark.parametrize("order", ["as drawn", "rising", "falling"])
def test_sums_do_not_depend_on_the_blocks(cuts, order):
    logs = np.random.default_rng(0).normal(0, 3, 100)
    logs = {"as drawn": logs, "rising": np.sort(logs), "falling": -np.sort(-logs)}[order]
    total = WeightSum()
    for block in np.split(logs, cuts):
        total = total.add(block)
    value, error = total.log_mean()
    expected_value, expected_error, expected_size = plain(logs)
    assert value == pytest.approx(expected_value, rel=1e-12)
    assert error == pytest.approx(expected_error, rel=1e-10)
    assert total.effective_sample_size() == pytest.approx(expected_size, rel=1e-12)
    assert total.count == 100


@pytest.mark.parametrize("shift", [-5000.0, 5000.0])
def test_weights_far_from_one_neither_underflow_nor_overflow(shift):
    logs = np.random.default_rng(1).normal(0, 1, 64)
    shifted, plain_sum = WeightSum().add(logs + shift), WeightSum().add(logs)
    assert shifted.log_mean().value - shift == pytest.approx(plain_sum.log_mean().value, abs=1e-9)
    assert shifted.log_mean().standard_error == pytest.approx(
        plain_sum.log_mean().standard_error, rel=1e-9
    )


def test_nan_and_minus_infinity_count_as_weight_zero():
    logs = np.array([0.0, np.nan, -np.inf, math.log(3.0)])
    total = WeightSum().add(logs)
    expected, error, size = plain(np.array([0.0, -np.inf, -np.inf, math.log(3.0)]))
    assert total.log_mean() == pytest.approx((expected, error))
    assert total.effective_sample_size() == pytest.approx(size)
    assert total.count == 4


def test_no_weight_at_all():
    for total in (WeightSum(), WeightSum().add(np.array([np.nan, -np.inf])), WeightSum().add([])):
        assert total.log_mean() == (-math.inf, math.inf)
        assert total.effective_sample_size() == 0
    # What comes later is not spoiled by a first block without weight.
    later = WeightSum().add(np.array([np.nan, -np.inf])).add(np.array([1.0, 1.0]))
    assert later.log_mean().value == pytest.approx(1 - math.log(2))


def test_equal_weights_have_no_error():
    total = WeightSum().add(np.full(10, -2.5))
    assert total.log_mean() == pytest.approx((-2.5, 0.0))
    assert total.effective_sample_size() == pytest.approx(10)
