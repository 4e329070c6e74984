"""Moments and quantiles of predictions with the draws' weights, against scipy and plain numpy."""

import jax
import numpy as np
import pytest
import scipy.optimize
import scipy.stats

import bnnpost
from bnnpost.comparison.row_predictions import quantile_name, row_predictions
from bnnpost.numerics.weights import normalised, weighted_quantile

X, Y, X_TEST, _ = bnnpost.datasets.diabetes_problem(4, 3)
LEVELS = (0.025, 0.5, 0.9)


def capped(likelihood):
    posterior = bnnpost.Posterior(bnnpost.mlp(width=4, depth=1), likelihood, X, Y)
    # So low a cap that weights differ much.
    return bnnpost.rejection.sample(
        jax.random.key(0), posterior, num_samples=60, bound="capped", cap=-12.0
    )


@pytest.fixture(scope="module")
def draws():
    return capped(bnnpost.likelihoods.Gaussian(noise_std=0.4))


@pytest.mark.slow
def test_gaussian_noise_gives_the_mixture_of_the_weighted_draws(draws):
    found = row_predictions(draws, X_TEST, LEVELS)
    weights = normalised(draws.log_weights)
    assert weights.max() > 2 / len(weights)
    means, variances, _ = draws.mixture(X_TEST)
    for row in range(3):
        own = means[:, row, 0], np.sqrt(variances[:, row] + 0.4**2)
        mean = weights @ own[0]
        assert found["mean"][row, 0] == pytest.approx(mean, rel=1e-10)
        assert abs(mean - own[0].mean()) > 1e-3  # what draws without their weights would give
        second = weights @ (own[1] ** 2 + own[0] ** 2)
        assert found["std"][row, 0] == pytest.approx(np.sqrt(second - mean**2), rel=1e-9)
        assert found["f_std"][row, 0] ** 2 + 0.4**2 == pytest.approx(found["std"][row, 0] ** 2)
        for level in LEVELS:

            def excess(y, own=own, level=level):
                return weights @ scipy.stats.norm.cdf(y, *own) - level

            expected = scipy.optimize.brentq(excess, -20, 20, xtol=1e-12)
            assert found[quantile_name(level)][row, 0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
def test_rows_come_in_blocks(draws, monkeypatch):
    whole = row_predictions(draws, X_TEST)
    monkeypatch.setattr("bnnpost.comparison.row_predictions._BLOCK", 2)
    parts = row_predictions(draws, X_TEST)
    first = row_predictions(draws, X_TEST[:2])
    np.testing.assert_array_equal(parts["mean"][:2], first["mean"])
    # Of other lists the noise of draws differs, within its errors.
    assert np.all(np.abs(parts["mean"] - whole["mean"]) < 4 * whole["f_std"] / np.sqrt(20))


@pytest.mark.slow
def test_other_noise_is_added_to_f():
    draws = capped(bnnpost.likelihoods.StudentT(df=4, noise_std=0.5))
    found = row_predictions(draws, X_TEST)
    np.testing.assert_allclose(found["std"] ** 2, found["f_std"] ** 2 + 0.25)
    assert np.all((found["q05"] < found["q50"]) & (found["q50"] < found["q95"]))


def test_a_weighted_quantile_by_hand():
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.5, 0.3])
    assert [weighted_quantile(values, weights, p) for p in (0.4, 0.6, 0.9)] == [1.0, 2.0, 3.0]
    assert [quantile_name(p) for p in (0.05, 0.5, 0.975, 0.025)] == ["q05", "q50", "q97.5", "q02.5"]


@pytest.mark.first
@pytest.mark.parametrize("levels", [(0.0,), (1.0,), (2.0,)])
def test_levels_that_cannot_be(draws, levels):
    with pytest.raises(ValueError, match="levels between 0 and 1"):
        row_predictions(draws, X_TEST, levels)
