"""Finite posteriors given subsets: plain numpy over weights; what ends, and what is refused.

A fixed seed; 4.5 standard errors, a false alarm in some 1e5 at each of eight numbers.
"""

import jax
import numpy as np
import pytest
from scipy.special import logsumexp

import bnnpost
from bnnpost.studies.finite_subsets import finite_losses

KEY = jax.random.key(11)
WIDTH, NOISE_STD, W_STD, B_STD = 2, 0.3, 1.5, 0.2
RNG = np.random.default_rng(8)
X, X_TEST = RNG.standard_normal((12, 2)), RNG.standard_normal((4, 2))
Y, Y_TEST = RNG.standard_normal((12, 1)), RNG.standard_normal((4, 1))


def posterior(width=WIDTH):
    network = bnnpost.mlp(width=width, depth=1, activation="relu", w_std=W_STD, b_std=B_STD)
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(NOISE_STD), X, Y)


def by_weights(rows, num_draws=1_000_000, num_parts=20):
    """Squared error and nll at each test point over prior draws of all weights; their errors."""
    rng, parts = np.random.default_rng(1), []
    for _ in range(num_parts):
        n = num_draws // num_parts
        first = rng.standard_normal((n, 2, WIDTH)) * W_STD / 2**0.5
        bias = rng.standard_normal((n, 1, WIDTH)) * B_STD
        last = rng.standard_normal((n, WIDTH, 1)) * W_STD / WIDTH**0.5
        end = rng.standard_normal((n, 1, 1)) * B_STD

        def f(x, a=first, b=bias, c=last, d=end):
            return (np.maximum(x @ a + b, 0) @ c + d)[..., 0]

        log_weight = -0.5 * np.sum((f(X[rows]) - Y[rows, 0]) ** 2, axis=1) / NOISE_STD**2
        at = f(X_TEST)
        density = -0.5 * (at - Y_TEST[:, 0]) ** 2 / NOISE_STD**2
        density -= 0.5 * np.log(2 * np.pi * NOISE_STD**2)
        weight = np.exp(log_weight - logsumexp(log_weight))
        nll = -logsumexp(density, axis=0, b=weight[:, None])
        parts.append(np.stack([nll, (weight @ at - Y_TEST[:, 0]) ** 2]))
    return np.mean(parts, axis=0), np.std(parts, axis=0, ddof=1) / num_parts**0.5


@pytest.mark.slow
def test_losses_given_a_subset_are_those_of_weighted_prior_draws_in_numpy():
    rows = np.array([2, 9, 5])
    targets = posterior().checked_test_targets(Y_TEST, 4)
    found = finite_losses(KEY, posterior(), X_TEST, targets, [[rows]], 40_000)
    expected, error = by_weights(rows)
    own = np.stack([found.nll[0, 0], found.squared_error[0, 0]])
    limit = own - np.stack([found.nll_difference[0, 0], found.squared_error_difference[0, 0]])
    error = np.hypot(error, 0.01 * np.abs(expected - limit) + 1e-3)
    assert np.all(np.abs(own - expected) < 4.5 * error)
    assert np.any(np.abs(limit - expected) > 10 * error)  # the limit's would not do


@pytest.mark.slow
def test_sizes_end_where_proposals_are_worth_too_little():
    data = bnnpost.datasets.sphere_teacher(170).split(150, 10)
    network = bnnpost.mlp(width=2, depth=1, activation="relu", w_std=2**0.5, b_std=0.3)
    of = bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(0.05), data[0], data[1])
    found = bnnpost.scaling_over_data(
        KEY,
        of,
        data[2],
        data[3],
        sizes=(2, 3, 60, 75),
        tail=(2, 40),
        num_subsets=2,
        num_proposals=1000,
    )
    worth = found.losses.effective_sample_size.values
    assert np.all(worth[:2] > 100)
    assert not worth[2] >= 100
    assert np.isnan(worth[3])
    there = np.isfinite(found.losses.squared_error_finite.values)
    np.testing.assert_array_equal(there, [True, True, False, False])
    assert found.finite is None
    [row] = [line for line in found.summary().splitlines() if line.split()[:1] == ["75"]]
    assert row.endswith("–")
    assert found.describe().to_dict()["sizes"][3]["squared_error_finite"] is None
    # Subsets are the limit's own: what both have in common is exact.
    limit = found.losses.nll_finite_by_subset - found.losses.nll_difference_by_subset
    np.testing.assert_allclose(limit[:2], found.losses.nll_by_subset[:2], rtol=1e-6)


@pytest.mark.slow
def test_a_wide_network_has_the_limits_exponent():
    data = bnnpost.datasets.sphere_teacher(170).split(150, 10)
    network = bnnpost.mlp(width=512, depth=1, activation="relu", w_std=2**0.5, b_std=0.3)
    of = bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(0.3), data[0], data[1])
    found = bnnpost.scaling_over_data(
        KEY, of, data[2], data[3], sizes=(3, 5, 30), num_subsets=3, num_proposals=400
    )
    assert found.finite is not None
    assert found.finite.exponent == pytest.approx(found.measured.exponent, abs=0.02)
    assert found.finite.exponent != found.measured.exponent


@pytest.mark.first
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kernel": bnnpost.ntk}, "without features and with the kernel bnnpost.nngp"),
        ({"features": 3}, "without features"),
        ({"num_proposals": 20}, "num_proposals"),
        ({"num_proposals": -1}, "num_proposals"),
    ],
)
def test_what_cannot_be_asked(changes, said):
    given = {"num_proposals": 1000, "sizes": (2, 4, 6), "tail": (1, 6), **changes}
    with pytest.raises(ValueError, match=said):
        bnnpost.scaling_over_data(KEY, posterior(), X_TEST, Y_TEST, **given)
