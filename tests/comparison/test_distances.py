"""Distances from CDFs on a grid, against closed forms and scipy's quadrature."""

import numpy as np
import pytest
from scipy import integrate, stats

from bnnpost.comparison.distances import GRID, between, to_gaussian


def distances_of(law, mean=0.7, std=1.3):
    """Distances of a scipy law, given in units of a Gaussian N(mean, std²), from it."""
    cdf = law.cdf(mean + std * GRID)
    return to_gaussian(cdf, np.asarray(std))


@pytest.mark.parametrize("shift", [1e-4, 1e-2, 0.5])
def test_shifted_gaussian(shift):
    found = distances_of(stats.norm(0.7 + shift * 1.3, 1.3))
    assert found.tv == pytest.approx(2 * stats.norm.cdf(shift / 2) - 1, rel=2e-3)
    assert found.kl == pytest.approx(shift**2 / 2, rel=2e-3)
    assert found.w1 == pytest.approx(shift * 1.3, rel=1e-3)
    assert found.w2 == pytest.approx(shift * 1.3, rel=1e-3)


@pytest.mark.parametrize("ratio", [0.5, 0.99, 1.01, 1.5])
def test_scaled_gaussian(ratio):
    found = distances_of(stats.norm(0.7, 1.3 * ratio))
    kl = 0.5 * (ratio**2 - 1) - np.log(ratio)
    assert found.kl == pytest.approx(kl, rel=3e-3)
    assert found.w2 == pytest.approx(1.3 * abs(ratio - 1), rel=3e-3)
    assert found.w1 == pytest.approx(1.3 * abs(ratio - 1) * np.sqrt(2 / np.pi), rel=1e-3)


def test_total_variation_of_a_mixture_by_quadrature():
    def density(x):
        return 0.3 * stats.norm.pdf(x, -0.5, 0.4) + 0.7 * stats.norm.pdf(x, 0.6, 1.1)

    cdf = 0.3 * stats.norm.cdf(GRID, -0.5, 0.4) + 0.7 * stats.norm.cdf(GRID, 0.6, 1.1)
    exact, _ = integrate.quad(
        lambda x: 0.5 * abs(density(x) - stats.norm.pdf(x)), -10, 10, limit=500
    )
    assert to_gaussian(cdf, np.asarray(1.0)).tv == pytest.approx(exact, rel=2e-3)


def test_equal_laws_have_no_distance():
    found = distances_of(stats.norm(0.7, 1.3))
    # W2 goes through quantiles, whose rounding at the grid's last edges is about 1e-11.
    assert max(found) < 1e-10


def test_a_point_mass_is_as_far_as_can_be_and_finite():
    found = distances_of(stats.norm(0.7, 1e-9))
    assert 0.95 < found.tv <= 1.0
    assert np.isfinite(found.kl)


def test_distances_are_taken_per_marginal():
    cdf = np.stack([stats.norm.cdf(GRID), stats.norm.cdf(GRID - 0.5)])
    found = to_gaussian(cdf, np.array([1.0, 2.0]))
    assert found.w1[0] < 1e-12
    assert found.w1[1] == pytest.approx(1.0, rel=1e-3)


def bins(law, grid, mean=0.7, std=1.3):
    """Probabilities of the bins of a scipy law, both tails included."""
    edges = mean + std * grid
    above = law.sf(edges)
    inside = np.where(edges[1:] > mean, above[:-1] - above[1:], np.diff(law.cdf(edges)))
    return np.concatenate([law.cdf(edges[:1]), inside, above[-1:]])


@pytest.mark.parametrize("law", [stats.norm(0.75, 1.4), stats.norm(0.7, 0.6), stats.t(5, 0.7, 1.2)])
def test_from_bins_what_comes_from_the_cdf(law):
    found = between(bins(law, GRID), bins(stats.norm(0.7, 1.3), GRID), GRID, np.asarray(1.3))
    assert np.allclose(found, distances_of(law), rtol=1e-3)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shift", [1e-4, 0.1])
def test_two_laws_that_are_not_gaussian_by_quadrature(shift, stride):
    law, reference = stats.gumbel_r(0.7, 1 + shift), stats.gumbel_r(0.7, 1.0)
    grid = GRID[::stride]
    found = between(bins(law, grid), bins(reference, grid), grid, np.asarray(1.3))
    x, step = np.linspace(-6, 30, 200_001, retstep=True)
    p, q = law.pdf(x), reference.pdf(x)
    some = (p > 1e-300) & (q > 1e-300)
    assert found.tv == pytest.approx(0.5 * np.sum(np.abs(p - q)) * step, rel=6e-3)
    kl = np.sum(p[some] * np.log(p[some] / q[some]) - p[some] + q[some]) * step
    assert found.kl == pytest.approx(kl, rel=1e-2)
    assert found.w1 == pytest.approx(np.sum(np.abs(law.cdf(x) - reference.cdf(x))) * step, rel=6e-3)
    levels = (np.arange(100_000) + 0.5) / 100_000
    w2 = np.sqrt(np.mean((law.ppf(levels) - reference.ppf(levels)) ** 2))
    assert found.w2 == pytest.approx(w2, rel=1e-2)


def test_equal_bins_have_no_distance_and_empty_ones_no_weight():
    masses = bins(stats.norm(0.7, 1e-3), GRID)
    assert max(between(masses, masses, GRID, np.asarray(1.0))) < 1e-12
    mirrored = np.stack([masses, masses[::-1]])
    found = between(mirrored, mirrored[::-1], GRID, np.ones(2))
    assert np.all(np.isfinite(np.stack(found)))
