"""Surprise of data under a hypothesis, in standard deviations, and the one limit put on it.

Every statistical test of these folders asks `abs(z) < LIMIT`. Two-sided, a normal z passes six
by chance with probability 2e-9; there are fewer than 500 such comparisons, so a right library
fails the whole suite with probability below 1e-6. Tests that give a p-value are brought to the
same scale. Seeds are fixed, tolerances are standard errors, nothing was tuned.
"""

import numpy as np
import scipy.stats

LIMIT = 6.0


def z_of_p(p_value):
    """The two-sided normal z whose p-value this is (infinite for 0)."""
    return float(scipy.stats.norm.isf(p_value / 2))


def mean_z(values, expected, expected_se=0.0):
    """How far the mean over axis 0 is from a number with its own standard error."""
    values = np.asarray(values)
    variance = values.var(axis=0, ddof=1) / len(values)
    return (values.mean(axis=0) - expected) / np.sqrt(variance + np.square(expected_se))


def variance_z(values, expected, expected_se=0.0):
    """The same for the variance over axis 0; its error comes from the fourth moment."""
    squares = np.square(values - np.mean(values, axis=0))
    return mean_z(squares * len(squares) / (len(squares) - 1), expected, expected_se)


def same_mean_z(one, other):
    """How far two samples' means are from each other."""
    spread = np.var(other, axis=0, ddof=1) / len(other)
    return mean_z(one, np.mean(other, axis=0), np.sqrt(spread))


def same_law_z(one, other):
    """Kolmogorov–Smirnov surprise that two samples [sample] have one law."""
    return z_of_p(scipy.stats.ks_2samp(one, other, method="asymp").pvalue)


def uniform_z(values):
    """Kolmogorov–Smirnov surprise that a sample is uniform on [0, 1]."""
    return z_of_p(scipy.stats.kstest(values, "uniform", method="asymp").pvalue)


def normal_z(values):
    """Kolmogorov–Smirnov surprise that a sample is standard normal."""
    return uniform_z(scipy.stats.norm.cdf(np.ravel(values)))


def poisson_z(count, expected):
    """How surprising a count is, exactly, under a Poisson law (two-sided)."""
    lower = scipy.stats.poisson.cdf(count, expected)
    upper = scipy.stats.poisson.sf(count - 1, expected)
    return z_of_p(min(1.0, 2 * min(lower, upper)))


def correlation_z(values):
    """Surprise of every pairwise correlation of columns [sample, column], upper triangle."""
    values = np.asarray(values)
    correlations = np.corrcoef(values, rowvar=False)[np.triu_indices(values.shape[1], 1)]
    return np.arctanh(correlations) * np.sqrt(len(values) - 3)


def evidence_z(info, expected, expected_se=0.0):
    """How far a run's log evidence, over all its proposals, is from a number."""
    return (info.log_evidence - expected) / np.hypot(info.log_evidence_se, expected_se)


def worst_of_many(surprises):
    """The largest of many surprises, as one comparison: its p-value times their number."""
    largest = worst(surprises)
    return z_of_p(min(1.0, np.size(surprises) * 2 * scipy.stats.norm.sf(largest)))


def worst(*surprises):
    """The largest surprise in size."""
    return max(float(np.max(np.abs(z))) for z in surprises)
