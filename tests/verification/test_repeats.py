"""Weighted draws made equally weighted by repeats: as often as weights say, and counted as such."""

import jax
import numpy as np
import pytest
import xarray as xr

from bnnpost.verification import permutation, references, repeats

KEY = jax.random.key(3)
COLUMNS = ("a", "b", "c")


def test_draws_are_there_as_often_as_their_weights_say():
    weights = np.array([1.0, 1.0, 1.6, 2.9, 0.0, 1.0, 2.0])
    counts = np.zeros((4000, 7))
    rng = np.random.default_rng(0)
    for row in counts:
        found = repeats.repeated_draws(np.log(np.maximum(weights, 1e-300)) + 5, rng)
        row[:] = np.bincount(found, minlength=7)
    # No count is further than 1 from what its weight says: a mean over 4,000 within 4.5 errors.
    expected = weights / (2.9 / 3)
    assert np.all(np.abs(counts - expected) < 1) and counts.max() == 3
    np.testing.assert_allclose(counts.mean(axis=0), expected, atol=4.5 * 0.5 / 4000**0.5)


def test_equal_weights_keep_every_draw_and_wrong_ones_are_refused():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(repeats.repeated_draws(np.full(1000, -3.0), rng), np.arange(1000))
    for wrong in ([0.0, np.nan], [-np.inf, -np.inf], []):
        with pytest.raises(ValueError, match="expected finite log weights"):
            repeats.repeated_draws(np.array(wrong), rng)


def test_errors_of_means_are_those_of_draws_not_of_rows():
    rng = np.random.default_rng(1)
    draws = rng.standard_normal(1000)
    origins = np.repeat(np.arange(1000), np.where(np.arange(1000) % 10, 1, 3))
    copies = repeats.copies(origins)
    # Σ M² and (Σ M)² of 900 draws once and 100 thrice.
    assert repeats.worth(copies) == pytest.approx(1200**2 / 1800)
    expected = np.sqrt(1800) / 1200
    assert repeats.mean_error(draws[origins], copies) == pytest.approx(expected, rel=0.05)


def test_a_capped_reference_keeps_what_its_weights_leave():
    rng = np.random.default_rng(2)
    weights = np.where(rng.random(5000) < 0.03, 1 + 0.8 * rng.random(5000), 1.0)
    attributes = {"kind": "capped", "pareto_k": "0.1", "unseen_mass_upper": "0.0"}
    values = ("sample", "point", "output"), rng.standard_normal((5000, 1, 1))
    x_test = ("point", "feature"), np.zeros((1, 1))
    data = xr.Dataset(
        {"f": values, "x_test": x_test, "log_weight": (("sample",), np.log(weights))},
        attrs=attributes,
    )
    held = references.of_values(KEY, data, None, "a file")
    # By the largest weight 2,800 would remain; the weights are worth 4,990.
    worth = repeats.worth(repeats.copies(held.rows))
    assert worth > 4900 and f"worth {worth:,.0f} of equal weights" in held.source
    np.testing.assert_array_equal(held.values["f"], values[1][held.rows])


def false_alarms(num_candidate, num_reference, counted, monkeypatch, replications=150):
    """How often a right candidate fails at 0.05, where tails of the reference weigh 2.5."""
    monkeypatch.setattr(permutation, "num_permutations", lambda level: 199)
    rng, found = np.random.default_rng(4), 0
    for _ in range(replications):
        proposed = rng.standard_normal((4 * num_reference, 3))
        far = np.abs(proposed[:, 0]) > 1.5
        draws = proposed[~far | (rng.random(len(far)) < 0.4)][:num_reference]
        weights = np.where(np.abs(draws[:, 0]) > 1.5, 2.5, 1.0)
        rows = repeats.repeated_draws(np.log(weights), rng)
        copies = repeats.copies(rows) if counted else None
        candidate = rng.standard_normal((num_candidate, 3))
        tests = permutation.all_tests(candidate, draws[rows], COLUMNS, 0.05, rng, copies=copies)
        found += min(test.corrected for test in tests) <= 0.05
    return found / replications


@pytest.mark.slow
def test_right_candidates_fail_as_seldom_as_they_should(monkeypatch):
    """At 150 of each and a rate of 0.05, above 0.107 once in a thousand."""
    assert false_alarms(300, 900, True, monkeypatch) < 0.107
    assert false_alarms(900, 300, True, monkeypatch) < 0.107


@pytest.mark.slow
def test_repeats_that_are_not_counted_raise_false_alarms(monkeypatch):
    assert false_alarms(900, 300, False, monkeypatch) > 0.107
