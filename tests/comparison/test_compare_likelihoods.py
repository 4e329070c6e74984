"""compare under likelihoods that are not Gaussian: integrals, closed forms, calibrated errors.

Statistical tests use fixed seeds; each comparison allows 4.5 standard errors, a false alarm of
7e-6, and there are about a hundred.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import bnnpost
from bnnpost import likelihoods
from bnnpost.comparison import differences
from bnnpost.comparison.compare import by_pairs
from bnnpost.likelihoods import Likelihood
from bnnpost.samplers.importance import weighted_space
from tests.comparison import one_point
from tests.samplers import cases
from tests.samplers.cases import X_TEST

SIGMAS = 4.5
KINDS = ("logit", "student-t")
NAMES = [pytest.param(n, marks=pytest.mark.slow) for n in one_point.PROBLEMS]
BY_POINT = ("tv", "kl", "w1", "w2", "mean_error", "variance_error")


def compared(name, width, seed=0, num_proposals=4000):
    posterior = one_point.posterior(name, width)
    return bnnpost.compare(
        jax.random.key(seed), posterior, one_point.X, num_proposals=num_proposals
    )


def worst(found, expected):
    return max(map(abs, one_point.scores(found, expected).values()))


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_integrals_at_a_training_point(name):
    found = compared(name, 16)
    assert worst(found, one_point.exact(name, 16)) < SIGMAS
    # A network of another width, or the limit of another likelihood, would be told.
    assert worst(found, one_point.exact(name, 18)) > SIGMAS
    assert worst(found, one_point.exact("probit" if name != "probit" else "logit", 16)) > SIGMAS


@pytest.mark.slow
@pytest.mark.parametrize(("name", "width"), [("logit", 2), ("student-t", 2), ("logit", 1024)])
def test_agrees_with_integrals_at_other_widths(name, width):
    assert worst(compared(name, width), one_point.exact(name, width)) < SIGMAS


class PlainGaussian(Likelihood):
    """Gaussian noise as a user would write it, of which the library knows no closed form."""

    def log_terms(self, outputs, targets):
        return -0.5 * ((targets - outputs) ** 2 / 0.25 + jnp.log(2 * jnp.pi * 0.25))

    def log_prob(self, outputs, targets):
        return jnp.sum(self.log_terms(outputs, targets))

    def log_bound(self, targets):
        return 0.0


def apart(one, other):
    """The largest difference of two comparisons in standard errors."""
    names = [*(f"{name}_by_point" for name in BY_POINT), "covariance_error", "log_evidence_error"]
    zs = [(one[n] - other[n]) / np.hypot(one[f"{n}_se"], other[f"{n}_se"]) for n in names]
    return max(float(np.max(np.abs(z))) for z in zs)


@pytest.mark.slow
def test_gaussian_noise_without_its_closed_form_gives_the_same():
    known = cases.Case(width=16, depth=1).posterior()
    unknown = bnnpost.Posterior(known.network, PlainGaussian(), known.x, known.targets)
    found = bnnpost.compare(cases.key(1), unknown, X_TEST, num_proposals=2000)
    closed = bnnpost.compare(cases.key(2), known, X_TEST, num_proposals=8000)
    assert apart(found, closed) < SIGMAS
    halved = cases.with_noise(known, np.sqrt(0.5))
    wrong = bnnpost.compare(cases.key(2), halved, X_TEST, num_proposals=8000)
    assert apart(found, wrong) > SIGMAS


@pytest.mark.slow
def test_an_exact_guide_gives_what_the_closed_form_does():
    posterior = cases.Case(width=16, depth=2, num_outputs=2).posterior()
    space = weighted_space(posterior, "auto", "single")
    points = posterior.checked_test_points(X_TEST)
    estimates = by_pairs(cases.key(1), space, points, 4000).estimates()
    closed = bnnpost.compare(cases.key(2), posterior, X_TEST, num_proposals=8000)
    for name, (value, error) in estimates.items():
        z = (value - closed[name]) / np.hypot(error, closed[f"{name}_se"])
        assert np.max(np.abs(z)) < SIGMAS, name


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_errors_are_calibrated(name):
    # Σz² over 24 runs against the integrals: χ² with 24 degrees of freedom but for the noise of
    # the errors themselves (about 16 % each). Within quantiles of 1e-5, the upper one widened
    # by 1.3 for it. Errors three times too small or too large would be told.
    expected = one_point.exact(name, 32)
    if name == "logit":
        del expected["log_evidence_error"]  # exactly 0, by symmetry, of every proposal
    runs = [compared(name, 32, seed, 1000) for seed in range(24)]
    zs = np.array([list(one_point.scores(found, expected).values()) for found in runs])
    squares = np.sum(zs**2, axis=0)
    low, high = scipy.stats.chi2(24).ppf([1e-5, 1 - 1e-5])
    assert np.all((low < squares) & (squares < 1.3 * high)), squares
    assert np.all(9 * squares > 1.3 * high)
    assert np.all(squares / 9 < low)


@pytest.mark.slow
def test_distances_of_a_classifier_fall_with_width_as_theory_says():
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(5, 3)
    found = [
        bnnpost.compare(
            jax.random.key(width),
            bnnpost.Posterior(
                bnnpost.mlp(width=width), likelihoods.Bernoulli(), x, (y > 0).astype(float)
            ),
            x_test,
            num_proposals=4000,
        )
        for width in (64, 256)
    ]
    for name, theory in (("tv", -1), ("kl", -2), ("variance_error", -1)):
        values, errors = ([float(one[n]) for one in found] for n in (name, f"{name}_se"))
        fit = bnnpost.fit_rate([64, 256], values, errors, next_order=0.1, level=0.9999)
        assert fit.exponent_interval[0] < theory < fit.exponent_interval[1], name
        assert fit.exponent == pytest.approx(theory, abs=0.35)
        # Errors do not grow, relative to the distance, as networks grow.
        assert errors[1] / values[1] < 1.6 * errors[0] / values[0]


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["erf", "tanh"])
def test_classes_have_a_marginal_for_each_output(activation):
    # tanh has no closed form for the response, and is compared without it.
    network = bnnpost.mlp(width=8, depth=1, activation=activation, num_outputs=3)
    posterior = bnnpost.Posterior(network, likelihoods.Categorical(), cases.X, [2, 0, 2])
    found = bnnpost.compare(cases.key(0), posterior, X_TEST, num_proposals=400)
    assert found.attrs["controls"] == (activation == "erf")
    assert found["tv_by_point"].shape == (2, 3)
    for name in (*BY_POINT, "covariance_error", "log_evidence_error"):
        assert np.isfinite(found[name]), name
        assert found[f"{name}_se"] > 0, name


def test_blocks_are_equal_to_within_one():
    sizes = np.diff(differences.block_bounds(1013))
    assert sizes.sum() == 1013
    assert set(sizes) == {50, 51}
