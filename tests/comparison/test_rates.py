"""Fitted power laws: exact on exact data, honest intervals on noisy data, clear refusals."""

import numpy as np
import pytest

from bnnpost import fit_rate

WIDTHS = np.array([64, 256, 1024])


def test_exact_power_law_is_recovered():
    fit = fit_rate(WIDTHS, 3.0 * WIDTHS**-1.5, 1e-6 * WIDTHS**-1.5)
    assert fit.exponent == pytest.approx(-1.5, abs=1e-6)
    assert fit.coefficient == pytest.approx(3.0, rel=1e-5)
    assert fit.exponent_interval[0] < -1.5 < fit.exponent_interval[1]


def coverage(true_exponent: float, assumed: float, level: float) -> float:
    """How often the interval covers `true_exponent`, for data with exponent `assumed`."""
    rng = np.random.default_rng(5)
    widths = np.array([64, 128, 256, 512, 1024])
    covered = 0
    for _ in range(2000):
        errors = 0.05 * widths**assumed
        values = widths**assumed * np.exp(rng.normal(size=5) * 0.05)
        low, high = fit_rate(widths, values, errors, level=level).exponent_interval
        covered += low <= true_exponent <= high
    return covered / 2000


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_cover_at_least_as_often_as_they_say(level):
    # 4.5 standard errors of a binomial proportion: false alarm below 1e-5. They may cover more
    # often, because scatter above the errors widens them.
    se = np.sqrt(level * (1 - level) / 2000)
    found = coverage(-1.0, -1.0, level)
    assert level - 4.5 * se < found < level + (1 - level) * 0.75


def test_intervals_of_a_wrong_exponent_do_not_cover():
    assert coverage(-1.0, -1.15, 0.95) < 0.5


def test_signed_values_are_fitted_by_size():
    fit = fit_rate(WIDTHS, -2.0 / WIDTHS, 0.01 / WIDTHS)
    assert fit.exponent == pytest.approx(-1.0, abs=1e-9)
    assert fit.coefficient == pytest.approx(2.0, rel=1e-6)


def test_next_order_widens_the_interval_to_cover_a_second_order_term():
    values = (1 - 8 / WIDTHS) / WIDTHS**2
    errors = 3e-3 * values
    plain = fit_rate(WIDTHS[1:], values[1:], errors[1:])
    allowed = fit_rate(WIDTHS, values, errors, next_order=0.1)
    assert not plain.exponent_interval[0] <= -2 <= plain.exponent_interval[1]
    assert allowed.exponent_interval[0] <= -2 <= allowed.exponent_interval[1]


def test_scatter_beyond_the_errors_is_reported_and_widens():
    values = np.array([1.0, 0.2, 0.11, 0.01])
    widths = np.array([10, 100, 200, 1000])
    tight = fit_rate(widths, values, 1e-3 * values)
    assert tight.misfit > 100
    assert tight.exponent_interval[1] - tight.exponent_interval[0] > 0.1


@pytest.mark.parametrize(
    ("widths", "values", "errors", "words"),
    [
        ([64], [1.0], [0.1], "two different widths"),
        ([64, 64], [1.0, 1.0], [0.1, 0.1], "two different widths"),
        ([64, 128], [1.0], [0.1, 0.1], "equal lengths"),
        ([64, 128], [1.0, 0.0], [0.1, 0.1], "values"),
        ([64, 128], [1.0, np.nan], [0.1, 0.1], "values"),
        ([64, 128], [1.0, 1.0], [0.1, 0.0], "standard_errors"),
    ],
)
def test_bad_input_is_refused(widths, values, errors, words):
    with pytest.raises(ValueError, match=words):
        fit_rate(widths, values, errors)
