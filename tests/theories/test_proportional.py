"""Renormalised scales: against plain numpy, the exact linear posterior, and a sum over scales."""

import importlib

import jax
import numpy as np
import pytest
import scipy.optimize
import scipy.stats

import bnnpost
from bnnpost.theories.layer_scales import ScaledKernel
from bnnpost.theories.scale_saddle import SaddleProblem, saddle_of

module = importlib.import_module("bnnpost.theories.proportional")
NOISE_STD = 0.4


def posterior_of(width, depth, activation, n=6, k=1, seed=0, features=3, b_std=0.2, w_std=1.3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features))
    y = x @ rng.normal(size=(features, k)) / features**0.5 + 0.3 * rng.normal(size=(n, k))
    network = bnnpost.mlp(
        width=width,
        depth=depth,
        activation=activation,
        w_std=w_std,
        b_std=b_std,
        num_outputs=k,
    )
    noise = bnnpost.likelihoods.Gaussian(NOISE_STD)
    x_test = rng.normal(size=(5, features))
    return bnnpost.Posterior(network, noise, x, 1.5 * y), x_test


def erf_kernel(kernel):
    """E erf(u) erf(v), by Williams 1997."""
    root = np.sqrt(1 + 2 * np.diagonal(kernel))
    return 2 / np.pi * np.arcsin(2 * kernel / np.outer(root, root))


def by_hand(posterior, x_test, width, depth, prior_term=1.0):
    """Scales, mean, variance of one output, by a search without derivatives; w_std 1.3, b_std 0.2.

    prior_term: what multiplies the sum over layers of N(s − log s).
    """
    x = np.concatenate([posterior.x, x_test])
    n, y = posterior.num_points, posterior.targets[:, 0]

    def kernel(logs):
        found = 1.3**2 * x @ x.T / x.shape[1] + 0.2**2
        for log in logs[:-1]:
            found = 1.3**2 * np.exp(log) * erf_kernel(found) + 0.2**2
        return np.exp(logs[-1]) * 1.3**2 * erf_kernel(found) + 0.2**2

    def objective(logs):
        noisy = kernel(logs)[:n, :n] + NOISE_STD**2 * np.eye(n)
        fit = np.linalg.slogdet(noisy)[1] + y @ np.linalg.solve(noisy, y)
        return prior_term * width * np.sum(np.exp(logs) - logs) + fit

    options = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 5000}
    logs = scipy.optimize.minimize(
        objective, np.zeros(depth), method="Nelder-Mead", options=options
    ).x
    found = kernel(logs)
    noisy = found[:n, :n] + NOISE_STD**2 * np.eye(n)
    weights = np.linalg.solve(noisy, found[:n, n:])
    variance = np.diagonal(found)[n:] - np.sum(found[:n, n:] * weights, axis=0)
    return np.exp(logs), weights.T @ y, variance


@pytest.mark.first
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_scales_are_those_of_a_search_in_plain_numpy(depth):
    posterior, x_test = posterior_of(8, depth, "erf")
    found = bnnpost.proportional(posterior, x_test)
    scales, mean, variance = by_hand(posterior, x_test, 8, depth)
    np.testing.assert_allclose([*found.scales, found.last_scale[0, 0]], scales, rtol=1e-6)
    np.testing.assert_allclose(found.mean[:, 0], mean, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.variance[:, 0], variance, rtol=1e-6)


def test_a_search_without_the_prior_term_is_elsewhere():
    posterior, x_test = posterior_of(8, 2, "erf")
    found = bnnpost.proportional(posterior, x_test)
    scales, mean, _ = by_hand(posterior, x_test, 8, 2, prior_term=0.0)
    assert abs(np.log([*found.scales, found.last_scale[0, 0]] / scales)).max() > 0.3
    assert abs(found.mean[:, 0] - mean).max() > 0.01


def linear_errors(width, depth):
    """Of the mean and the std, in posterior stds, and of log evidence; half as many points."""
    n = width // 2
    posterior, x_test = posterior_of(
        width, depth, "identity", n=n, features=n, b_std=None, seed=width, w_std=1.2
    )
    exact = bnnpost.deep_linear(posterior)
    std = np.sqrt(np.diagonal(exact.covariance(x_test)))
    found = bnnpost.proportional(posterior, x_test)
    mean = (found.mean - exact.mean(x_test))[:, 0] / std
    spread = found.variance[:, 0] / std**2 - 1
    return abs(mean).max(), abs(spread).max(), abs(found.log_evidence - exact.log_evidence)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_linear_networks_are_exact_as_width_and_points_grow(depth):
    small, large = linear_errors(16, depth), linear_errors(64, depth)
    assert max(small) < 0.15
    assert max(large) < 0.03


@pytest.mark.slow
def test_several_outputs_against_a_sum_over_scale_matrices():
    """Of one linear hidden layer, whose scale has a Wishart law: self-normalised sums over it."""
    width, n, k = 64, 24, 2
    posterior, x_test = posterior_of(width, 1, "identity", n=n, features=n, k=k)
    found = bnnpost.proportional(posterior, x_test)
    x = np.concatenate([posterior.x, x_test])
    kernel = 1.3**2 * (1.3**2 * x @ x.T / n + 0.2**2)
    noisy = NOISE_STD**2 * np.eye(n) + 0.2**2
    scales = scipy.stats.wishart(width, np.eye(k) / width).rvs(4_000, random_state=1)
    logs, means = [], []
    values, outputs = np.linalg.eigh(scales)
    for i in range(k):
        cov = noisy + values[:, i, None, None] * kernel[:n, :n]
        y = np.einsum("nk,sk->sn", posterior.targets, outputs[:, :, i])
        solved = np.linalg.solve(cov, y[..., None])[..., 0]
        logs.append(-0.5 * (np.linalg.slogdet(cov)[1] + np.sum(y * solved, axis=1)))
        cross = values[:, i, None, None] * kernel[:n, n:] + 0.2**2
        means.append(np.einsum("snm,sn,sk->smk", cross, solved, outputs[:, :, i]))
    log = np.sum(logs, axis=0)
    weights = np.exp(log - log.max())
    evidence = np.log(weights.mean()) + log.max() - 0.5 * n * k * np.log(2 * np.pi)
    weights /= weights.sum()
    np.testing.assert_allclose(found.log_evidence, evidence, atol=0.05)
    np.testing.assert_allclose(found.last_scale, np.einsum("s,sij->ij", weights, scales), atol=0.04)
    np.testing.assert_allclose(
        found.mean, np.einsum("s,smk->mk", weights, np.sum(means, axis=0)), atol=0.02
    )
    assert abs(found.last_scale - np.eye(k))[0].min() > 0.02


def test_the_gradient_is_that_of_differences():
    posterior, _ = posterior_of(8, 3, "erf", k=2)
    hidden = module.hidden_layers(posterior.network)[1]
    rng = np.random.default_rng(3)
    with jax.enable_x64(True):
        kernel = module._kernels(posterior, hidden, posterior.x)
        problem = SaddleProblem([12, 10, 8], kernel, 0.2 * np.eye(6), posterior.targets)
        place = 0.4 * rng.normal(size=5)
        steps = 1e-5 * np.eye(5)
        ahead, behind = ([problem.objective(place + s * h)[0] for h in steps] for s in (1, -1))
        gradient = problem.objective(place)[1]
    np.testing.assert_allclose(gradient, np.subtract(ahead, behind) / 2e-5, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_wide_networks_are_at_the_limit_and_points_may_come_twice():
    posterior, x_test = posterior_of(10**7, 2, "relu")
    found = bnnpost.proportional(posterior, np.concatenate([x_test, posterior.x[:1], x_test[:1]]))
    limit = bnnpost.limit(posterior)
    np.testing.assert_allclose(found.scales, 1.0, atol=1e-5)
    np.testing.assert_allclose(found.mean[:5], limit.mean(x_test), atol=1e-5)
    np.testing.assert_allclose(
        found.variance[:5, 0], np.diagonal(limit.covariance(x_test)), rtol=1e-5
    )
    np.testing.assert_allclose(found.mean[6], found.mean[0])
    np.testing.assert_allclose(found.log_evidence, limit.log_evidence, atol=1e-4)


def test_no_saddle_point_is_said():
    """Without the prior's term the scale of a kernel that explains nothing falls without end."""
    kernel = ScaledKernel(np.eye(2), np.zeros((0, 2, 2)))
    problem = SaddleProblem([4], lambda logs: kernel, np.eye(2), np.zeros((2, 1)))
    # 4(1 − 1/s) + 2/(1 + s) = 0
    np.testing.assert_allclose(saddle_of(problem).last, [[(17**0.5 - 1) / 4]], rtol=1e-8)
    with pytest.raises(ValueError, match=r"no saddle point was found from scales .*\.theory"):
        saddle_of(problem._replace(widths=[0]))


@pytest.mark.slow
def test_what_it_does_not_cover_is_refused():
    posterior, x_test = posterior_of(4, 1, "erf", k=2)
    narrow, _ = posterior_of(1, 1, "erf", k=2)
    with pytest.raises(ValueError, match="at least 2 units, as many as there are outputs, got 1"):
        bnnpost.proportional(narrow, x_test)
    classes = bnnpost.Posterior(
        posterior.network, bnnpost.likelihoods.Bernoulli(), posterior.x, posterior.targets > 0
    )
    with pytest.raises(NotImplementedError, match="proportional limit needs the evidence"):
        bnnpost.proportional(classes, x_test)
    with pytest.raises(ValueError, match="no hidden layer"):
        bnnpost.proportional(
            bnnpost.Posterior(bnnpost.Dense(1), posterior.likelihood, posterior.x, np.ones(6)),
            x_test,
        )
    with pytest.raises(ValueError, match="x_test"):
        bnnpost.proportional(posterior, np.full((2, 3), np.nan))
