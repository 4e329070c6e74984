"""Exact draws of log S under the posterior."""

from collections.abc import Sequence

import numpy as np
import scipy.optimize
from jaxtyping import Float
from scipy.special import digamma, gammaln

from bnnpost.theories.scale_spectrum import Spectrum, Vector

# Cells of log S in which the bound of the acceptance rate is looked for, and how far around.
_CELLS, _AROUND = 20_000, 30.0
# Of c + N/2, between which it is looked for; beyond the last e^u overflows.
_NEAREST, _FARTHEST, _LARGEST = 1e-9, 1e9, 700.0


def log_scales(
    widths: Sequence[int], spectrum: Spectrum, count: int, rng: np.random.Generator
) -> Float[np.ndarray, " count"]:
    """So many exact draws, where S is a product of χ²_N / N over layers of these widths.

    Proposals are, half of them each, from the prior p and from p e^{cu}/M(c), which are gamma
    variables of other shapes; a proposal u is kept with probability proportional to p(y | u) over
    (1 + e^{cu}/M(c))/2. c puts the middle of the latter where p(y | u) e^{−cu} is largest.
    """
    if not widths:
        return np.zeros(count)
    halves = 0.5 * np.array(widths)
    tilt = _tilt(halves, spectrum)
    log_norm = float(_log_moment(halves, tilt))
    bound = _largest_weight(halves, tilt, log_norm, spectrum)
    kept: list[np.ndarray] = []
    while sum(map(len, kept)) < count:
        chosen = np.where(rng.random(2 * count) < 0.5, 0.0, tilt)[:, None]
        logs = np.sum(_log_gamma(rng, halves + chosen) - np.log(halves), axis=1)
        weights = spectrum.log_density(logs) - np.logaddexp(0.0, tilt * logs - log_norm)
        kept.append(logs[np.log(rng.random(len(logs))) < weights - bound])
    return np.concatenate(kept)[:count]


def _log_gamma(rng: np.random.Generator, shapes: np.ndarray) -> np.ndarray:
    """Logarithms of gamma variables, which for small shapes are below the smallest number."""
    return np.log(rng.standard_gamma(shapes + 1)) + np.log(rng.random(shapes.shape)) / shapes  # type: ignore[no-any-return]


def _log_moment(halves: Vector, tilt: float) -> float:
    """log E S^c under the prior."""
    return float(np.sum(gammaln(halves + tilt) - gammaln(halves) - tilt * np.log(halves)))


def _tilt(halves: Vector, spectrum: Spectrum) -> float:
    """c for which d/du log p(y | u) is c at the mean of p e^{cu}/M(c)."""

    def excess(above: float) -> float:
        tilt = above - float(np.min(halves))
        middle = float(np.sum(digamma(halves + tilt) - np.log(halves)))
        return tilt - spectrum.slope(min(middle, _LARGEST))

    above = scipy.optimize.brentq(excess, _NEAREST, _FARTHEST, xtol=1e-6)
    return float(above) - float(np.min(halves))


def _largest_weight(halves: Vector, tilt: float, log_norm: float, spectrum: Spectrum) -> float:
    """What log p(y | u) − log(1 + e^{cu}/M(c)) does not exceed, for any u.

    Between −∞, places around which all is, and +∞ the bound of each cell holds throughout it,
    because each term is monotone in u.
    """
    middle = float(np.sum(digamma(halves + tilt) - np.log(halves)))
    ends = np.r_[
        -np.inf, np.linspace(min(middle, 0.0) - _AROUND, max(middle, 0.0) + _AROUND, _CELLS), np.inf
    ]
    low, high = ends[:-1], ends[1:]
    with np.errstate(over="ignore", invalid="ignore"):
        above = spectrum.above(low, high)
        tilted = np.where(tilt > 0, tilt * low, tilt * high) if tilt else np.zeros(len(low))
        weights = above - np.logaddexp(0.0, tilted - log_norm)
    return float(np.max(weights[np.isfinite(above)]))
