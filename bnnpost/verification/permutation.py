"""Two sets of independent draws compared by permutation, all checks by the same permutations.

Exact whatever the law: if both sets are from one law, every way of parting their union is as
likely as the one that came. Checks are corrected for one another by the least p-value of each
permutation (Westfall and Young 1993), which takes their dependence into account.

Where the reference's law is itself some total variation ε from the posterior, the expectation of a
feature differs by at most ε times its range: so much is taken off each observed difference.

Draws that depend on each other, as a chain's do, or that are there more than once, make a
difference vary more than permutations do. Each observed one is divided by how much more.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from bnnpost.verification.features import Family, Features, Standardised, heavy_tailed
from bnnpost.verification.pit import ONE_IN_TEN

# Permutations: so many that the least p-value of one check, corrected for all, is below the level;
# but at most as many as are made in a minute.
_TIMES, _FEWEST, _MOST = 10, 1999, 19_999
# Rows of permutations that are multiplied at once.
_ROWS = 64


@dataclass(frozen=True)
class Tested:
    """One check: its statistic, where it is largest, and p-values before and after correction.

    found: standard errors of a feature's difference that would be found nine times in ten at
    the level asked for; NaN where features are added up.
    """

    family: Family
    statistic: float
    where: str
    p_value: float
    corrected: float
    found: float


def all_tests(
    candidate: Float[np.ndarray, "c column"],
    reference: Float[np.ndarray, "r column"],
    columns: tuple[str, ...],
    level: float,
    rng: np.random.Generator,
    heavy: Bool[np.ndarray, " column"] | None = None,
    distance: float = 0.0,
    time: float = 1.0,
    copies: Float[np.ndarray, " r"] | None = None,
) -> list[Tested]:
    """Every check of independent draws against a reference's; p-values corrected for all.

    heavy: columns with heavy tails, by a rule in which the two sets are alike; by default that
    of `heavy_tailed` for these draws. distance: how far, in total variation, the reference's law
    may be from the posterior. time: autocorrelation time of the candidate's draws, an upper
    one of all features. copies: how often each draw of the reference is there.
    """
    pooled = np.concatenate([candidate, reference])
    heavy = heavy_tailed(pooled) if heavy is None else heavy
    chosen = _partitions(len(candidate), len(pooled), num_permutations(level), rng)
    families = list(Standardised(pooled, columns, rng, heavy).families())
    copies = np.ones(len(reference)) if copies is None else copies
    known = _Known(distance, time, copies)
    found = [_statistics(family, chosen, known) for family in families]
    return corrected(families, found, level)


def num_permutations(level: float) -> int:
    """How many a test at this level takes."""
    return min(max(math.ceil(_TIMES / level) - 1, _FEWEST), _MOST)


def _partitions(
    size: int, total: int, count: int, rng: np.random.Generator
) -> Bool[np.ndarray, "b n"]:
    """Which rows are the candidate's: as they are in the first row, at random in the others."""
    chosen = np.zeros((1 + count, total), bool)
    chosen[0, :size] = True
    for row in chosen[1:]:
        row[rng.choice(total, size, replace=False, shuffle=False)] = True
    return chosen


@dataclass(frozen=True)
class Extremes:
    """Of one check, for each partition; where it is largest for the first, and what that lost."""

    values: Float[np.ndarray, " b"]
    where: str
    lost: float


@dataclass(frozen=True)
class _Known:
    """What makes an observed difference unlike those of permutations: see `all_tests`."""

    distance: float
    time: float
    copies: Float[np.ndarray, " r"]

    def excess(self, scaled: Float[np.ndarray, "n feature"]) -> Float[np.ndarray, " feature"]:
        """Standard errors of a feature's difference over those that permutations give it."""
        num_reference = len(self.copies)
        ends = [len(scaled) - num_reference, num_reference]
        squares = scaled[ends[0] :] ** 2
        total = np.maximum(squares.sum(axis=0), np.finfo(np.float32).tiny)
        repeated = self.copies.astype(np.float32) @ squares / total
        variance = (self.time / ends[0] + repeated / ends[1]) / (1 / ends[0] + 1 / ends[1])
        return np.sqrt(np.maximum(variance, 1.0))  # type: ignore[no-any-return]


def _statistics(family: Family, chosen: Bool[np.ndarray, "b n"], known: _Known) -> Extremes:
    features = family.make()
    size, total = int(chosen[0].sum()), len(features)
    centred = features - features.mean(axis=0)
    std = centred.std(axis=0)
    # A feature that is the same for all draws differs nowhere.
    scaled = (centred / np.where(std > 0, std, np.inf)).astype(np.float32)
    sums = np.concatenate(
        [chosen[i : i + _ROWS].astype(np.float32) @ scaled for i in range(0, len(chosen), _ROWS)]
    )
    # The sum over one part has this variance over all partitions.
    variance = size * (total - size) / (total - 1)
    z = np.abs(sums) / np.sqrt(variance)
    # A difference of means is so many of its standard errors.
    root = known.distance * math.sqrt(size * (total - size) / total)
    excess = known.excess(scaled)
    if not family.groups:
        lost = root * np.ptp(scaled, axis=0) / excess
        z[0] = np.maximum(z[0] / excess - lost, 0.0)
        return Extremes(z.max(axis=1), family.names[int(np.argmax(z[0]))], float(np.max(lost)))
    weights = std.reshape(family.groups, -1)
    z[0] /= excess
    norms = np.linalg.norm(z.reshape(len(z), family.groups, -1) * weights, axis=2)
    norms[0] = np.maximum(norms[0] - root * _widths(features, family.groups), 0.0)
    discrepancies = norms**2
    # Each kernel's by its own mean and spread over the partitions.
    spread = np.maximum(discrepancies.std(axis=0), np.finfo(float).tiny)
    levelled = (discrepancies - discrepancies.mean(axis=0)) / spread
    return Extremes(levelled.max(axis=1), family.names[int(np.argmax(levelled[0]))], 0.0)


def _widths(features: Features, groups: int) -> Float[np.ndarray, " group"]:
    """A distance that no two draws' features in a group exceed: twice the largest norm."""
    norms = np.linalg.norm(features.reshape(len(features), groups, -1), axis=2)
    return 2 * norms.max(axis=0)  # type: ignore[no-any-return]


def corrected(families: list[Family], found: list[Extremes], level: float) -> list[Tested]:
    own = _ranks(np.array([one.values for one in found]))
    least = own.min(axis=0)
    # The p-value of one check at which the correction comes to the level.
    allowed = np.quantile(least, level, method="lower")
    tested = []
    for family, one, p in zip(families, found, own, strict=True):
        adjusted = np.mean(least <= p[0])
        critical = np.min(one.values[p <= allowed], initial=np.inf)
        smallest = np.nan if family.groups else critical + ONE_IN_TEN + one.lost
        statistic, p_value = float(one.values[0]), float(p[0])
        tested.append(Tested(family, statistic, one.where, p_value, float(adjusted), smallest))
    return tested


def _ranks(statistics: Float[np.ndarray, "f b"]) -> Float[np.ndarray, "f b"]:
    """The part of partitions, itself included, whose statistic is as large."""
    count = statistics.shape[1]
    sorted_values = np.sort(statistics, axis=1)
    return np.array(
        [
            (count - np.searchsorted(ordered, values, side="left")) / count
            for ordered, values in zip(sorted_values, statistics, strict=True)
        ]
    )
