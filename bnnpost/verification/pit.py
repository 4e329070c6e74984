"""The reference's distribution function at each draw: uniform numbers if the draws are right."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

# Levels of the mixture at whose quantiles its distribution function is tabulated: evenly spaced,
# and closer together in the tails. Components that it averages, and places of jumps, at most.
_LEVELS = np.sort(np.r_[np.arange(1, 256) / 256, ndtr(np.linspace(-4.5, 4.5, 257))])
_MOST_COMPONENTS, _MOST_JUMPS = 8_000, 512
# Of each component, values at the middles of so many equally likely parts.
_NUM_PARTS = 16
PARTS = (np.arange(_NUM_PARTS) + 0.5) / _NUM_PARTS
_GOLDEN = 0.5 * (5**0.5 - 1)
# Standard deviations beyond which a component has nothing.
_REACH = 8.0
# The reference's own error is looked at where its distribution function is within these.
_INNER = (0.02, 0.98)
# A normal deviate that is exceeded one time in ten.
ONE_IN_TEN = 1.2816

Values = Float[np.ndarray, "*shape"]


@dataclass(frozen=True)
class Distribution:
    """The distribution function of one column of the reference.

    places, before, values: a table of F(place−) and F(place), which differ where draws of the
    reference are equal (an atom), and linear in between. error: variance of its estimate times
    the reference's draws, over F (1 − F), the largest there is: 1 for an empirical one, less for
    a mixture of wide Gaussians.
    """

    places: Float[np.ndarray, " p"]
    before: Float[np.ndarray, " p"]
    values: Float[np.ndarray, " p"]
    error: float

    @property
    def largest_atom(self) -> float:
        """The largest probability of one value."""
        return float(np.max(self.values - self.before))

    def between(self, f: Values) -> tuple[Values, Values]:
        """F(f−) and F(f)."""
        last = len(self.places) - 1
        right = np.searchsorted(self.places, f)
        above = np.minimum(right, last)
        met = self.places[above] == f
        below = np.maximum(above - 1, 0)
        width = self.places[above] - self.places[below]
        share = (f - self.places[below]) / np.where(width > 0, width, 1.0)
        inside = self.values[below] + share * (self.before[above] - self.values[below])
        inside = np.where(right == 0, 0.0, np.where(right > last, 1.0, inside))
        return np.where(met, self.before[above], inside), np.where(met, self.values[above], inside)

    def at(self, f: Values, parts: Values | float = 0.5) -> Values:
        """F(f); at an atom, which F jumps, this part of the jump.

        With parts that are uniform in [0, 1) the result is uniform whatever the law of f.
        """
        before, values = self.between(f)
        return before + parts * (values - before)


def empirical_law(values: Float[np.ndarray, " draw"]) -> Distribution:
    """The empirical distribution function; (rank − ½)/draws where a value is met once."""
    places, counts = np.unique(values, return_counts=True)
    upper = np.cumsum(counts)
    lower = upper - counts
    single = counts == 1
    before = np.where(single, upper - 0.5, lower) / len(values)
    return Distribution(places, before, np.where(single, upper - 0.5, upper) / len(values), 1.0)


def used(count: int) -> slice:
    """Which of so many components are averaged."""
    return slice(None, None, max(1, -(-count // _MOST_COMPONENTS)))


def in_parts(means: Values, variances: Values) -> Float[np.ndarray, "*shape part"]:
    """Values of each component at the middles of equally likely parts of it."""
    return means[..., None] + np.sqrt(variances)[..., None] * ndtri(PARTS)


def mixture_law(
    means: Float[np.ndarray, " draw"], variances: Float[np.ndarray, " draw"]
) -> Distribution:
    """That of the mixture of Gaussians, some of which may be of variance 0.

    Places are quantiles of the mixture itself, so that the table is as fine where the draws are
    whatever its tails.
    """
    count = len(means)
    means, variances = means[used(count)], variances[used(count)]
    std = np.sqrt(variances)
    ends = [np.min(means - _REACH * std), np.max(means + _REACH * std)]
    # Somewhere else in each part for each component: together they reach far into the tails.
    shifts = (np.arange(len(means)) + 0.5) * _GOLDEN % 1 - 0.5
    moved = PARTS + shifts[:, None] / _NUM_PARTS
    quantiles = np.quantile(means[:, None] + std[:, None] * ndtri(moved), _LEVELS)
    fixed = np.sort(means[std == 0])
    places = np.unique(np.r_[ends, quantiles, _jumps(fixed)])
    each = ndtr((places[:, None] - means[std > 0]) / std[std > 0])
    smooth, squares = each.sum(axis=1), np.sum(each**2, axis=1)
    before = (smooth + np.searchsorted(fixed, places, "left")) / len(means)
    stepped = np.searchsorted(fixed, places, "right")
    values = (smooth + stepped) / len(means)
    inner = (values > _INNER[0]) & (values < _INNER[1])
    spread = values * (1 - values)
    ratios = ((squares + stepped) / len(means) - values**2)[inner] / spread[inner]
    error = float(np.max(ratios, initial=0.0)) if np.any(inner) else 1.0
    return Distribution(places, before, values, min(error, 1.0) * count / len(means))


def _jumps(fixed: Float[np.ndarray, " d"]) -> Float[np.ndarray, " j"]:
    """The values that occur more than once, the most frequent of them."""
    places, counts = np.unique(fixed, return_counts=True)
    places, counts = places[counts > 1], counts[counts > 1]
    return places[np.argsort(-counts, kind="stable")[:_MOST_JUMPS]]


def kolmogorov(
    uniforms: Float[np.ndarray, " draw"], effective: float, allowed: float = 0.0
) -> tuple[float, float]:
    """Largest distance of the empirical distribution from uniform, and its p-value.

    effective: draws that the distance's error is worth, both sides' errors counted. allowed: taken
    off, where the distribution function may be so far from the posterior's. p by Stephens's
    correction of Kolmogorov's law (1970).
    """
    from scipy.special import kolmogorov as law

    ordered, count = np.sort(uniforms), len(uniforms)
    above = np.arange(1, count + 1) / count - ordered
    below = ordered - np.arange(count) / count
    distance = max(float(max(np.max(above), np.max(below))) - allowed, 0.0)
    root = np.sqrt(effective)
    return distance, float(law(distance * (root + 0.12 + 0.11 / root)))


def found_nine_times_in_ten(level: float, effective: float) -> float:
    """The distance at one place that is found at this level in nine of ten runs."""
    from scipy.special import kolmogi

    return float(kolmogi(level) + ONE_IN_TEN / 2) / np.sqrt(effective)
