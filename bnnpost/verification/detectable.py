"""How large a sampler's error must be for so many datasets to find it."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr

from bnnpost.verification.uniformity import law_of_sum, shift_scores, spread_scores

_LARGEST_BIAS, _LARGEST_RATIO = 6.0, 20.0
# Chance with which an error that is called detectable is found.
POWER = 0.9


class Detectable(NamedTuple):
    """The smallest errors that are found with probability 0.9; infinity (0) where none is.

    bias: of the draws' mean, in posterior standard deviations. too_small, too_large: factors
    by which the draws' standard deviation is off (0.8: 20 % too small).
    """

    bias: float
    too_small: float
    too_large: float


@functools.lru_cache(maxsize=64)
def detectable(num_datasets: int, num_draws: int, level: float) -> Detectable:
    """What the shift and the spread test of one statistic find at this level.

    For a statistic with a Gaussian posterior. Ranks have their exact law; the sum of their
    scores over datasets is taken for normal under the error.
    """
    shift = _Test(shift_scores(num_draws), num_datasets, level, 1)
    wide = _Test(spread_scores(num_draws), num_datasets, level, 1)
    narrow = _Test(spread_scores(num_draws), num_datasets, level, -1)
    return Detectable(
        _least(lambda bias: shift.power(_rank_law(num_draws, bias, 1.0)), 0.0, _LARGEST_BIAS),
        1 / _least(lambda ratio: wide.power(_rank_law(num_draws, 0.0, ratio)), 1.0, _LARGEST_RATIO),
        _least(
            lambda ratio: narrow.power(_rank_law(num_draws, 0.0, 1 / ratio)), 1.0, _LARGEST_RATIO
        ),
    )


class _Test:
    """The upper (sign 1) or lower side of a two-sided test by the sum of ranks' scores."""

    def __init__(self, scores: Int[np.ndarray, " R"], total: int, level: float, sign: int):
        self.scores, self.total, self.sign = scores - scores.min(), total, sign
        law = law_of_sum(tuple(scores.tolist()), total)
        tail = np.cumsum(law[::-1] if sign > 0 else law)
        # How many of the outermost sums together have at most half the level.
        self.count = int(np.searchsorted(tail, level / 2, side="right"))
        self.critical = len(law) - self.count if sign > 0 else self.count - 1

    def power(self, chances: Float[np.ndarray, " R"]) -> float:
        """Chance of a rejection on this side if ranks have this law."""
        if self.count == 0:
            return 0.0
        mean = float(chances @ self.scores)
        variance = max(float(chances @ (self.scores - mean) ** 2), 1e-12) * self.total
        distance = self.sign * (self.total * mean - self.critical)
        return float(ndtr(distance / np.sqrt(variance)))


def _least(power: Callable[[float], float], low: float, high: float) -> float:
    """The least error that is found with probability `POWER`; infinity if none is."""
    if power(high) < POWER:
        return float("inf")
    for _ in range(16):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def _rank_law(num_draws: int, bias: float, ratio: float) -> Float[np.ndarray, " R"]:
    """Law of the rank of N(bias, ratio²) among `num_draws` standard normals."""
    from scipy import stats  # slow to import, and not needed to import the library

    z = np.linspace(-6.0, 6.0, 241)
    places = np.clip(ndtr(bias + ratio * z), 1e-12, 1 - 1e-12)
    ranks = np.arange(num_draws + 1)[:, None]
    law = stats.binom.pmf(ranks, num_draws, places) @ stats.norm.pdf(z)
    return law / law.sum()  # type: ignore[no-any-return]
