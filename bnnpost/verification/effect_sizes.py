"""The sizes of a candidate's errors, where checks give probabilities.

Of each value the difference of its means and the ratio of its standard deviations, with intervals
that hold for all values together.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from bnnpost.verification.compared import Compared
from bnnpost.verification.effects import MEAN, STD, Effect
from bnnpost.verification.repeats import mean_error

# Probability that all intervals of a report, or of one check, hold together.
TOGETHER = 0.95
_TINY = 1e-300

Columns = Float[np.ndarray, " column"]


class Moments(NamedTuple):
    """Means and variances of the posterior, each with its standard error."""

    centre: Columns
    centre_error: Columns
    variance: Columns
    variance_error: Columns


def held_moments(
    means: Float[np.ndarray, "r column"],
    squares: Float[np.ndarray, "r column"],
    copies: Float[np.ndarray, " r"],
) -> Moments:
    """From the means and mean squares of what each draw of a reference is from.

    copies: how often each is there.
    """
    centre = means.mean(axis=0)
    spreads = squares - 2 * means * centre + centre**2
    return Moments(
        centre, mean_error(means, copies), spreads.mean(axis=0), mean_error(spreads, copies)
    )


def effects_of(both: Compared) -> tuple[Effect, ...]:
    """Of every value, means first; of normal scores where tails are heavy."""
    of_values = held_moments(both.means, both.variances + both.means**2, both.copies)
    of_scores = held_moments(both.scores.means, both.scores.squares, both.scores.copies)
    pairs = zip(of_values, of_scores, strict=True)
    held = Moments(*(np.where(both.heavy, scores, values) for values, scores in pairs))
    chains = np.where(both.heavy, both.scores.chains, both.chains)
    return sized(both.columns, chains, both.times, held, both.heavy)


def sized(
    names: Sequence[str],
    chains: Float[np.ndarray, "chain draw column"],
    times: Float[np.ndarray, " column2"],
    held: Moments,
    of_scores: Bool[np.ndarray, " column"] | None = None,
) -> tuple[Effect, ...]:
    """Means and standard deviations of columns against the posterior's, means first.

    times: autocorrelation times of the columns, then of their squares.
    """
    width = len(names)
    reach = reach_of(2 * width)
    scores = np.zeros(width, bool) if of_scores is None else of_scores
    mean, error = _mean_and_error(chains, times[:width])
    size = (mean - held.centre) / np.sqrt(held.variance)
    reached = reach * np.hypot(error, held.centre_error) / np.sqrt(held.variance)
    squares = (chains - chains.mean(axis=(0, 1))) ** 2
    spread, error = _mean_and_error(squares, times[width:])
    ratio = np.sqrt(spread / held.variance)
    relative = np.hypot(error / np.maximum(spread, _TINY), held.variance_error / held.variance)
    factor = np.exp(0.5 * reach * relative)
    return (
        *_each(MEAN, names, size, size - reached, size + reached, scores),
        *_each(STD, names, ratio, ratio / factor, ratio * factor, scores),
    )


def _each(kind: str, names: Sequence[str], *found: np.ndarray) -> Iterator[Effect]:
    for where, size, low, high, scores in zip(names, *found, strict=True):
        yield Effect(
            kind, where, float(size), float(low), float(high), bool(scores), float(kind == STD)
        )


def reach_of(count: int) -> float:
    """Standard errors to either side, for so many intervals that hold together."""
    from scipy.special import ndtri

    return -float(ndtri((1 - TOGETHER) / (2 * count)))


def _mean_and_error(
    chains: Float[np.ndarray, "chain draw column"], times: Columns
) -> tuple[Columns, Columns]:
    """Means over all chains and their standard errors, the larger of those within and between."""
    num_chains, length, _ = chains.shape
    within = chains.var(axis=(0, 1)) * times / (num_chains * length)
    between = chains.mean(axis=1).var(axis=0, ddof=1) / num_chains if num_chains > 1 else 0.0
    return chains.mean(axis=(0, 1)), np.sqrt(np.maximum(within, between))
