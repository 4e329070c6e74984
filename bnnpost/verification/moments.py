"""Means and variances of all draws, with Monte-Carlo errors on both sides.

Nothing is thinned here: a chain's errors are those of its autocorrelation time. Where the
reference knows the Gaussians that its draws came from, it brings their exact moments, so that its
own error is that of hidden layers alone.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_NUM_SIMULATED = 20_000
# Simulated p-values below this are taken from the bound that needs no simulation.
_FEWEST_EXCEEDING = 20


@dataclass(frozen=True)
class Estimates:
    """Estimates of several numbers, of independent errors from set to set.

    values: of one set [estimate]; covariance: of their errors.
    """

    values: Float[np.ndarray, " e"]
    covariance: Float[np.ndarray, "e e"]

    def part(self, which: slice) -> "Estimates":
        """Some of them."""
        return Estimates(self.values[which], self.covariance[which, which])


def of_chains(
    chains: Float[np.ndarray, "chain draw column"],
    draws: Float[np.ndarray, "r column"],
    times: Float[np.ndarray, " column2"],
) -> Estimates:
    """Means of f − c and of its square, c being the mean of the reference's draws.

    times: autocorrelation times of both. The errors are those that right draws would have, by
    the reference's: an estimate from the same draws would go with the deviation (too few far
    out make the variance small, and its error too).
    """
    centre = draws.mean(axis=0)
    about, right = chains.reshape(-1, chains.shape[2]) - centre, draws - centre
    expected = _with_errors(np.hstack([right, right**2]))
    inflated = np.sqrt(times * len(draws) / len(about))
    values = np.hstack([about, about**2]).mean(axis=0)
    return Estimates(values, expected.covariance * np.outer(inflated, inflated))


def of_components(
    means: Float[np.ndarray, "draw column"],
    variances: Float[np.ndarray, "draw column"],
    centre: Float[np.ndarray, " column"],
) -> Estimates:
    """The same of the mixture of independent Gaussians."""
    about = means - centre
    return _with_errors(np.hstack([about, about**2 + variances]))


def _with_errors(samples: Float[np.ndarray, "draw e"]) -> Estimates:
    covariance = np.atleast_2d(np.cov(samples, rowvar=False)) / len(samples)
    return Estimates(samples.mean(axis=0), covariance)


@dataclass(frozen=True)
class Largest:
    """The largest of several standardised differences, and how unusual that is.

    place: its number. critical: the size that is exceeded with the probability asked for.
    """

    z: Float[np.ndarray, " e"]
    std: Float[np.ndarray, " e"]
    place: int
    p_value: float
    critical: float


def two_sided(z: float) -> float:
    """Probability that a standard normal is as far from 0."""
    return math.erfc(abs(z) / math.sqrt(2))


def differences(
    candidate: Estimates, reference: Estimates, level: float, rng: np.random.Generator
) -> Largest:
    """Candidate minus reference, in standard errors; p-value of the largest, all being normal."""
    covariance = candidate.covariance + reference.covariance
    std = np.sqrt(np.diag(covariance))
    z = (candidate.values - reference.values) / std
    simulated = _largest(covariance / np.outer(std, std), rng)
    place = int(np.argmax(np.abs(z)))
    return Largest(
        z,
        std,
        place,
        _p_value(abs(float(z[place])), len(z), simulated),
        _critical(level, len(z), simulated),
    )


def _largest(correlation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sizes of the largest of standard normals with this correlation, sorted."""
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    draws = rng.standard_normal((_NUM_SIMULATED, len(root))) @ root.T
    return np.sort(np.max(np.abs(draws), axis=1))


def _p_value(largest: float, count: int, simulated: np.ndarray) -> float:
    bound = min(1.0, count * two_sided(largest))
    exceeding = len(simulated) - int(np.searchsorted(simulated, largest))
    if exceeding < _FEWEST_EXCEEDING:
        return bound
    return min(bound, (exceeding + 1) / (len(simulated) + 1))


def _critical(level: float, count: int, simulated: np.ndarray) -> float:
    from scipy.special import ndtri

    bound = -float(ndtri(level / (2 * count)))
    if level * len(simulated) < _FEWEST_EXCEEDING:
        return bound
    return min(bound, float(np.quantile(simulated, 1 - level)))


def chains_disagree(
    chains: Float[np.ndarray, "chain draw column"], times: Float[np.ndarray, " column"]
) -> tuple[Float[np.ndarray, " column"], Float[np.ndarray, " column"]]:
    """F statistics of the means of chains, and their p-values, one a column.

    (variance between chains' means) / (variance within them · τ/length), with as many degrees
    of freedom within as the effective draws leave.
    """
    from scipy.special import fdtrc

    num_chains, length, _ = chains.shape
    between = np.var(chains.mean(axis=1), axis=0, ddof=1)
    within = np.mean(np.var(chains, axis=1, ddof=1), axis=0) * times / length
    statistic = between / within
    freedom = np.maximum(num_chains * (length / times - 1), 1.0)
    return statistic, fdtrc(num_chains - 1, freedom, statistic)
