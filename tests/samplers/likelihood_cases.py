"""A problem for every likelihood, its log probability and its noise in terms of scipy and numpy."""

from dataclasses import dataclass

import numpy as np
import numpyro.distributions as dist
import scipy.special
import scipy.stats

import bnnpost
from bnnpost import likelihoods
from tests.samplers import oracles
from tests.samplers.cases import X

LAYER, WIDTH = oracles.Layer(1.5, 0.2), 8
NUM_DRAWS = 2**17
STD = 0.5
REAL = np.array([0.9, -0.3, 0.5])
SCALE = STD / np.sqrt(2.0)


def real(f):
    return f[:, :, 0] - REAL


def unknown(f):
    """σ² inverse gamma (3, 0.5), integrated in closed form: a multivariate t."""
    squares = np.sum(real(f) ** 2, axis=1) / 2
    constant = 3 * np.log(0.5) - scipy.special.gammaln(3) + scipy.special.gammaln(4.5)
    return constant - 1.5 * np.log(2 * np.pi) - 4.5 * np.log(0.5 + squares)


def half_normal(f):
    """σ half normal (0.7), integrated by the midpoint rule."""
    stds = (np.arange(400) + 0.5) * 0.01
    squares = np.sum(real(f) ** 2, axis=1)[:, None]
    logs = scipy.stats.halfnorm(scale=0.7).logpdf(stds) - 3 * np.log(stds * np.sqrt(2 * np.pi))
    return scipy.special.logsumexp(logs - 0.5 * squares / stds**2, axis=1) + np.log(0.01)


def softmax(f):
    chances = scipy.special.log_softmax(f, axis=2)
    return chances[:, 0, 2] + chances[:, 1, 0] + chances[:, 2, 2]


@dataclass(frozen=True)
class Problem:
    """A likelihood with targets, and its log probability [network] in scipy's terms.

    noise: draws noise variances [network, 3] from their prior, where there are any.
    """

    likelihood: likelihoods.Likelihood
    targets: np.ndarray
    log_prob: object
    num_outputs: int = 1
    noise: object = None


SIGNS = np.array([1.0, -1.0, 1.0])
COUNTS = np.array([3, 0, 1])
PROBLEMS = {
    "student-t": Problem(
        likelihoods.StudentT(df=5, noise_std=STD),
        REAL,
        lambda f: scipy.stats.t(5, scale=STD * np.sqrt(3 / 5)).logpdf(real(f)).sum(1),
        noise=lambda rng: STD**2 * 3 / rng.chisquare(5, (NUM_DRAWS, 3)),
    ),
    "laplace": Problem(
        likelihoods.Laplace(noise_std=STD),
        REAL,
        lambda f: scipy.stats.laplace(scale=SCALE).logpdf(real(f)).sum(1),
        noise=lambda rng: STD**2 * rng.exponential(size=(NUM_DRAWS, 3)),
    ),
    "unknown variance": Problem(
        likelihoods.GaussianUnknownNoise(noise_var=dist.InverseGamma(3.0, 0.5)),
        REAL,
        unknown,
        noise=lambda rng: np.repeat(0.5 / rng.gamma(3.0, size=(NUM_DRAWS, 1)), 3, axis=1),
    ),
    "unknown std": Problem(
        likelihoods.GaussianUnknownNoise(noise_std=dist.HalfNormal(0.7)),
        REAL,
        half_normal,
        noise=lambda rng: np.repeat(
            np.square(0.7 * rng.standard_normal((NUM_DRAWS, 1))), 3, axis=1
        ),
    ),
    "logit": Problem(
        likelihoods.Bernoulli(),
        (SIGNS > 0) * 1.0,
        lambda f: -np.log1p(np.exp(-SIGNS * f[:, :, 0])).sum(1),
    ),
    "probit": Problem(
        likelihoods.Bernoulli(link="probit"),
        (SIGNS > 0) * 1.0,
        lambda f: scipy.special.log_ndtr(SIGNS * f[:, :, 0]).sum(1),
    ),
    "poisson": Problem(
        likelihoods.Poisson(),
        COUNTS,
        lambda f: scipy.stats.poisson(np.exp(f[:, :, 0])).logpmf(COUNTS).sum(1),
    ),
    "softmax": Problem(likelihoods.Categorical(), np.array([2, 0, 2]), softmax, 3),
}


def posterior(name, width=WIDTH):
    problem = PROBLEMS[name]
    network = bnnpost.mlp(
        width=width,
        depth=1,
        w_std=LAYER.w_std,
        b_std=LAYER.b_std,
        num_outputs=problem.num_outputs,
    )
    return bnnpost.Posterior(network, problem.likelihood, X, problem.targets)


def given_noise(kernels, variances):
    """Log density of REAL, and mean and variance of f, for each kernel and noise [network, 3]."""
    n = len(X)
    noisy = kernels[:, :n, :n] + variances[:, :, None] * np.eye(n)
    solved = np.linalg.solve(noisy, kernels[:, :n])
    weights = np.linalg.solve(noisy, REAL[:, None])
    logs = -0.5 * (REAL @ weights[:, :, 0].T + np.linalg.slogdet(2 * np.pi * noisy)[1])
    mean = np.swapaxes(kernels[:, :n], 1, 2) @ weights
    variance = np.einsum("pii->pi", kernels) - np.sum(solved * kernels[:, :n], axis=1)
    return logs, mean, variance[:, :, None]


def weighted(relative, values):
    mean = np.tensordot(relative, values, axes=1)
    return mean, np.sqrt(np.tensordot(relative**2, (values - mean) ** 2, axes=1))
