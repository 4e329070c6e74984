"""Distances from the limit by draws alone are those that proposals give."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from scipy.special import ndtr

import bnnpost
from bnnpost.comparison import by_draws
from bnnpost.comparison.by_draws import compare_draws
from bnnpost.comparison.distances import GRID

KEY = jax.random.key(0)
X, Y = np.array([[-1.0], [0.3]]), np.array([0.4, -0.7])
POINTS = np.array([[0.1], [1.2], [-0.4]])
# Standard errors, in one comparison.
LIMIT = 5.0


def posterior(likelihood=None):
    likelihood = likelihood or bnnpost.likelihoods.Gaussian(0.5)
    return bnnpost.Posterior(bnnpost.mlp(width=8, depth=1), likelihood, X, Y)


@functools.cache
def drawn(num_samples=1000):
    return bnnpost.rejection.sample(KEY, posterior(), num_samples=num_samples)


def z(found, other, name):
    """The difference of scalars, or the largest of arrays, in standard errors."""
    error = np.hypot(found[f"{name}_se"], other[f"{name}_se"])
    return float(np.abs((found[name] - other[name]) / error).max())


@pytest.mark.slow
def test_what_proposals_give_comes_out_and_with_a_slip_does_not(monkeypatch):
    found = compare_draws(KEY, drawn(), POINTS)
    known = bnnpost.compare(KEY, posterior(), POINTS, num_proposals=4000)
    assert set(found.data_vars) == set(known.data_vars)
    names = ("tv", "kl", "w1", "w2", "mean_error", "variance_error", "covariance_error")
    assert max(z(found, known, name) for name in names) < LIMIT
    by_point = [f"{name}_by_point" for name in ("mean_error", "variance_error")]
    assert max(z(found, known, name) for name in by_point) < LIMIT
    assert np.isnan(found["log_evidence_error"])
    assert found.attrs["num_draws"] == 1000
    assert found.attrs["limit_log_evidence"] == known.attrs["limit_log_evidence"]
    # What each draw leaves open left out: the marginals are too narrow.
    right = by_draws._sums
    monkeypatch.setattr(by_draws, "_sums", lambda c, variance, *more: right(c, 0 * variance, *more))
    assert z(compare_draws(KEY, drawn(), POINTS), known, "variance_error_by_point") > LIMIT


@pytest.mark.slow
def test_means_over_all_draws_and_over_all_but_a_block():
    draws = drawn(400)
    mixture, f = draws.mixture(POINTS), draws.predict(POINTS)
    mean, std = np.full((3, 1), 0.2), np.full((3, 1), 0.7)
    whole, *without = by_draws._replicates(draws, POINTS, mean, std)
    assert len(without) == 20
    rest = np.arange(400) >= 20  # all but the first block
    for found, chosen in ((whole, rest | True), (without[0], rest)):
        means, variances = mixture.means[chosen], mixture.variances[chosen][:, :, None]
        edges = mean[:, :, None] + std[:, :, None] * GRID[::100]
        cdf = ndtr((edges - means[..., None]) / np.sqrt(variances)[..., None]).mean(axis=0)
        np.testing.assert_allclose(found["cdf"][:, :, ::100], cdf, atol=1e-12)
        np.testing.assert_allclose(found["square"], (means**2 + variances).mean(axis=0))
        product = np.einsum("sik,sjk->kij", f[chosen], f[chosen]) / chosen.sum()
        np.testing.assert_allclose(found["product"], product)


@dataclasses.dataclass
class Drawn:
    """What is asked of draws before they are compared."""

    posterior: bnnpost.Posterior
    log_weights: np.ndarray

    def __len__(self):
        return len(self.log_weights)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="number of draws to be at least 200"):
        compare_draws(KEY, Drawn(posterior(), np.zeros(150)), POINTS)
    tails = posterior(likelihood=bnnpost.likelihoods.StudentT(4.0, 0.5))
    with pytest.raises(ValueError, match="Gaussian noise of known size"):
        compare_draws(KEY, Drawn(tails, np.zeros(200)), POINTS)
    with pytest.raises(ValueError, match="of equal weight"):
        compare_draws(KEY, Drawn(posterior(), np.arange(200.0)), POINTS)
