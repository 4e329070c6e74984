"""How far X is from the posterior, by when pairs of chains met.

TV(X_t, posterior) ≤ E max(0, ⌈(τ − L − t)/L⌉) (Biswas, Jacob and Vanetti 2019, theorem 2.5), as Y
has the law of X. The mean is estimated from the pairs; upper limits say what it may be besides.

It is the probability that a pair has not met at t, times the mean number of lags that it still
takes then. Each has an upper limit; one of them fails at 4 %, the other at 1 %, so that both hold
at 95 %, however they depend on each other. That of the probability is exact (Clopper and Pearson
1934). That of the mean is exact where a pair is as likely to meet in each further lag: the lags
that n pairs take together are then a negative binomial number. It is taken from the last step with
enough pairs left, and holds later as far as late pairs meet no more slowly than those.

The step is chosen by the same pairs, as the first from which on the limit is at most a tolerance.
That costs nothing: a step where the distance is larger is chosen only if the limit fails at the
last such step, which is none that the pairs have chosen.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy.special
from jaxtyping import Float, Int

from bnnpost.arguments import number_between, positive_integer

# Of a distance, unless another one is asked for.
TOLERANCE = 0.01
# How often upper limits may fail: that of the share of pairs that have not met, and of what they
# still take. Together 5 %.
_SHARE_FAILS, _MEAN_FAILS = 0.04, 0.01
# Pairs by which that mean is known well enough.
_ENOUGH = 20


class Bound(NamedTuple):
    """Estimates and upper limits at steps 0, 1, …, of a total variation; none is above 1.

    Neither ever rises.
    """

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
    lags = np.maximum(np.ceil((times[:, None] - steps) / lag), 0.0)
    return Bound(np.minimum(lags.mean(axis=0), 1.0), np.minimum(_uppers(lags), 1.0))


def _uppers(lags: Float[np.ndarray, "r t"]) -> Float[np.ndarray, " t"]:
    """95 % upper limits of the mean number of lags that pairs still take, at each step."""
    count, left = len(lags), np.count_nonzero(lags, axis=0)
    enough = max(1, int(np.count_nonzero(left >= _ENOUGH)))  # steps with so many, the first ones
    taken = lags.sum(axis=0)
    means = [upper_mean(left[step], taken[step]) for step in range(enough)]
    means += means[-1:] * (len(left) - enough)
    uppers = np.array([upper_share(count, number) for number in left]) * means
    return np.maximum.accumulate(uppers[::-1])[::-1]


def upper_mean(pairs: int, lags: float) -> float:
    """The 99 % upper limit of the mean lags of a pair, of so many that took so many together."""
    return float(1 / scipy.special.betaincinv(pairs, lags - pairs + 1, _MEAN_FAILS))


def upper_share(count: int, left: int = 0) -> float:
    """The 96 % upper limit of the probability of not having met, of count pairs `left` had not."""
    if left == count:
        return 1.0
    return float(scipy.special.betaincinv(left + 1, count - left, 1 - _SHARE_FAILS))


def fewest_pairs(tolerance: float) -> int:
    """How many pairs show that a distance is at most that, if all of them do.

    At the last step with enough of them left, each takes one lag more at the best.
    """
    share = tolerance / upper_mean(_ENOUGH, _ENOUGH)
    return max(_ENOUGH, math.ceil(math.log(_SHARE_FAILS) / math.log1p(-share)))


def checked_goal(
    num_pairs: object, tolerance: object, name: str = "num_samples"
) -> tuple[int, float]:
    """Both as numbers. Raises ValueError for a tolerance that so few pairs cannot show.

    name: of the number, as the caller has it.
    """
    num_pairs = positive_integer(name, num_pairs)
    tolerance = number_between("tolerance", tolerance, 0.0, 1.0)
    fewest = fewest_pairs(tolerance)
    if num_pairs < fewest:
        raise ValueError(
            f"{num_pairs:,} pairs of chains cannot show a distance of at most {tolerance:g}: "
            f"about 4/{num_pairs:,} is the least that they could; expected at least {fewest:,} "
            f"{name.removeprefix('num_')}, or a larger tolerance"
        )
    return num_pairs, tolerance
