"""Means and variances of the normal scores of all draws, with Monte-Carlo errors on both sides.

Nothing is thinned here: a chain's errors are those of its autocorrelation time. Where the
reference knows the Gaussians that its draws came from, it brings their mean scores, so that its
own error is that of hidden layers alone. Scores are those of `verification.scores`: of a Gaussian
posterior the standardised values, and normal whatever the posterior.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from bnnpost.verification.scores import Scores, mean_square, normal

_NUM_SIMULATED = 20_000
# Simulated p-values below this are taken from the bound that needs no simulation.
_FEWEST_EXCEEDING = 20


@dataclass(frozen=True)
class Largest:
    """The largest of several standardised differences, and how unusual that is.

    std: what they were standardised by. place: the number of the largest. critical: the size
    that is exceeded with the probability asked for. lost: what was taken off each, before it was
    standardised.
    """

    z: Float[np.ndarray, " e"]
    std: Float[np.ndarray, " e"]
    place: int
    p_value: float
    critical: float
    lost: float = 0.0


def means(
    scores: Scores,
    times: Float[np.ndarray, " column"],
    level: float,
    rng: np.random.Generator,
    distance: float = 0.0,
) -> Largest:
    """Of the mean scores, which are 0 of right draws. times: autocorrelation times of scores.

    distance: in total variation, of the reference's law from the posterior, by which a mean may be
    off by that times the range of scores.
    """
    covariance = _covariance(scores.chains, scores.draws, scores.means, scores.copies, times)
    std = np.sqrt(np.diag(covariance))
    lost = 2 * distance * _farthest(scores)
    found = _nearer(scores.chains.mean(axis=(0, 1)), lost)
    return _of_all(found / std, std, covariance, level, rng, lost)


def variances(
    scores: Scores,
    times: Float[np.ndarray, " column"],
    level: float,
    rng: np.random.Generator,
    distance: float = 0.0,
) -> Largest:
    """Of the mean squared scores over that of right draws. times: those of squared scores.

    distance: as of `means`; squares may be off by that times the largest of them.

    The cube root of a mean of squared normals is normal to a far higher order than itself
    (Wilson and Hilferty 1931): with V the variance of the ratio, its mean is 1 − V/9 and its
    variance V/9.
    """
    right = mean_square(len(scores.draws))
    squares, own = scores.chains**2 / right, scores.draws**2 / right
    covariance = _covariance(squares, own, scores.squares / right, scores.copies, times)
    variance = np.diag(covariance)
    lost = distance * _farthest(scores) ** 2 / right
    ratio = 1 + _nearer(squares.mean(axis=(0, 1)) - 1, lost)
    z = (np.cbrt(ratio) - 1 + variance / 9) / np.sqrt(variance / 9)
    return _of_all(z, np.sqrt(variance), covariance, level, rng, lost)


def _farthest(scores: Scores) -> float:
    """The largest score that there may be."""
    return float(normal(np.ones(1), len(scores.draws))[0])


def _nearer(values: Float[np.ndarray, " e"], by: float) -> Float[np.ndarray, " e"]:
    """Nearer to 0 by so much, but not beyond it."""
    return np.sign(values) * np.maximum(np.abs(values) - by, 0.0)  # type: ignore[no-any-return]


def _covariance(
    chains: Float[np.ndarray, "chain draw column"],
    draws: Float[np.ndarray, "r column"],
    components: Float[np.ndarray, "k column"],
    copies: Float[np.ndarray, " k"],
    times: Float[np.ndarray, " column"],
) -> Float[np.ndarray, "column column"]:
    """Of the errors of the candidate's means and of the reference's together.

    The candidate's are those that right draws would have, by the reference's: an estimate from
    the same draws would go with the deviation (too few far out make the variance small, and its
    error too).
    """
    inflated = np.sqrt(times / (chains.shape[0] * chains.shape[1]))
    own = np.atleast_2d(np.cov(draws, rowvar=False)) * np.outer(inflated, inflated)
    centred = components - components.mean(axis=0)
    return own + (copies[:, None] * centred).T @ centred / len(components) ** 2  # type: ignore[no-any-return]


def two_sided(z: float) -> float:
    """Probability that a standard normal is as far from 0."""
    return math.erfc(abs(z) / math.sqrt(2))


def _of_all(
    z: Float[np.ndarray, " e"],
    std: Float[np.ndarray, " e"],
    covariance: Float[np.ndarray, "e e"],
    level: float,
    rng: np.random.Generator,
    lost: float,
) -> Largest:
    """p-value of the largest, all being normal with correlations as in this covariance."""
    root = np.sqrt(np.diag(covariance))
    simulated = _largest(covariance / np.outer(root, root), rng)
    place = int(np.argmax(np.abs(z)))
    return Largest(
        z,
        std,
        place,
        _p_value(abs(float(z[place])), len(z), simulated),
        _critical(level, len(z), simulated),
        lost,
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
