"""One training point under a linear network without biases, where everything is an integral.

K̂ = κ·s with s = χ²_N/N, so at that point p(f | y) ∝ p(y|f) E_s N(f; 0, κs), and the limit's
is p(y|f) N(f; 0, κ): one-dimensional integrals, done on a fine grid in plain numpy.
"""

from dataclasses import dataclass

import numpy as np
import scipy.special
import scipy.stats

import bnnpost
from bnnpost import likelihoods
from tests.samplers.oracles import chi_square_nodes

X = np.array([[0.6, -1.0]])
KAPPA = 1.5**4 * (0.6**2 + 1.0) / 2
F = np.linspace(-40.0, 40.0, 80_001)
STEP = F[1] - F[0]
NAMES = ("tv", "kl", "w1", "w2", "mean_error", "variance_error", "log_evidence_error")


@dataclass(frozen=True)
class Problem:
    """A likelihood, its one target, and its density on the grid in scipy's terms."""

    likelihood: likelihoods.Likelihood
    target: float
    density: object


def student_t(f):
    return scipy.stats.t(5, scale=0.5 * np.sqrt(3 / 5)).pdf(0.9 - f)


PROBLEMS = {
    "logit": Problem(likelihoods.Bernoulli(), 1.0, scipy.special.expit),
    "probit": Problem(likelihoods.Bernoulli(link="probit"), 1.0, scipy.special.ndtr),
    "student-t": Problem(likelihoods.StudentT(df=5, noise_std=0.5), 0.9, student_t),
    "laplace": Problem(
        likelihoods.Laplace(noise_std=0.5),
        0.9,
        lambda f: scipy.stats.laplace(scale=np.sqrt(0.125)).pdf(0.9 - f),
    ),
    "poisson": Problem(
        likelihoods.Poisson(), 2.0, lambda f: np.exp(2 * f - np.exp(np.minimum(f, 50.0))) / 2
    ),
}


def posterior(name, width):
    problem = PROBLEMS[name]
    network = bnnpost.mlp(width=width, depth=1, activation="identity", w_std=1.5, b_std=0.0)
    return bnnpost.Posterior(network, problem.likelihood, X, [problem.target])


def exact(name, width):
    """Every distance and difference, finite from limit, by name."""
    chi, weights = chi_square_nodes(width)
    stds = np.sqrt(KAPPA * chi / width)
    prior = sum(w * scipy.stats.norm.pdf(F, 0, s) for w, s in zip(weights, stds, strict=True))
    finite, limit = (PROBLEMS[name].density(F) * p for p in (prior, _normal(KAPPA)))
    evidences = finite.sum() * STEP, limit.sum() * STEP
    p, q = finite / evidences[0], limit / evidences[1]
    means = [np.sum(F * d) * STEP for d in (p, q)]
    variances = [np.sum(F**2 * d) * STEP - m**2 for d, m in zip((p, q), means, strict=True)]
    cdfs = [np.cumsum(d) * STEP for d in (p, q)]
    some = (p > 1e-300) & (q > 1e-300)
    return {
        "tv": 0.5 * np.sum(np.abs(p - q)) * STEP,
        "kl": np.sum(p[some] * np.log(p[some] / q[some])) * STEP,
        "w1": np.sum(np.abs(cdfs[0] - cdfs[1])) * STEP,
        "w2": _wasserstein2(*cdfs),
        "mean_error": means[0] - means[1],
        "variance_error": variances[0] - variances[1],
        "log_evidence_error": np.log(evidences[0] / evidences[1]),
    }


def _normal(variance):
    return scipy.stats.norm.pdf(F, 0, np.sqrt(variance))


def _wasserstein2(cdf, other):
    levels = (np.arange(200_000) + 0.5) / 200_000
    quantiles = [np.interp(levels, c, F) for c in (cdf, other)]
    return np.sqrt(np.mean((quantiles[0] - quantiles[1]) ** 2))


def scores(found, expected):
    """Each quantity's difference in standard errors; signed differences have signs here.

    A thousandth of the value and of the TV is allowed for the bins of the grid (one std of it).
    """
    result = {}
    for name, value in expected.items():
        key = f"{name}_by_point" if f"{name}_by_point" in found else name
        error = np.hypot(float(found[f"{key}_se"].squeeze()), 0.001 * (abs(value) + expected["tv"]))
        result[name] = (float(found[key].squeeze()) - value) / error
    return result
