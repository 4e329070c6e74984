"""Pairs of values, before and after a transition, compared by flips of the sign of what changed.

If the transition is reversible and the first value from the law that it leaves invariant, either
of a pair may as well have come first: every choice of pairs to be turned round is then as likely as
the one that came, and the test is exact. If it only leaves the law invariant the mean change is
zero, and the test, whose sums are over their own size, is right to the accuracy of a central limit
theorem over pairs.
"""

import numpy as np
from jaxtyping import Float

from bnnpost.verification.features import Family, Standardised, heavy_tailed
from bnnpost.verification.permutation import Extremes, Tested, corrected, num_permutations

# Rows of signs that are multiplied at once.
_ROWS = 256

Signs = Float[np.ndarray, "b pair"]


def paired_tests(
    before: Float[np.ndarray, "pair column"],
    after: Float[np.ndarray, "pair column"],
    columns: tuple[str, ...],
    level: float,
    rng: np.random.Generator,
    distance: float = 0.0,
) -> list[Tested]:
    """Every check of independent pairs; p-values corrected for all of them.

    distance: how far, in total variation, the law of the first value may be from the invariant
    one; that of the second is then no further.
    """
    pooled = np.concatenate([before, after])
    signs = _signs(len(before), num_permutations(level), rng)
    families = Standardised(pooled, columns, rng, heavy_tailed(pooled)).families()
    made = list(families)
    return corrected(made, [_statistics(family, signs, distance) for family in made], level)


def mean_changes(
    before: Float[np.ndarray, "pair column"], after: Float[np.ndarray, "pair column"]
) -> tuple[Float[np.ndarray, " column"], Float[np.ndarray, " column"]]:
    """Of each column, in standard deviations of it, and its standard error."""
    std = np.concatenate([before, after]).std(axis=0)
    change = (after - before) / np.where(std > 0, std, np.inf)
    return change.mean(axis=0), change.std(axis=0) / np.sqrt(len(change))


def _signs(size: int, count: int, rng: np.random.Generator) -> Signs:
    """As they are in the first row, at random in the others."""
    flips = rng.integers(0, 2, (1 + count, size), np.int8)
    flips[0] = 1
    return (2 * flips - 1).astype(np.float32)


def _statistics(family: Family, signs: Signs, distance: float) -> Extremes:
    features = family.make()
    size = signs.shape[1]
    change = features[size:] - features[:size]
    length = np.linalg.norm(change, axis=0)
    # What no pair changes differs nowhere.
    scale = np.where(length > 0, length, np.inf)
    scaled = (change / scale).astype(np.float32)
    z = np.abs(np.concatenate([signs[i : i + _ROWS] @ scaled for i in range(0, len(signs), _ROWS)]))
    # Both means differ from the invariant one's by at most so much of the range.
    lost = 2 * distance * size * np.ptp(features, axis=0) / scale
    z[0] = np.maximum(z[0] - lost, 0.0)
    if not family.groups:
        return Extremes(z.max(axis=1), family.names[int(np.argmax(z[0]))], float(np.max(lost)))
    weights = length.reshape(family.groups, -1)
    discrepancies = np.sum((z.reshape(len(z), family.groups, -1) * weights) ** 2, axis=2)
    spread = np.maximum(discrepancies.std(axis=0), np.finfo(float).tiny)
    levelled = (discrepancies - discrepancies.mean(axis=0)) / spread
    return Extremes(levelled.max(axis=1), family.names[int(np.argmax(levelled[0]))], 0.0)
