"""The sizes of a candidate's errors, where checks give probabilities.

Of each value the difference of its means and the ratio of its standard deviations, with intervals
that hold for all values together.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from bnnpost.verification.compared import Compared
from bnnpost.verification.effects import MEAN, STD, Effect

# Probability that all intervals of a report hold together.
_LEVEL = 0.95
_TINY = 1e-300

Columns = Float[np.ndarray, " column"]


def effects_of(both: Compared) -> tuple[Effect, ...]:
    """Of every value, means first."""
    return (*_of_kind(both, MEAN), *_of_kind(both, STD))


def _of_kind(both: Compared, kind: str) -> Iterator[Effect]:
    from scipy.special import ndtri

    width = len(both.columns)
    reach = -float(ndtri((1 - _LEVEL) / (4 * width)))  # two kinds, two sides
    chains = np.where(both.heavy, both.scores.chains, both.chains)
    held = np.array([_moments(both, place) for place in range(width)]).T
    centre, centre_error, variance, variance_error = held
    if kind == MEAN:
        mean, error = _mean_and_error(chains, both.times[:width])
        size = (mean - centre) / np.sqrt(variance)
        error = np.hypot(error, centre_error) / np.sqrt(variance)
        low, high = size - reach * error, size + reach * error
    else:
        squares = (chains - chains.mean(axis=(0, 1))) ** 2
        mean, error = _mean_and_error(squares, both.times[width:])
        size = np.sqrt(mean / variance)
        error = 0.5 * np.hypot(error / np.maximum(mean, _TINY), variance_error / variance)
        low, high = size * np.exp(-reach * error), size * np.exp(reach * error)
    for place, where in enumerate(both.columns):
        ends = float(low[place]), float(high[place])
        yield Effect(kind, where, float(size[place]), *ends, bool(both.heavy[place]))


def _moments(both: Compared, place: int) -> tuple[float, float, float, float]:
    """The posterior's mean and variance of one value, each with its standard error."""
    means, variances = both.means[:, place], both.variances[:, place]
    squares = variances + means**2
    if both.heavy[place]:
        means, squares = both.scores.means[:, place], both.scores.squares[:, place]
    centre = means.mean()
    spreads = squares - 2 * means * centre + centre**2
    return centre, _error(means), spreads.mean(), _error(spreads)


def _mean_and_error(
    chains: Float[np.ndarray, "chain draw column"], times: Columns
) -> tuple[Columns, Columns]:
    """Means over all chains and their standard errors, the larger of those within and between."""
    num_chains, length, _ = chains.shape
    within = chains.var(axis=(0, 1)) * times / (num_chains * length)
    between = chains.mean(axis=1).var(axis=0, ddof=1) / num_chains if num_chains > 1 else 0.0
    return chains.mean(axis=(0, 1)), np.sqrt(np.maximum(within, between))


def _error(values: Float[np.ndarray, " draw"]) -> float:
    return float(values.std()) / len(values) ** 0.5
