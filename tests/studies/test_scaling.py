"""The posterior predictive loss: against an integral, plain numpy draws, and first-order theory.

Statistical tests use fixed seeds; each allows 4.5 standard errors, a false alarm of 7e-6.
"""

import jax
import numpy as np
import pytest
import scipy.special
from numpyro.distributions import Laplace, Normal
from scipy import stats

import bnnpost
from bnnpost.studies.losses import LOSSES, Predictive
from bnnpost.theories.response import Response
from tests.samplers.oracles import chi_square_nodes

SIGMAS = 4.5
KEY = jax.random.key(0)
NOISE_VAR, X, X_TEST = 0.09, [[0.6, -1.0]], [[0.6, -1.0], [-0.9, 1.5]]
Y, Y_TEST = np.array([0.9, -0.4]), np.array([[0.3, 0.1], [-2.0, 0.2]])
KAPPA = (0.6**2 + 1.0) / 2
STRETCH = np.array([1.0, -1.5])  # of the test points: multiples of the training point


def linear(depth, width):
    """One point, two outputs and w_std 1: K̂ = κ Π s_l, s_l = χ²/width, K∞ = κ at any depth."""
    network = bnnpost.mlp(
        width=width, depth=depth, activation="identity", w_std=1.0, b_std=0.0, num_outputs=2
    )
    likelihood = bnnpost.likelihoods.Gaussian(np.sqrt(NOISE_VAR))
    return bnnpost.Posterior(network, likelihood, X, Y[None])


def given(scale, noise_var=NOISE_VAR):
    """Evidence, mean [point, output] and density of Y_TEST [point] given K̂ = κ·scale.

    noise_var: of the predictive alone.
    """
    kernel = KAPPA * scale
    gain = kernel / (kernel + NOISE_VAR)
    evidence = np.prod(stats.norm.pdf(Y, 0, np.sqrt(kernel + NOISE_VAR)))
    mean = gain * STRETCH[:, None] * Y
    std = np.sqrt(STRETCH**2 * NOISE_VAR * gain + noise_var)
    return evidence, mean, np.prod(stats.norm.pdf(Y_TEST, mean, std[:, None]), axis=1)


def exact_differences(width, noise_var=NOISE_VAR):
    """Of both losses at each test point, for depth 1."""
    chi, masses = chi_square_nodes(width)
    parts = [given(one / width, noise_var) for one in chi]
    weights = masses * np.array([part[0] for part in parts])
    mean, density = (
        np.tensordot(weights, np.stack([part[i] for part in parts]), 1) / weights.sum()
        for i in (1, 2)
    )
    _, limit_mean, limit_density = given(1.0)
    error, limit_error = (np.sum((Y_TEST - m) ** 2, axis=1) for m in (mean, limit_mean))
    return {
        "nll": -np.log(density / limit_density),
        "squared_error": error - limit_error,
    }


def scores(losses, width, expected):
    """Differences from what is expected at one width, in standard errors, for each loss."""
    at = losses.sel(width=width)
    return {
        name: np.max(
            np.abs(at[f"{name}_difference_by_point"] - expected[name])
            / at[f"{name}_difference_by_point_se"]
        ).item()
        for name in LOSSES
    }


@pytest.fixture(scope="module")
def over_width():
    key = jax.random.key(3)
    return bnnpost.scaling(key, linear(1, 64), X_TEST, Y_TEST, widths=[4, 64], num_proposals=6000)


@pytest.mark.slow
@pytest.mark.parametrize("width", [4, 64])
def test_agrees_with_the_chi_square_integral(over_width, width):
    found = scores(over_width.losses, width, exact_differences(width))
    assert max(found.values()) < SIGMAS, found


def test_a_density_without_the_noise_is_told_apart(over_width):
    wrong = exact_differences(64, noise_var=0.0)
    assert scores(over_width.losses, 64, wrong)["nll"] > 2 * SIGMAS


def test_losses_are_the_limits_and_the_differences(over_width):
    losses = over_width.losses
    _, mean, density = given(1.0)
    np.testing.assert_allclose(losses["nll_limit_by_point"], -np.log(density), rtol=1e-12)
    np.testing.assert_allclose(
        losses["squared_error_limit_by_point"], np.sum((Y_TEST - mean) ** 2, 1), rtol=1e-12
    )
    for name in LOSSES:
        for ending in ("", "_by_point"):
            difference = losses[f"{name}{ending}"] - losses[f"{name}_limit{ending}"]
            np.testing.assert_allclose(difference, losses[f"{name}_difference{ending}"], rtol=1e-9)
        by_point = losses[f"{name}_by_point"].mean("point")
        np.testing.assert_allclose(losses[name], by_point, rtol=1e-9)


def first_order_coefficients():
    """−(½h″ + h′g′)·Var s/h for the density, with Var s = 2/N, and the same of the mean."""
    step = 1e-4
    evidence, mean, density = zip(*(given(s) for s in (1 - step, 1.0, 1 + step)), strict=True)

    def slope(h):
        return (h[2] - h[0]) / (2 * step)

    def shift(h):
        return 2 * (0.5 * (h[2] - 2 * h[1] + h[0]) / step**2 + slope(h) * slope(np.log(evidence)))

    residual = Y_TEST - mean[1]
    return {
        "nll": -shift(density) / density[1],
        "squared_error": -2 * np.sum(residual * shift(mean), axis=1),
    }


def test_predicted_coefficients_are_derivatives_of_the_posterior(over_width):
    for name, expected in first_order_coefficients().items():
        found = over_width.losses[f"{name}_coefficient_by_point"]
        error = over_width.losses[f"{name}_coefficient_by_point_se"]
        assert np.all(np.abs(found - expected) < SIGMAS * error + 1e-5 * np.abs(expected)), name
        assert np.all(np.abs(expected) > 20 * error), name


def test_first_order_of_the_losses_is_that_of_moving_gaussians():
    # Mean m + at + bt²/2 and variance v + ct + dt²/2 over t of mean 0 and variance 1/N.
    rng, step = np.random.default_rng(2), 1e-4
    m, a, b, targets = rng.normal(size=(4, 5, 3))
    v, c, d = rng.uniform(0.5, 2, (3, 5))
    law = Predictive(m, v, targets)
    response = Response(
        b / 2, np.diag(d / 2), None, a[:, :, None] * a[:, None, :], a * c[:, None], c**2, None, None
    )

    def density(t):
        std = np.sqrt(v + c * t + d * t**2 / 2)[:, None]
        return np.prod(stats.norm.pdf(targets, m + a * t + b * t**2 / 2, std), axis=1)

    low, centre, high = density(-step), density(0), density(step)
    found = law.first_order(response)
    change = 0.5 * (high - 2 * centre + low) / step**2
    np.testing.assert_allclose(found.nll, -change / centre, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.squared_error, -np.sum((targets - m) * b, axis=1))


@pytest.mark.slow
def test_measured_coefficients_are_the_predicted_ones():
    found = bnnpost.scaling(
        jax.random.key(5), linear(1, 64), X_TEST, Y_TEST, widths=[128, 512, 2048]
    )
    for name, fit in found.coefficients.items():
        predicted = float(found.losses[f"{name}_coefficient"])
        assert abs(fit.coefficient - predicted) < SIGMAS * fit.standard_error, name
        assert fit.standard_error < 0.1 * abs(predicted), name
        low, high = found.rates[name].exponent_interval
        assert high - low < 0.2
        assert found.rates[name].exponent == pytest.approx(-1, abs=0.1)


def numpy_losses(posterior, x_test, y_test, width, count, noise_var):
    """Of an erf network of one hidden layer from plain weights in double precision, by seed 0.

    noise_var: of the predictive; losses at each test point, and their jackknife errors.
    """
    rng, n = np.random.default_rng(0), posterior.num_points
    x = np.concatenate([posterior.x, x_test])
    scale = 1.5 / np.sqrt(x.shape[1])
    logs, means, variances = [], [], []
    for _ in range(count):
        units = scale * x @ rng.normal(size=(x.shape[1], width)) + 0.1 * rng.normal(size=width)
        hidden = scipy.special.erf(units)
        kernel = 2.25 * hidden @ hidden.T / width + 0.01
        noisy = kernel[:n, :n] + float(posterior.likelihood.noise_var) * np.eye(n)
        solved = np.linalg.solve(noisy, np.column_stack([posterior.targets, kernel[:n, n:]]))
        quadratic = posterior.targets[:, 0] @ solved[:, 0]
        logs.append(-0.5 * (quadratic + np.linalg.slogdet(noisy)[1]))
        means.append(kernel[n:, :n] @ solved[:, 0])
        variances.append(np.diagonal(kernel[n:, n:] - kernel[n:, :n] @ solved[:, 1:]))
    weights, mean = np.exp(np.array(logs) - np.max(logs)), np.stack(means)
    density = stats.norm.pdf(y_test, mean, np.sqrt(np.stack(variances) + noise_var))
    parts = np.stack([np.ones_like(density), density, mean]) * weights[:, None]
    sums = np.stack([part.sum(axis=1) for part in np.split(parts, 50, axis=1)])

    def losses(total):
        return np.stack([-np.log(total[1] / total[0]), (y_test - total[2] / total[0]) ** 2])

    without = np.stack([losses(sums.sum(0) - block) for block in sums])
    whole = 50 * losses(sums.sum(0)) - 49 * without.mean(0)
    return whole, np.sqrt(49 * np.mean((without - without.mean(0)) ** 2, axis=0))


@pytest.fixture(scope="module")
def narrow():
    x, y, x_test, y_test = bnnpost.datasets.diabetes_problem(3, 2)
    likelihood = bnnpost.likelihoods.Gaussian(0.5)
    posterior = bnnpost.Posterior(bnnpost.mlp(width=8, depth=1), likelihood, x, y)
    found = bnnpost.scaling(KEY, posterior, x_test, y_test, widths=[8, 16], num_proposals=8000)
    return posterior, x_test, y_test, found


@pytest.mark.slow
@pytest.mark.parametrize(("noise_var", "right"), [(0.25, True), (0.0, False)])
def test_agrees_with_plain_numpy_weights_at_one_width(narrow, noise_var, right):
    posterior, x_test, y_test, found = narrow
    plain, error = numpy_losses(posterior, x_test, y_test, 8, 20_000, noise_var)
    for name, value, own in zip(LOSSES, plain, error, strict=True):
        at = found.losses.sel(width=8)
        z = np.abs(at[f"{name}_by_point"] - value) / np.hypot(at[f"{name}_by_point_se"], own)
        assert np.all(z < SIGMAS) == (right or name == "squared_error"), (name, z.values)
        if not right and name == "nll":
            assert np.max(z) > 2 * SIGMAS


def over_depth(make_posterior):
    return bnnpost.scaling_over_depth(
        jax.random.key(7),
        make_posterior,
        X_TEST,
        Y_TEST,
        depths=[1, 2, 4],
        ratio=1 / 128,
        num_proposals=4000,
    )


@pytest.fixture(scope="module")
def at_fixed_ratio():
    return over_depth(linear)


@pytest.mark.slow
def test_depth_over_width_controls_the_correction_of_deep_linear_networks(at_fixed_ratio):
    # Var Π s_l = (1 + 2/N)^L − 1 = 2L/N + …, and the limit is the same at every depth.
    losses = at_fixed_ratio.losses
    assert losses["width"].values.tolist() == [128, 256, 512]
    for name in LOSSES:
        predicted, error = losses[f"{name}_predicted"], losses[f"{name}_predicted_se"]
        assert np.all(np.abs(predicted - predicted[0]) < SIGMAS * np.hypot(error, error[0]))
        difference, own = losses[f"{name}_difference"], losses[f"{name}_difference_se"]
        # The next order is a few L/N of the first.
        allowed = SIGMAS * own + 0.06 * np.abs(predicted)
        assert np.all(np.abs(difference - predicted) < allowed), name
        assert at_fixed_ratio.rates[name].exponent == pytest.approx(0, abs=0.15)
    assert at_fixed_ratio.coefficients == {}


@pytest.mark.slow
def test_at_a_fixed_width_the_correction_grows_with_depth():
    found = over_depth(lambda depth, width: linear(depth, 128))
    for name in LOSSES:
        assert found.rates[name].exponent == pytest.approx(1, abs=0.15)


@pytest.mark.slow
def test_a_network_without_theory_is_measured_and_says_why():
    network = bnnpost.mlp(width=8, depth=1, prior=Laplace(0.0, 1.0), readout_prior=Normal(0.0, 1.0))
    posterior = bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(0.5), X, [0.9])
    found = bnnpost.scaling(KEY, posterior, X_TEST, [0.3, 0.1], widths=[8, 16], num_proposals=200)
    assert "not normal" in found.losses.attrs["without_theory"]
    assert "nll_coefficient" not in found.losses
    assert np.all(np.isfinite(found.losses["nll_difference"]))


def test_coefficients_are_those_of_exact_data():
    n = np.array([8.0, 16.0, 64.0])
    values = -2 / n + 5 / n**2
    fit = bnnpost.fit_coefficient(n, values, 0.01 / n)
    assert fit.coefficient == pytest.approx(-2)
    assert fit.next_coefficient == pytest.approx(5)
    assert fit.misfit == pytest.approx(0, abs=1e-12)
    assert 0 < fit.standard_error < 0.1
    noisy = bnnpost.fit_coefficient(n, values + np.array([0, 0.1, 0]), 0.01 / n)
    assert noisy.misfit > 1
    assert noisy.standard_error > 2 * fit.standard_error


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"y_test": [0.1, 0.2]}, ValueError, r"y_test of shape \[2, 2\]"),
        ({"y_test": Y_TEST[:1]}, ValueError, r"got \[1, 2\]"),
        ({"y_test": np.full((2, 2), np.nan)}, ValueError, "y_test holds 4 value"),
        ({"widths": [64]}, ValueError, "at least two different"),
        ({"widths": [64, 64]}, ValueError, "at least two different"),
        ({"widths": [64, 0]}, ValueError, "width"),
        ({"num_proposals": 100}, ValueError, "at least 200"),
        ({"key": np.zeros(2, np.uint32)}, TypeError, "typed key"),
    ],
)
def test_bad_arguments(changed, error, message):
    arguments = {"key": KEY, "y_test": Y_TEST, "widths": [8, 16], "num_proposals": 200} | changed
    key, y_test = arguments.pop("key"), arguments.pop("y_test")
    with pytest.raises(error, match=message):
        bnnpost.scaling(key, linear(1, 8), X_TEST, y_test, **arguments)


@pytest.mark.slow
def test_another_likelihood_and_a_bad_ratio_are_refused():
    network = bnnpost.mlp(width=8)
    other = bnnpost.Posterior(network, bnnpost.likelihoods.StudentT(df=4, noise_std=1.0), X, [0.9])
    with pytest.raises(NotImplementedError, match="StudentT"):
        bnnpost.scaling(KEY, other, X_TEST, [0.1, 0.2], widths=[8, 16])
    with pytest.raises(ValueError, match="depth/width"):
        bnnpost.scaling_over_depth(KEY, linear, X_TEST, Y_TEST, depths=[1, 2], ratio=0.0)
    with pytest.raises(TypeError, match="Posterior"):
        bnnpost.scaling_over_depth(
            KEY, lambda depth, width: network, X_TEST, Y_TEST, depths=[1, 2], ratio=0.1
        )
