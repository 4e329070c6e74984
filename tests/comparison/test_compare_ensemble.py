"""compare_ensemble: where the difference is known, by another estimate, and its rate."""

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


@pytest.mark.slow
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
    with pytest.raises(ValueError, match="at least 200, got 199"):
        bnnpost.compare_ensemble(KEY, linear(), X_TEST, num_members=199)
    law = bnnpost.ensemble_limit(posterior(bnnpost.mlp()), ridge=0.0)
    with pytest.raises(ValueError, match="next to no spread at some test inputs"):
        ensembles.Limiting.of(law, X)


def diabetes(width):
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(5, 5)
    return Posterior(bnnpost.mlp(width=width), Gaussian(noise_std=0.3), x, y), x_test


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:training has not converged")
def test_against_the_members_own_moments():
    # Without the pairing, from members of another key. Narrow members need small steps.
    (target, x_test), few, many = diabetes(16), 4000, 20_000
    rate = 0.2 * bnnpost.max_learning_rate(target)
    training = {"num_steps": 200, "learning_rate": rate, "ridge": 0.0}
    found = bnnpost.compare_ensemble(KEY, target, x_test, num_members=few, **training)
    members = bnnpost.ensemble.sample(jax.random.key(5), target, num_members=many, **training)
    law, values = members.limit(), members.predict(x_test)[:, :, 0]
    variances = np.diagonal(law.covariance(x_test))
    shift, extra = values.mean(0) - law.mean(x_test)[:, 0], values.var(0) - variances
    fourth = np.mean((values - values.mean(0)) ** 4, axis=0)
    errors = {
        "mean_error": (shift, values.std(0) / np.sqrt(many)),
        "variance_error": (extra, np.sqrt((fourth - values.var(0) ** 2) / many)),
    }
    for name, (value, error) in errors.items():
        paired, paired_se = (found[f"{name}_by_point{end}"].values[:, 0] for end in ("", "_se"))
        # Four standard errors at ten numbers: false alarms below 1e-3, were the jackknife's normal.
        assert np.max(np.abs(paired - value) / np.hypot(error, paired_se)) < 4, name
        # A difference that is no difference is seen: at least one number is not 0.
        assert np.max(np.abs(paired) / np.hypot(error, paired_se)) > 4, name
    # The pairing is worth members: at width 16, more than twice as many.
    alone = errors["mean_error"][1] ** 2 * many / few
    assert np.sum(found["mean_error_by_point_se"].values ** 2) < np.sum(alone) / 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:training has not converged")
def test_differences_fall_as_one_over_width():
    problems = [(jax.random.fold_in(KEY, width), *diabetes(width)) for width in (64, 256)]
    found = [
        bnnpost.compare_ensemble(*problem, num_members=2000, ridge=0.0) for problem in problems
    ]
    for name in ("tv", "mean_error"):
        values, errors = (
            np.array([float(one[f"{name}{end}"]) for one in found]) for end in ("", "_se")
        )
        fall, error = np.log(values[0] / values[1]), np.hypot(*errors / values)
        # Three standard errors, twice: false alarms below 0.6 %, were the jackknife's normal.
        assert abs(fall - np.log(4)) < 3 * error, (name, values, errors)
        # 1/√width, as each member's own difference falls, is excluded.
        assert fall - np.log(2) > 3 * error, (name, values, errors)
