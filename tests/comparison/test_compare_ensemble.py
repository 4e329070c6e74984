"""compare_ensemble: where the difference is known, by another estimate, and its rate."""

import functools

import jax
import numpy as np
import pytest
from scipy import stats

import bnnpost
from bnnpost import Posterior
from bnnpost.comparison import ensembles
from bnnpost.likelihoods import Gaussian

KEY = jax.random.key(4)
RNG = np.random.default_rng(9)
X, Y, X_TEST = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 1)), RNG.normal(size=(2, 2))


def posterior(network):
    return Posterior(network, Gaussian(noise_std=0.4), X, Y)


def linear():
    return posterior(bnnpost.Serial([bnnpost.Dense(1, b_std=0.5)]))


def test_a_linear_model_is_its_own_limit():
    found = bnnpost.compare_ensemble(KEY, linear(), X_TEST, num_members=200, precision="double")
    for name in ("tv", "mean_error", "variance_error", "covariance_error"):
        assert abs(float(found[name])) < 1e-9, name
    assert found.attrs["num_members"] == 200


def test_the_limit_of_another_training_is_seen():
    members = bnnpost.ensemble.sample(KEY, linear(), num_members=10, precision="double")
    laws = [members.limit(), bnnpost.ensemble_limit(linear(), ridge=0.1)]
    right, wrong = (
        ensembles.difference(members, ensembles.Limiting.of(law, X_TEST), X_TEST).quantities()
        for law in laws
    )
    assert right["mean_error"] < 1e-9
    assert wrong["mean_error"] > 1e-2
    assert wrong["tv"] > 1e-2


@pytest.mark.parametrize(("shift", "std"), [(0.05, 1.0), (0.0, 1.03), (-0.03, 0.98)])
def test_total_variation_of_two_normal_laws(shift, std):
    moments = [stats.norm(shift, std).moment(order) for order in range(1, 5)]
    first, second, third, fourth = moments
    hermite = np.array([first, second - 1, third - 3 * first, fourth - 6 * second + 3])
    grid = np.linspace(-10, 10, 200_001)
    gap = np.abs(stats.norm.pdf(grid, shift, std) - stats.norm.pdf(grid))
    expected = 0.5 * np.trapezoid(gap, grid)
    found = ensembles._tv(hermite[:, None, None])[0, 0]
    assert abs(found / expected - 1) < 0.01
    # Without the factorials it is another number, but for a shift of the mean alone.
    if std != 1.0:
        wrong = ensembles._tv((hermite * [1, 2, 6, 24])[:, None, None])[0, 0]
        assert abs(wrong / expected - 1) > 0.1


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="at least 200 members, got 199"):
        bnnpost.compare_ensemble(KEY, linear(), X_TEST, num_members=199)
    law = bnnpost.ensemble_limit(posterior(bnnpost.mlp()), ridge=0.0)
    with pytest.raises(ValueError, match="next to no spread at some test inputs"):
        ensembles.Limiting.of(law, X)


@functools.cache
def at_width(width, num_members):
    network = bnnpost.mlp(width=width, depth=1, w_std=1.2, b_std=0.3)
    return bnnpost.compare_ensemble(
        jax.random.fold_in(KEY, width), posterior(network), X_TEST, num_members=num_members
    )


@pytest.mark.slow
def test_against_the_members_own_moments():
    # Without the pairing, from members of another key; the same means, variances and TV.
    found, count = at_width(8, 20_000), 100_000
    network = bnnpost.mlp(width=8, depth=1, w_std=1.2, b_std=0.3)
    members = bnnpost.ensemble.sample(
        jax.random.key(5),
        posterior(network),
        num_members=count,
        num_steps=found.attrs["num_steps"],
        learning_rate=found.attrs["learning_rate"],
    )
    law, values = members.limit(), members.predict(X_TEST)[:, :, 0]
    variances = np.diagonal(law.covariance(X_TEST))
    shift, extra = values.mean(0) - law.mean(X_TEST)[:, 0], values.var(0) - variances
    fourth = np.mean((values - values.mean(0)) ** 4, axis=0)
    errors = {
        "mean_error": (shift, np.sqrt(variances / count)),
        "variance_error": (extra, np.sqrt((fourth - variances**2) / count)),
    }
    for name, (value, error) in errors.items():
        paired, paired_se = (found[f"{name}_by_point{end}"].values[:, 0] for end in ("", "_se"))
        # Four standard errors at four numbers: false alarms below 3e-4.
        assert np.max(np.abs(paired - value) / np.hypot(error, paired_se)) < 4, name
        # The pairing is worth having, and a mean that is off by a tenth of a std is seen.
        assert np.all(paired_se < error * np.sqrt(count / 20_000) / 1.5)
    assert np.min(0.1 * np.sqrt(variances) / errors["mean_error"][1]) > 4


@pytest.mark.slow
def test_differences_fall_as_one_over_width():
    widths = np.array([32, 64, 128, 256])
    found = [at_width(int(width), 4000) for width in widths]
    for name in ("tv", "mean_error"):
        values, errors = (
            np.array([float(one[f"{name}{end}"]) for one in found]) for end in ("", "_se")
        )
        fit = bnnpost.fit_rate(widths, values, errors, level=0.999, next_order=0.1)
        low, high = fit.exponent_interval
        assert low < -1 < high, (name, fit)
        assert high < -0.5, (name, fit)
