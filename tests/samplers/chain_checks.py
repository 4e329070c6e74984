"""Surprise of chains' values [chain, draw, …] under a hypothesis, by `checks`' scale and limit.

Draws of a chain depend on each other, chains do not: the mean of each of 64 chains is one
number, and a t test of these needs nothing to be known of autocorrelation. Kolmogorov–Smirnov
tests want independent values: of each chain one in τ, rounded up, where τ is the number of
draws over their effective sample size; what dependence is then left makes them a little eager.
Fewer than 300 such comparisons: by chance one fails, in all of them, with probability below
1e-6.
"""

import numpy as np
import scipy.stats

from bnnpost.draws import arviz_view
from tests.samplers import checks

# Independent chains of this length are never so far apart; a t test of their means would not see
# that they are stuck, each somewhere else.
LARGEST_R_HAT = 1.1


def apart_z(draws):
    """Infinite for chains that have not come to agree, else 0."""
    chains = draws.info.chains
    return np.inf if max(chains.r_hat, chains.lp_r_hat) > LARGEST_R_HAT else 0.0


def in_chains(draws, values):
    """Values [sample, …] as [chain, draw, …]."""
    return values.reshape(draws.info.num_chains, -1, *values.shape[1:])


def mean_z(values, expected, expected_se=0.0):
    """How far the mean of all chains is from a number with its own standard error."""
    means = np.asarray(values).mean(axis=1)
    error = np.hypot(means.std(axis=0, ddof=1) / np.sqrt(len(means)), expected_se)
    t = (means.mean(axis=0) - expected) / error
    return checks.z_of_p(2 * scipy.stats.t.sf(np.max(np.abs(t)), len(means) - 1))


def moments_z(values, means, variances, means_se=0.0, variances_se=0.0):
    """The larger surprise of means and of squares about the expected means."""
    squares = np.square(values - means)
    return max(mean_z(values, means, means_se), mean_z(squares, variances, variances_se))


def thinned(values):
    """Draws of [chain, draw] far enough apart to be taken for independent, all chains' in one."""
    size = arviz_view.diagnostics(values.reshape(-1, 1, 1), len(values))["ess_bulk"].item()
    return values[:, :: max(1, int(np.ceil(values.size / size)))].ravel()


def same_law_z(values, other):
    """Kolmogorov–Smirnov surprise that chains [chain, draw] and a sample have one law."""
    return checks.same_law_z(thinned(values), other)


def same_moments_z(values, other):
    """The surprise that chains and a sample [sample, …] have the same means and variances."""
    means, squares = other.mean(axis=0), np.square(other - other.mean(axis=0))
    root = np.sqrt(len(other))
    return moments_z(
        values, means, squares.mean(axis=0), other.std(axis=0) / root, squares.std(axis=0) / root
    )
