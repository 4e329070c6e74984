"""How far X is from the posterior, by when pairs of chains met.

TV(X_t, posterior) ≤ E max(0, ⌈(τ − L − t)/L⌉) (Biswas, Jacob and Vanetti 2019, theorem 2.5), as Y
has the law of X. The mean is estimated from the pairs; upper limits say what it may be besides.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy.special
from jaxtyping import Float, Int

# Of upper limits.
CONFIDENCE = 0.95
_STDS = 1.645
# Numbers whose mean is known well enough.
_ENOUGH = 20


class Bound(NamedTuple):
    """Estimates and upper limits at steps 0, 1, …, of a total variation; none is above 1."""

    estimate: Float[np.ndarray, " t"]
    upper: Float[np.ndarray, " t"]

    def first_below(self, tolerance: float) -> int | None:
        """The first step from which on the limit is no more than that."""
        below = np.flatnonzero(self.upper <= tolerance)
        return int(below[0]) if below.size else None


def tv_bound(meetings: Int[np.ndarray, " r"], lag: int) -> Bound:
    """At steps up to the last at which a pair tells anything, and one more.

    meetings: τ, −1 where a pair did not meet, with which nothing is known at any step.
    """
    times = np.where(meetings < 0, np.inf, meetings - lag)
    if not np.all(np.isfinite(times)):
        return Bound(np.ones(1), np.ones(1))
    steps = np.arange(int(times.max()) + 1)
    each = np.maximum(np.ceil((times[:, None] - steps) / lag), 0.0)
    return Bound(np.minimum(each.mean(axis=0), 1.0), np.minimum(_uppers(each), 1.0))


def _uppers(each: Float[np.ndarray, "r t"]) -> Float[np.ndarray, " t"]:
    """95 % upper limits of means of numbers that are 0 or at least 1, of ever fewer the latter.

    That of the share that are not 0 (Clopper and Pearson 1934; of R of which none is, about 3/R)
    times one of their mean; where few are left, that of the last step with enough of them, since
    meeting times have tails that are nearly geometric, and so a mean that hardly changes.
    """
    found: list[float] = []
    mean = 1.0
    for column in each.T:
        some = column[column > 0]
        if len(some) >= _ENOUGH or not found:
            mean = _upper_mean(some)
        found.append(upper_share(len(column), len(some)) * mean)
    return np.array(found)


def _upper_mean(some: Float[np.ndarray, " s"]) -> float:
    if len(some) < 2:
        return max(1.0, float(some.sum()))
    return float(some.mean() + _STDS * some.std(ddof=1) / math.sqrt(len(some)))


def upper_share(count: int, found: int = 0) -> float:
    """The 95 % upper limit of a probability, of which so many trials found so many."""
    if found == count:
        return 1.0
    return float(scipy.special.betaincinv(found + 1, count - found, CONFIDENCE))


def fewest_pairs(tolerance: float) -> int:
    """How many pairs show that a distance is at most that, if all of them do."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-tolerance))
