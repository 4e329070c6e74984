"""Normal scores: draws as standard normals, by the reference's own distribution function.

A right candidate's scores are standard normals, whatever the law of its values: heavy tails, of
which means and variances do not exist, and atoms, at which scores are spread at random over the
jump. So what is known of the means and variances of normal draws holds for every posterior.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri

from bnnpost.verification import pit
from bnnpost.verification.repeats import copies

# Ties are parted by random numbers that depend on nothing else.
_TIES = 0x74696573


@dataclass(frozen=True)
class Scores:
    """Of the draws of one candidate and of its reference, columns as in `Compared`.

    uniforms: the reference's distribution functions at the candidate's draws, ties parted at
    random; chains: their normal scores; middles: the same with ties in the middle of their jump,
    for how fast a chain moves; draws: of the reference. means, squares: of scores and of their
    squares, over each component that the reference's draws are from (or the draw alone). copies:
    how often each of these is there.
    """

    uniforms: Float[np.ndarray, "chain draw column"]
    chains: Float[np.ndarray, "chain draw column"]
    middles: Float[np.ndarray, "chain draw column"]
    draws: Float[np.ndarray, "r column"]
    means: Float[np.ndarray, "k column"]
    squares: Float[np.ndarray, "k column"]
    copies: Float[np.ndarray, " k"]


def distributions(
    draws: Float[np.ndarray, "r column"],
    means: Float[np.ndarray, "r column"],
    variances: Float[np.ndarray, "r column"],
) -> list[pit.Distribution]:
    """The reference's distribution function of each column; of its components where known."""
    known = np.any(variances > 0, axis=0)
    return [
        pit.mixture_law(means[:, i], variances[:, i])
        if known[i]
        else pit.empirical_law(draws[:, i])
        for i in range(draws.shape[1])
    ]


def of_both(
    laws: Sequence[pit.Distribution],
    chains: Float[np.ndarray, "chain draw column"],
    draws: Float[np.ndarray, "r column"],
    means: Float[np.ndarray, "r column"],
    variances: Float[np.ndarray, "r column"],
    rows: Int[np.ndarray, " r"],
) -> Scores:
    """Scores of a candidate's chains and of the reference that has these laws.

    rows: which draw each of the reference's is.
    """
    rng, count = np.random.default_rng(_TIES), len(draws)
    uniforms = _each(laws, chains, rng.random(chains.shape))
    own = normal(_each(laws, draws, rng.random(draws.shape)), count)
    middles = normal(_each(laws, chains, np.full(chains.shape, 0.5)), count)
    scores = normal(uniforms, count)
    if not np.any(variances > 0):
        return Scores(uniforms, scores, middles, own, own, own**2, copies(rows))
    few = pit.used(count)
    columns = zip(laws, means[few].T, variances[few].T, strict=True)
    found = [_of_components(*column, count) for column in columns]
    known = np.any(variances > 0, axis=0)
    first, second = (np.stack(each, axis=1) for each in zip(*found, strict=True))
    first, second = np.where(known, first, own[few]), np.where(known, second, own[few] ** 2)
    return Scores(uniforms, scores, middles, own, first, second, copies(rows[few]))


def normal(uniforms: np.ndarray, count: int) -> np.ndarray:
    """Normal scores; beyond the outermost of so many draws of the reference those of these."""
    return ndtri(np.clip(uniforms, 0.5 / count, 1 - 0.5 / count))  # type: ignore[no-any-return]


def mean_square(count: int) -> float:
    """Of the scores of a right candidate, with a reference of so many draws: just below 1."""
    return float(np.mean(normal((np.arange(count) + 0.5) / count, count) ** 2))


def _each(laws: Sequence[pit.Distribution], values: np.ndarray, parts: np.ndarray) -> np.ndarray:
    columns = [law.at(values[..., i], parts[..., i]) for i, law in enumerate(laws)]
    return np.stack(columns, axis=-1)


def _of_components(
    law: pit.Distribution, means: np.ndarray, variances: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    scores = normal(law.at(pit.in_parts(means, variances), pit.PARTS), count)
    return scores.mean(axis=1), np.mean(scores**2, axis=1)


def normal_scores(values: Float[np.ndarray, " draw"]) -> Float[np.ndarray, " draw"]:
    """Of the ranks of one quantity's values among each other; equal values have the same."""
    from scipy.stats import rankdata  # slow to import

    return ndtri((rankdata(values) - 0.5) / len(values))  # type: ignore[no-any-return]
