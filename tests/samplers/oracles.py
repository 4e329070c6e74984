"""Posteriors computed without the library: quadrature in chi-squares, and plain numpy draws.

Notation as in the library: K = w_var |h|²/width + b_var is the readout's kernel at the one
training point, k its value between training and test point, K₂ at the test point.
"""

import functools
from dataclasses import dataclass

import numpy as np
import scipy.special
import scipy.stats


@dataclass(frozen=True)
class Layer:
    """Prior standard deviations of one Dense layer; no bias where b_std is 0."""

    w_std: float
    b_std: float


@dataclass(frozen=True)
class Exact:
    """Log evidence, and mean and variance of f at [training point, test points …]."""

    log_evidence: float
    means: np.ndarray
    variances: np.ndarray
    components: tuple  # weight, mean, std of f at the training point: the exact mixture

    def cdf(self, values):
        """The exact posterior CDF of f at the training point."""
        weights, means, stds = self.components
        standard = (np.asarray(values)[:, None] - means) / np.maximum(stds, 1e-300)
        return scipy.special.ndtr(standard) @ weights


@functools.cache
def chi_square_nodes(dof, num=120):
    """Nodes and weights of Gauss–Legendre in the root of a chi-square, where it is smooth."""
    if dof == 0:
        return np.zeros(1), np.ones(1)
    low = max(0.0, np.sqrt(dof) - 9)
    nodes, weights = np.polynomial.legendre.leggauss(num)
    roots = low + (np.sqrt(dof) + 9 - low) * (nodes + 1) / 2
    weights = weights * (np.sqrt(dof) + 9 - low) / 2 * scipy.stats.chi(dof).pdf(roots)
    return roots**2, weights


def condition_mixture(weights, kernels, tests, y, noise_var):
    """Posterior of f at one point and at test points, for a mixture of Gaussian priors.

    kernels: K of every component; tests: for each test point E k, E k² and E K₂ given K.
    """
    total = kernels + noise_var
    weights = weights * np.exp(-0.5 * y**2 / total) / np.sqrt(2 * np.pi * total)
    evidence = weights.sum()
    weights = weights / evidence
    points = [(kernels, kernels**2, kernels), *tests]
    means = np.array([weights @ (k * y / total) for k, _, _ in points])
    squares = [weights @ (k2 - kk / total + kk * (y / total) ** 2) for _, kk, k2 in points]
    components = (weights, kernels * y / total, np.sqrt(kernels * noise_var / total))
    return Exact(np.log(evidence), means, np.array(squares) - means**2, components)


def linear_network(hidden, readout, width, x, x_test, y, noise_var):
    """One hidden layer without activation: z·z is a chi-square of `width` degrees."""
    inputs = np.concatenate([x, x_test])
    prior = hidden.w_std**2 * inputs @ inputs.T / x.shape[1] + hidden.b_std**2
    chi, weights = chi_square_nodes(width)
    w_var, b_var, scale = readout.w_std**2, readout.b_std**2, prior[0, 0] * chi / width
    kernels = w_var * scale + b_var
    tests = []
    for i in range(1, len(inputs)):
        # z₂ = slope z + ε with ε of variance `left`, independent of z.
        slope = prior[0, i] / prior[0, 0]
        left = prior[i, i] - slope * prior[0, i]
        cross = w_var * slope * scale + b_var
        square = cross**2 + w_var**2 * left * scale / width
        tests.append((cross, square, w_var * (slope**2 * scale + left) + b_var))
    return condition_mixture(weights, kernels, tests, y, noise_var)


def relu_network(hidden, readout, width, x, factor, y, noise_var):
    """One hidden ReLU layer without hidden bias, at x and at the test points ±factor·x.

    A binomial number M of units is active at x, and those at +factor·x too; |h|² is a
    chi-square of M degrees. At −factor·x the other width − M are, so k = b_var there.
    """
    assert hidden.b_std == 0
    w_var, b_var = readout.w_std**2, readout.b_std**2
    unit = w_var * hidden.w_std**2 * float(x[0] @ x[0]) / x.shape[1] / width
    parts = []
    for active in range(width + 1):
        chi, weights = chi_square_nodes(active)
        weights = weights * scipy.stats.binom.pmf(active, width, 0.5)
        same, other = unit * chi, np.full(len(chi), unit * (width - active))
        parts.append(np.stack([weights, same, other]))
    weights, same, other = np.concatenate(parts, axis=1)
    along = factor * same + b_var
    along = (along, along**2, factor**2 * same + b_var)
    against = np.full(len(weights), b_var)
    against = (against, against**2, factor**2 * other + b_var)
    return condition_mixture(weights, same + b_var, [along, against], y, noise_var)


@dataclass(frozen=True)
class Estimated:
    """The same at training then test points [point, output], each with a standard error."""

    log_evidence: float
    log_evidence_se: float
    means: np.ndarray
    means_se: np.ndarray
    variances: np.ndarray
    variances_se: np.ndarray


def features(rng, layers, width, activation, inputs, num):
    """Last hidden layers of `num` networks, every weight drawn: [network, point, unit]."""
    rows = np.broadcast_to(inputs, (num, *inputs.shape))
    for layer in layers:
        weights = rng.standard_normal((num, rows.shape[2], width))
        biases = rng.standard_normal((num, 1, width))
        z = layer.w_std / np.sqrt(rows.shape[2]) * rows @ weights + layer.b_std * biases
        rows = activation(z)
    return rows


def conditional(kernels, y, noise_var):
    """Log density of y [n, k], and mean and variance of f given y, for each kernel."""
    n = len(y)
    noisy = kernels[:, :n, :n] + noise_var * np.eye(n)
    gain = np.linalg.solve(noisy, kernels[:, :n])
    _, log_det = np.linalg.slogdet(noisy)
    misfit = np.einsum("ik,pij,jk->p", y, np.linalg.inv(noisy), y, optimize=True)
    log_density = -0.5 * (misfit + y.shape[1] * (log_det + n * np.log(2 * np.pi)))
    means = np.einsum("pni,nk->pik", gain, y)
    variances = np.einsum("pii->pi", kernels) - np.einsum("pni,pni->pi", gain, kernels[:, :n])
    return log_density, means, variances[:, :, None]


def importance(rng, hidden, readout, width, activation, x, x_test, y, noise_var, num):
    """The posterior from `num` networks drawn from the prior and weighted, in plain numpy."""
    inputs = np.concatenate([x, x_test])
    h = features(rng, hidden, width, activation, inputs, num)
    kernels = readout.w_std**2 * h @ np.swapaxes(h, 1, 2) / width + readout.b_std**2
    log_density, means, variances = conditional(kernels, y, noise_var)
    weights = np.exp(log_density - log_density.max())
    relative = weights / weights.sum()
    log_evidence = log_density.max() + np.log(weights.mean())
    log_evidence_se = weights.std() / weights.mean() / np.sqrt(num)

    def average(values):
        mean = np.tensordot(relative, values, axes=1)
        error = np.einsum("p,p...->...", relative**2, (values - mean) ** 2)
        return mean, np.sqrt(error)

    mean, mean_se = average(means)
    variance, variance_se = average(variances + (means - mean) ** 2)
    return Estimated(log_evidence, log_evidence_se, mean, mean_se, variance, variance_se)
