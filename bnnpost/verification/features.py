"""Features by which two sets of draws are compared, in families of which each makes one check."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from bnnpost.verification.scores import normal_scores

Pooled = Float[np.ndarray, "draw column"]
Features = Float[np.ndarray, "draw feature"]

# Pooled quantiles at which laws are compared, and the share of draws in each tail.
_LEVELS = np.arange(1, 20) / 20
_TAIL = 0.025
_TAILS = (0.005, 0.01, _TAIL)
_FAR = 2.5
# Pairs of columns, and directions, at most; frequencies for each width of the kernel.
_MOST_PAIRS, _NUM_DIRECTIONS, _NUM_FREQUENCIES = 500, 32, 128
# Widths of the kernel, in multiples of the root mean square distance of two draws.
_KERNEL_WIDTHS = (0.25, 0.5, 1.0)
# Directions in which the draws vary by less than this part of their largest variance are rounding.
_SMALLEST_VARIANCE = 1e-9
# That of a normal law is 3, of an exponential one 9; of Student-t laws of 4 and fewer degrees of
# freedom it is infinite.
_LARGEST_KURTOSIS = 20.0


@dataclass(frozen=True)
class Family:
    """Features that make one check.

    names: of each feature, the values that it is of; where there are groups, of each of these.
    make: the features themselves. told: what a difference of a standardised feature means, in
    words; of_values: whether these are in units of the values. groups: into how many equal groups
    of features the check adds up squares; 0 if it looks at the largest.
    """

    name: str
    names: tuple[str, ...]
    make: Callable[[], Features]
    told: Callable[[float], str] = lambda size: ""
    of_values: bool = False
    groups: int = 0


def heavy_tailed(pooled: Pooled) -> Bool[np.ndarray, " column"]:
    """Which columns have so large a kurtosis that a few draws would outweigh all others."""
    return np.mean(_standardised(pooled) ** 4, axis=0) > _LARGEST_KURTOSIS  # type: ignore[no-any-return]


def _standardised(values: Pooled) -> Pooled:
    std = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(std > 0, std, 1.0)


class Standardised:
    """Pooled draws with mean 0 and standard deviation 1 in each column, and their whitening.

    heavy: columns of which normal scores of pooled ranks are taken for the values.
    """

    def __init__(
        self,
        pooled: Pooled,
        columns: tuple[str, ...],
        rng: np.random.Generator,
        heavy: Bool[np.ndarray, " column"],
    ):
        self.columns = columns
        values = pooled.copy()
        for i in np.flatnonzero(heavy):
            values[:, i] = normal_scores(pooled[:, i])
        self.z = _standardised(values)
        values, vectors = np.linalg.eigh(self.z.T @ self.z / len(self.z))
        kept = values > _SMALLEST_VARIANCE * values[-1]
        self.white = self.z @ (vectors[:, kept] / np.sqrt(values[kept]))
        self._rng = rng

    def families(self) -> Iterator[Family]:
        """The checks, each with its features."""
        yield Family(
            "location",
            self.columns,
            lambda: self.z,
            lambda size: f"a mean shift of {size:.2g} posterior std at one value",
            of_values=True,
        )
        yield Family(
            "spread",
            self.columns * 2,
            lambda: np.hstack([np.abs(self.z), self.z**2]),
            # The square of a standard normal has variance 2.
            lambda size: f"a std {100 * size * np.sqrt(2) / 2:.2g} % off at one value",
            of_values=True,
        )
        yield Family(
            "distribution",
            self._repeated(len(_LEVELS)),
            self._levels,
            # An indicator at the median has std 1/2.
            lambda size: (
                f"{100 * size / 2:.2g} % of one value's draws on the wrong side of its median"
            ),
        )
        yield Family(
            "tails",
            (*self._repeated(2 * len(_TAILS)), "all values"),
            self._tails,
            lambda size: (
                f"{100 * size * np.sqrt(_TAIL * (1 - _TAIL)):.2g} % too many or too few beyond a "
                f"{100 * _TAIL:g} % quantile of one value"
            ),
        )
        if len(self.columns) > 1:
            pairs = self._pairs()
            names = tuple(f"{self.columns[i]} and {self.columns[j]}" for i, j in pairs)
            yield Family(
                "pairs",
                names,
                lambda: self._products(pairs),
                lambda size: (
                    f"a correlation of two values {size:.2g} off where they are independent"
                ),
                of_values=True,
            )
            yield self._sliced()
            yield self._kernel()

    def _repeated(self, times: int) -> tuple[str, ...]:
        return tuple(column for column in self.columns for _ in range(times))

    def _levels(self) -> Features:
        return _below(self.z, np.quantile(self.z, _LEVELS, axis=0))

    def _tails(self) -> Features:
        shares = np.array([*_TAILS, *(1 - t for t in _TAILS)])
        far = np.sum(np.abs(self.z) > _FAR, axis=1, keepdims=True)
        return np.hstack([_below(self.z, np.quantile(self.z, shares, axis=0)), far])

    def _pairs(self) -> np.ndarray:
        """Pairs of columns [pair, 2]: all, or some at random where they are too many."""
        pairs = np.stack(np.triu_indices(len(self.columns), 1), axis=1)
        if len(pairs) <= _MOST_PAIRS:
            return pairs
        return pairs[np.sort(self._rng.choice(len(pairs), _MOST_PAIRS, replace=False))]

    def _products(self, pairs: np.ndarray) -> Features:
        return self.z[:, pairs[:, 0]] * self.z[:, pairs[:, 1]]

    def _sliced(self) -> Family:
        """Whitened coordinates and random directions among them: their laws and their squares."""
        rank = self.white.shape[1]
        random = self._rng.standard_normal((rank, _NUM_DIRECTIONS))
        directions = np.hstack([np.eye(rank), random / np.linalg.norm(random, axis=0)])
        names = [f"principal direction {rank - i}" for i in range(rank)]
        names += ["a random direction"] * _NUM_DIRECTIONS
        levels = _LEVELS[1::2]

        def make() -> Features:
            along = self.white @ directions
            return np.hstack([_below(along, np.quantile(along, levels, axis=0)), along, along**2])

        each = tuple(name for name in names for _ in levels)
        return Family(
            "projections",
            (*each, *names, *names),
            make,
            lambda size: f"a mean shift of {size:.2g} std along a principal direction",
            of_values=True,
        )

    def _kernel(self) -> Family:
        """Random Fourier features of Gaussian kernels of whitened draws (Rahimi, Recht 2007).

        Their squared differences add up to the maximum mean discrepancy (Gretton et al. 2012).
        """
        rank = self.white.shape[1]
        widths = [w * np.sqrt(2 * rank) for w in _KERNEL_WIDTHS]
        frequencies = np.hstack(
            [self._rng.standard_normal((rank, _NUM_FREQUENCIES)) / w for w in widths]
        )

        def make() -> Features:
            angles = (self.white @ frequencies).reshape(len(self.white), len(widths), -1)
            waves = np.concatenate([np.cos(angles), np.sin(angles)], axis=2)
            return waves.reshape(len(waves), -1)

        named = tuple(f"width {w:.2g}" for w in widths)
        return Family("joint law", named, make, groups=len(widths))


def _below(values: Pooled, thresholds: Float[np.ndarray, "level column"]) -> Features:
    """Indicators [draw, column · level] of values at or below thresholds of their column."""
    return (values[:, :, None] <= thresholds.T).reshape(len(values), -1).astype(np.float64)
