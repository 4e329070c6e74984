"""Tests of whether ranks are uniform on 0 … L, each with the exact law of discrete ranks.

Ranks of D datasets are independent and, for a right sampler, uniform. Each test gives a p-value
that is at most p with probability at most p, whatever D and L: nothing is asymptotic.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import bdtr, bdtrc, ndtr, ndtri

# In the order of `p_values`.
TESTS = ("ecdf", "chi_square", "shift", "spread")
# Squared normal scores are rounded to whole multiples of 1/16, so that their sum has a law.
_SCORE_STEPS = 16
_DATASETS_A_BIN, _MOST_BINS = 8, 20
_NUM_SIMULATED = 100_000
# Of tails that are found as differences or by Fourier transforms, what rounding leaves.
_SMALLEST = 1e-13
# An attained level counts as reached: what rounding could take away.
_ROUNDING = 1 + 1e-9
_LARGEST_BIAS, _LARGEST_RATIO = 6.0, 20.0
# Chance with which an error that is called detectable is found.
POWER = 0.9


class Bands(NamedTuple):
    """Counts of ranks ≤ r that lie within simultaneous bands, r = 0 … L − 1, ends included."""

    lower: Int[np.ndarray, " L"]
    upper: Int[np.ndarray, " L"]


def p_values(ranks: Int[np.ndarray, " d"], num_draws: int) -> Float[np.ndarray, " 4"]:
    """Of `TESTS`, for the ranks of one statistic, each in 0 … num_draws.

    ecdf: the least pointwise binomial p-value of the counts of ranks ≤ r, and how often one so
    small occurs among all r (Säilynoja, Bürkner and Vehtari 2022). chi_square: over bins of
    eight datasets or more. shift: of the sum of ranks. spread: of the sum of squared normal
    scores, large where ranks pile up at the ends.
    """
    counts = np.bincount(ranks, minlength=num_draws + 1)
    return np.array(
        [
            ecdf_p_value(counts),
            _chi_square_p_value(counts),
            _two_sided(shift_scores(num_draws), counts),
            _two_sided(spread_scores(num_draws), counts),
        ]
    )


def ecdf_p_value(counts: Int[np.ndarray, " R"]) -> float:
    """P(the least pointwise p-value is as small as here), for counts of each rank."""
    total, size = int(counts.sum()), len(counts)
    reached = np.cumsum(counts)[:-1]
    shares = np.arange(1, size) / size
    below, above = bdtr(reached, total, shares), bdtrc(reached - 1.0, total, shares)
    least = float(2 * np.min(np.minimum(below, above)))
    return max(1 - _within(_bounds(least, total, size), total), _SMALLEST)


@functools.lru_cache(maxsize=64)
def bands(num_datasets: int, num_draws: int, level: float) -> Bands:
    """Bands that counts of uniform ranks leave somewhere with probability at most `level`.

    As wide at every r as its binomial law makes them; the pointwise level is found by
    bisection of the exact probability of leaving them (Säilynoja et al. 2022, section 3).
    """
    size = num_draws + 1
    low, high = np.log(level / (2 * size)) - 1, np.log(level)
    for _ in range(50):
        middle = 0.5 * (low + high)
        outside = 1 - _within(_bounds(float(np.exp(middle)), num_datasets, size), num_datasets)
        low, high = (middle, high) if outside <= level else (low, middle)
    return _bounds(float(np.exp(low)), num_datasets, size)


def _bounds(pointwise: float, total: int, size: int) -> Bands:
    """The counts of ranks ≤ r whose two-sided binomial p-value is above `pointwise`."""
    from scipy import stats  # slow to import, and not needed to import the library

    shares = np.arange(1, size) / size
    least = min(0.5 * pointwise * _ROUNDING, 1.0)
    lower = stats.binom.ppf(least, total, shares).astype(int)
    return Bands(lower, total - lower[::-1])


def _within(band: Bands, total: int) -> float:
    """P(all counts of uniform ranks lie within the band), exactly.

    Counts of a multinomial are independent Poisson counts given their total, so that the law of
    the count so far, cut off at the band, is convolved with one Poisson law at each rank.
    """
    from scipy import stats

    size = len(band.lower) + 1
    # Beyond, a Poisson law has less than rounding.
    most = int(total / size + 12 * np.sqrt(total / size) + 40)
    step = stats.poisson.pmf(np.arange(min(most, total) + 1), total / size)
    law, start = np.ones(1), 0
    for low, high in zip(band.lower, band.upper, strict=True):
        if low > high:
            return 0.0
        # Counts start … start + len(law) + len(step) − 2, of which low … high are kept.
        wider = np.convolve(law, step)
        kept = np.zeros(high - low + 1)
        first, last = max(low, start), min(high, start + len(wider) - 1)
        if first > last:
            return 0.0
        kept[first - low : last - low + 1] = wider[first - start : last - start + 1]
        law, start = kept, int(low)
    left = total - start - np.arange(len(law))
    ending = np.where(left >= 0, stats.poisson.pmf(left, total / size), 0.0)
    return min(1.0, float(law @ ending / stats.poisson.pmf(total, total)))


def shift_scores(num_draws: int) -> Int[np.ndarray, " R"]:
    """What the shift test sums of each rank: the rank."""
    return np.arange(num_draws + 1)


@functools.lru_cache(maxsize=64)
def spread_scores(num_draws: int) -> Int[np.ndarray, " R"]:
    """What the spread test sums of each rank: its squared normal score, in sixteenths."""
    quantiles = ndtri((np.arange(num_draws + 1) + 0.5) / (num_draws + 1))
    return np.round(_SCORE_STEPS * quantiles**2).astype(int)  # type: ignore[no-any-return]


def _two_sided(scores: Int[np.ndarray, " R"], counts: Int[np.ndarray, " R"]) -> float:
    """Twice the smaller tail of the sum of the ranks' scores, at most 1."""
    law = law_of_sum(tuple(scores.tolist()), int(counts.sum()))
    found = int(scores @ counts) - int(counts.sum()) * int(scores.min())
    tail = min(float(law[: found + 1].sum()), float(law[found:].sum()))
    return min(1.0, max(2 * tail, _SMALLEST))


@functools.lru_cache(maxsize=64)
def law_of_sum(scores: tuple[int, ...], total: int) -> Float[np.ndarray, " q"]:
    """The law of the sum of `total` scores drawn uniformly, from its least value on."""
    values = np.array(scores) - min(scores)
    single = np.bincount(values) / len(values)
    size = total * (len(single) - 1) + 1
    padded = next_fast_len(size, real=True)
    law = irfft(rfft(single, padded) ** total, padded)[:size]
    return np.clip(law, 0.0, None)  # type: ignore[no-any-return]


def _bins(total: int, size: int) -> Int[np.ndarray, " B+1"]:
    """Edges of bins of ranks."""
    count = int(np.clip(total // _DATASETS_A_BIN, 2, min(size, _MOST_BINS)))
    return np.round(np.linspace(0, size, count + 1)).astype(int)


def _chi_square_p_value(counts: Int[np.ndarray, " R"]) -> float:
    """Against simulated uniform ranks; of N simulations and the data, the share as far off."""
    total, edges = int(counts.sum()), _bins(int(counts.sum()), len(counts))
    null = _simulated_chi_squares(total, len(counts))
    found = _chi_square(np.add.reduceat(counts, edges[:-1])[None], np.diff(edges), total)[0]
    at_least = len(null) - np.searchsorted(null, found / _ROUNDING)
    return float((1 + at_least) / (1 + len(null)))


@functools.lru_cache(maxsize=64)
def _simulated_chi_squares(total: int, size: int) -> Float[np.ndarray, " s"]:
    sizes = np.diff(_bins(total, size))
    drawn = np.random.default_rng(0).multinomial(total, sizes / sizes.sum(), _NUM_SIMULATED)
    return np.sort(_chi_square(drawn, sizes, total))


def _chi_square(
    counts: Int[np.ndarray, "s B"], sizes: Int[np.ndarray, " B"], total: int
) -> Float[np.ndarray, " s"]:
    expected = total * sizes / sizes.sum()
    return np.sum((counts - expected) ** 2 / expected, axis=1)


def smallest_p_value(num_datasets: int, num_draws: int) -> float:
    """The smallest that any ranks could give, about: of the sum of ranks that are all 0."""
    return float(2.0 * (num_draws + 1.0) ** -float(num_datasets))


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
