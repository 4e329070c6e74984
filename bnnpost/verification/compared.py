"""A candidate beside a reference: the values that both have, and the draws that may be used."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from bnnpost.verification import pit, repeats, scores
from bnnpost.verification.autocorrelation import (
    NEAR,
    autocorrelation_times,
    thinned_chains,
    thinned_time,
)
from bnnpost.verification.features import heavy_tailed
from bnnpost.verification.references import Reference
from bnnpost.verification.scores import Scores
from bnnpost.verification.sets import TEST, TRAIN, Candidate, columns_of, side_by_side, some
from bnnpost.verification.unusable import check_moving, check_unrepeated, check_unshared

# Fewer independent draws, or as good as such, say nothing.
_FEWEST = 50
# What cannot be seen at the inputs of the other kind alone.
_BLIND = {
    TRAIN: "no values at the training inputs were given (f_train): an error of the likelihood, as "
    "of its noise, can hide",
    TEST: "no values at test inputs were given (f): an error of the prior can hide, since at the "
    "training inputs the data may outweigh it",
}
# A value that this part of the reference's draws have is an atom that a report speaks of.
_ATOM = 0.01


@dataclass(frozen=True)
class Compared:
    """Values of a candidate and of a reference in the same columns, named as in reports.

    chains: the candidate's, whole; kept: those of its draws that are nearly independent, with
    kept_time their autocorrelation time.
    draws: the reference's; means, variances: of what each is from (itself and 0 where that is not
    known); laws: its distribution functions, by column. scores: normal scores
    of both. times: autocorrelation times of the scores, and of their squares. left_out: columns in
    which all draws of both are one number.
    """

    candidate: Candidate
    reference: Reference
    columns: tuple[str, ...]
    chains: Float[np.ndarray, "chain draw column"]
    kept: Float[np.ndarray, "kept column"]
    kept_time: float
    draws: Float[np.ndarray, "r column"]
    means: Float[np.ndarray, "r column"]
    variances: Float[np.ndarray, "r column"]
    laws: tuple[pit.Distribution, ...]
    scores: Scores
    times: Float[np.ndarray, " column2"]
    left_out: tuple[str, ...] = ()

    @functools.cached_property
    def heavy(self) -> Bool[np.ndarray, " column"]:
        """Which columns have heavy tails: by the draws of both together, as permutations need."""
        return heavy_tailed(np.concatenate([self.kept, self.draws]))

    @functools.cached_property
    def copies(self) -> Float[np.ndarray, " r"]:
        """How often each of the reference's draws is there."""
        return repeats.copies(self.reference.rows)

    @functools.cached_property
    def num_reference(self) -> float:
        """How many independent draws the reference's are worth."""
        return repeats.worth(self.copies)

    def pit(self) -> Float[np.ndarray, "kept column"]:
        """The reference's distribution functions at the draws that are kept."""
        return thinned_chains(self.scores.uniforms, float(self.times.max()), NEAR)

    @property
    def num_kept(self) -> float:
        """How many independent draws those that are kept are worth."""
        return len(self.kept) / self.kept_time

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not compared, or in another way than usual, and why: what can hide first."""
        names = np.array(self.columns)
        heavy = some(names[self.heavy].tolist())
        atoms = some(names[[law.largest_atom > _ATOM for law in self.laws]].tolist())
        notes = {
            f"not compared, since all draws of both are equal there: {some(self.left_out)}": (
                self.left_out
            ),
            f"heavy tails at {heavy}, where a few draws would outweigh all others: checks by "
            "permutation compare normal scores of the ranks there, not the values": heavy,
            f"many draws are equal at {atoms}: ties are parted at random for PIT, means and "
            "variances": atoms,
        }
        blind = (_BLIND[name] for name in (TRAIN, TEST) if name not in self._sets())
        return (*blind, *(note for note, applies in notes.items() if applies))

    def _sets(self) -> set[str]:
        """Of "f" and "f_train", those that were compared."""
        return set(self.candidate.values) & set(self.reference.values)

    def in_words(self) -> str:
        """What the candidate is, and how many of its draws count."""
        chains, length, _ = self.chains.shape
        draws = f"{chains * length:,} draws" + (f" in {chains} chains" if chains > 1 else "")
        time = float(self.times.max())
        if time <= 1:
            return f"{self.candidate.source}: {draws}, taken for independent"
        return (
            f"{self.candidate.source}: {draws}, autocorrelation time {time:.3g}, "
            f"worth {self.num_kept:,.0f} where independent ones are needed"
        )


def compared(candidate: Candidate, reference: Reference) -> Compared:
    """Raises ValueError for draws that nothing can be said of."""
    names = [name for name in (TEST, TRAIN) if {name} <= candidate.values.keys() & reference.values]
    if not names:
        raise ValueError(
            f"the candidate has values {' and '.join(candidate.values)}, the reference "
            f"{' and '.join(reference.values)}: expected some in common (f: at the test inputs, "
            "f_train: at the training inputs)"
        )
    columns = tuple(columns_of({name: reference.shapes[name] for name in names}))
    chains = side_by_side(candidate.values, names)
    draws = side_by_side(reference.values, names)
    check_moving(chains, columns, draws)
    different = draws[np.unique(reference.rows, return_index=True)[1]]
    check_unrepeated(chains, candidate.independent, different)
    check_unshared(chains, different)
    means, variances = (side_by_side(each, names) for each in _components(reference, names))
    changing = _changing(chains, draws, columns)
    chains, draws, means, variances = (
        values[..., changing] for values in (chains, draws, means, variances)
    )
    laws = scores.distributions(draws, means, variances)
    both = scores.of_both(laws, chains, draws, means, variances, reference.rows)
    moving = np.concatenate([both.middles, both.middles**2], axis=2)
    times = np.ones(moving.shape[2]) if candidate.independent else autocorrelation_times(moving)
    time = float(np.max(times))
    kept, kept_time = thinned_chains(chains, time, NEAR), thinned_time(moving, time, NEAR)
    _require_enough(int(len(kept) / kept_time), chains, time)
    return Compared(
        candidate,
        reference,
        tuple(np.array(columns)[changing].tolist()),
        chains,
        kept,
        kept_time,
        draws,
        means,
        variances,
        tuple(laws),
        both,
        times,
        tuple(np.array(columns)[~changing].tolist()),
    )


def _components(
    reference: Reference, names: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Means and variances of what draws are from: themselves and 0 where that is not known."""
    means, variances = {}, {}
    for name in names:
        values = reference.values[name]
        known = (values, np.zeros_like(values))
        means[name], variances[name] = reference.components.get(name, known)
    return means, variances


def _changing(
    chains: np.ndarray, draws: np.ndarray, columns: Sequence[str]
) -> Bool[np.ndarray, " column"]:
    """Which columns are not one and the same number in all draws of both."""
    changing = (np.ptp(draws, axis=0) > 0) | np.any(chains != draws[0], axis=(0, 1))
    if not np.any(changing):
        raise ValueError(
            f"every value is the same in all draws of candidate and reference, the first "
            f"{columns[0]} = {draws[0, 0]:g}: there is nothing to compare. Give other inputs"
        )
    return changing  # type: ignore[no-any-return]


def _require_enough(count: int, chains: np.ndarray, time: float) -> None:
    if count >= _FEWEST:
        return
    given = chains.shape[0] * chains.shape[1]
    raise ValueError(
        f"{given:,} draws of autocorrelation time {time:.3g} leave {count} that are as good as "
        f"independent: expected at least {_FEWEST} for any statement. Run the sampler longer"
    )
