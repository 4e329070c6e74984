"""Weighted draws made equally weighted by repeating a few of them, and what repeats cost.

A draw is kept as often as its weight over a threshold says: systematic resampling, with a
threshold instead of a size. Of capped draws, whose weights are 1 but for a few, nearly all are kept
once and some twice, where rejection by the largest weight would drop half of them for the sake of
these few. Repeats are one draw all the same: a mean over rows of which draw j has M_j has the
variance Σ M_j² (φ_j − φ̄)² / (Σ M_j)², and every check of a reference counts them so.
"""

import math

import numpy as np
from jaxtyping import Float, Int

# As often as a draw may be repeated: where weights differ more, lighter ones are thinned.
MOST_COPIES = 3


def repeated_draws(
    log_weights: Float[np.ndarray, " draw"], rng: np.random.Generator
) -> Int[np.ndarray, " row"]:
    """Places of draws, in order: each as often as its weight says, on average, at most thrice.

    Of equal weights every draw once. Raises ValueError where weights are not numbers.
    """
    largest = float(np.max(log_weights, initial=-np.inf))
    if not math.isfinite(largest):  # NaN too; -inf, a draw of weight 0, may be
        raise ValueError(f"expected finite log weights, the largest is {largest}")
    weights = np.exp(log_weights - largest)
    threshold = max(float(weights.min()), 1 / MOST_COPIES)
    ends = np.floor(np.cumsum(weights / threshold) + rng.random())
    return np.repeat(np.arange(len(weights)), np.diff(ends, prepend=0.0).astype(int))


def copies(origins: Int[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    """Of each row, how many rows are of its draw. origins: which draw each row is."""
    return np.bincount(origins)[origins].astype(np.float64)  # type: ignore[no-any-return]


def worth(copies: Float[np.ndarray, " row"]) -> float:
    """How many independent draws tell as much of a mean (Kish 1965): (Σ M_j)² / Σ M_j²."""
    return len(copies) / float(copies.mean())


def mean_error(
    values: Float[np.ndarray, "row *q"], copies: Float[np.ndarray, " row"]
) -> Float[np.ndarray, " *q"]:
    """Standard errors of means over rows."""
    squares = (values - values.mean(axis=0)) ** 2
    return np.sqrt(copies @ squares) / len(values)  # type: ignore[no-any-return]
