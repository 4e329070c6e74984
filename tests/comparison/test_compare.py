"""The distance to the limit: against a closed form, against plain weights, and its errors.

Statistical tests use fixed seeds; each allows 4.5 standard errors, a false alarm of 7e-6.
"""

import jax
import numpy as np
import pytest
from numpyro.distributions import Normal, StudentT
from scipy import integrate, stats

import bnnpost
from bnnpost.comparison import moments
from bnnpost.spaces import controls

SIGMAS = 4.5
NOISE_STD = 0.3
SCALARS = ("tv", "kl", "w1", "w2", "mean_error", "variance_error", "log_evidence_error")


def one_point(width: int, noise_std: float = NOISE_STD) -> bnnpost.Posterior:
    """One training point under a linear network without biases: K̂ = κ·s, s = χ²_N/N."""
    network = bnnpost.mlp(width=width, depth=1, activation="identity", w_std=1.5, b_std=0.0)
    likelihood = bnnpost.likelihoods.Gaussian(noise_std)
    return bnnpost.Posterior(network, likelihood, [[0.6, -1.0]], [0.9])


X_TEST = np.array([[0.6, -1.0]])
KAPPA = 1.5**4 * (0.6**2 + 1.0) / 2


def expectation(width: int, function) -> float:
    """E function(s)·N(y; 0, κs + σ²) over s = χ²_N/N, by quadrature."""
    law = stats.gamma(width / 2, scale=2 / width)

    def integrand(s):
        return law.pdf(s) * stats.norm.pdf(0.9, 0, np.sqrt(KAPPA * s + NOISE_STD**2)) * function(s)

    low, high = law.ppf(1e-13), law.ppf(1 - 1e-13)
    return integrate.quad(integrand, low, high, limit=400, epsabs=1e-14, epsrel=1e-11)[0]


def exact_errors(width: int) -> dict[str, float]:
    """Mean, variance and log-evidence differences, finite − limit, at the training point."""
    gain = lambda s: KAPPA * s / (KAPPA * s + NOISE_STD**2)  # noqa: E731
    evidence = expectation(width, lambda s: 1.0)
    mean = expectation(width, lambda s: gain(s) * 0.9) / evidence
    second = expectation(width, lambda s: NOISE_STD**2 * gain(s) + (gain(s) * 0.9) ** 2) / evidence
    limit_evidence = stats.norm.logpdf(0.9, 0, np.sqrt(KAPPA + NOISE_STD**2))
    return {
        "mean_error_by_point": mean - gain(1.0) * 0.9,
        "variance_error_by_point": second - mean**2 - NOISE_STD**2 * gain(1.0),
        "log_evidence_error": np.log(evidence) - limit_evidence,
    }


def z_scores(found, width: int) -> dict[str, float]:
    exact = exact_errors(width)
    return {
        name: (float(found[name].squeeze()) - value) / float(found[f"{name}_se"].squeeze())
        for name, value in exact.items()
    }


# Where the difference from the limit is largest, and where it is least.
SLOW = [pytest.param(width, marks=pytest.mark.slow) for width in (2, 256)]


@pytest.mark.slow
@pytest.mark.parametrize("width", [16, *SLOW])
def test_agrees_with_the_chi_square_integral(width):
    found = bnnpost.compare(jax.random.key(3), one_point(width), X_TEST, num_proposals=20_000)
    scores = z_scores(found, width)
    assert max(map(abs, scores.values())) < SIGMAS, scores


def test_a_sampler_with_half_the_noise_variance_is_told_apart():
    wrong = one_point(16, NOISE_STD * np.sqrt(0.5))
    found = bnnpost.compare(jax.random.key(3), wrong, X_TEST, num_proposals=20_000)
    # The wrong twin's own limit is what it is compared with; undo that for the variance.
    assert max(map(abs, z_scores(found, 16).values())) > 2 * SIGMAS


@pytest.fixture(scope="module")
def diabetes():
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(5, 3)
    likelihood = bnnpost.likelihoods.Gaussian(np.sqrt(0.1))
    return bnnpost.Posterior(bnnpost.mlp(width=64), likelihood, x, y), x_test


@pytest.mark.slow
def test_control_variates_do_not_move_the_estimates(diabetes, monkeypatch):
    posterior, x_test = diabetes
    key, other = jax.random.split(jax.random.key(0))
    with_controls = bnnpost.compare(key, posterior, x_test, num_proposals=10_000)
    monkeypatch.setattr(controls, "num_controls", lambda network, num_rows: 0)
    without = bnnpost.compare(other, posterior, x_test, num_proposals=40_000)
    assert with_controls.attrs["controls"] > 0
    assert without.attrs["controls"] == 0
    for name in ("mean_error_by_point", "variance_error_by_point", "log_evidence_error"):
        error = np.hypot(with_controls[f"{name}_se"], without[f"{name}_se"])
        assert np.all(np.abs(with_controls[name] - without[name]) < SIGMAS * error), name


@pytest.mark.slow
def test_control_variates_have_mean_zero_and_shrink_errors(diabetes):
    posterior, x_test = diabetes
    found = bnnpost.importance.estimate(jax.random.key(1), posterior, x_test, num_proposals=4000)
    deviations = found.controls
    error = deviations.std(axis=0) / np.sqrt(len(deviations))
    scores = deviations.mean(axis=0)[error > 0] / error[error > 0]
    assert len(scores) > 50
    assert np.max(np.abs(scores)) < 5.5  # 72 of them: false alarm 3e-6


def test_regression_weights_make_the_sample_mean_of_the_controls_zero():
    rng = np.random.default_rng(0)
    controls_drawn = rng.normal(size=(500, 3)) + 0.1
    regressors = np.concatenate([np.ones((500, 1)), controls_drawn], axis=1)
    functionals = np.concatenate([np.ones((500, 1)), controls_drawn], axis=1)
    sums = moments.BlockSums((functionals.T @ regressors)[None], (regressors.T @ regressors)[None])
    estimate = sums._estimate(sums.weighted[0], sums.controls[0])
    assert estimate[0] == pytest.approx(1.0)
    assert np.allclose(estimate[1:], 0.0, atol=1e-12)


@pytest.fixture(scope="module")
def found(diabetes):
    posterior, x_test = diabetes
    return bnnpost.compare(jax.random.key(2), posterior, x_test, num_proposals=4000)


def test_every_scalar_has_an_error_and_matches_its_marginals(found):
    for name in (*SCALARS, "covariance_error"):
        assert found[name].ndim == 0
        assert float(found[f"{name}_se"]) > 0
    for name in ("tv", "kl", "w1", "w2"):
        marginals = found[f"{name}_by_point"]
        assert marginals.shape == (3, 1)
        assert float(marginals.mean()) == pytest.approx(float(found[name]), rel=1e-9)


@pytest.mark.slow  # test_theory.py holds the distances themselves against theory
def test_distances_fall_with_width_at_the_rates_of_theory():
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(3, 2)
    likelihood = bnnpost.likelihoods.Gaussian(0.5)
    widths = [64, 256]
    found = [
        bnnpost.compare(
            jax.random.key(width),
            bnnpost.Posterior(bnnpost.mlp(width=width, depth=1), likelihood, x, y),
            x_test,
            num_proposals=8000,
        )
        for width in widths
    ]
    for name, theory in (("tv", -1), ("kl", -2), ("variance_error", -1)):
        values, errors = ([float(one[n]) for one in found] for n in (name, f"{name}_se"))
        fit = bnnpost.fit_rate(widths, values, errors, next_order=0.1, level=0.9999)
        assert fit.exponent_interval[0] < theory < fit.exponent_interval[1], name
        assert fit.exponent == pytest.approx(theory, abs=0.35)


def test_bad_arguments(diabetes):
    posterior, x_test = diabetes
    with pytest.raises(ValueError, match="at least 200"):
        bnnpost.compare(jax.random.key(0), posterior, x_test, num_proposals=100)
    with pytest.raises(TypeError, match="typed key"):
        bnnpost.compare(np.zeros(2, np.uint32), posterior, x_test)
    with pytest.raises(ValueError, match="x_test"):
        bnnpost.compare(jax.random.key(0), posterior, np.zeros((3, 4)))


@pytest.mark.slow
def test_the_tails_of_weights_and_squares_are_told(found):
    # Student-t(2.2) weights: f² has no variance, which it has where all are normal.
    network = bnnpost.mlp(
        width=4, depth=1, prior=StudentT(2.2), activation="relu", readout_prior=Normal()
    )
    posterior = bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(0.5), [[0.5]], [0.4])
    heavy = bnnpost.compare(jax.random.key(8), posterior, [[-2.0]], num_proposals=4000)
    assert heavy.attrs["pareto_k_squares"] > 0.5 > found.attrs["pareto_k_squares"]
    # The largest weights are those of networks that are 0 at the training input, and equal.
    assert heavy.attrs["pareto_k"] == 0
