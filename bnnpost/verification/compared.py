"""A candidate beside a reference: the values that both have, and the draws that may be used."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from bnnpost.verification import pit
from bnnpost.verification.autocorrelation import autocorrelation_times, thinned
from bnnpost.verification.references import Reference
from bnnpost.verification.sets import TEST, TRAIN, Candidate, columns_of
from bnnpost.verification.unusable import check_unshared

# Fewer independent draws, or as good as such, say nothing.
_FEWEST = 50


@dataclass(frozen=True)
class Compared:
    """Values of a candidate and of a reference in the same columns, named as in reports.

    chains: the candidate's, whole; kept: those of its draws that are as good as independent.
    draws: the reference's; means, variances: of the Gaussians that these came from, or the draws
    themselves and 0 where those are not known (exact: by column, whether they are). times:
    autocorrelation times of the columns, and of their squares.
    """

    candidate: Candidate
    reference: Reference
    columns: tuple[str, ...]
    chains: Float[np.ndarray, "chain draw column"]
    kept: Float[np.ndarray, "kept column"]
    draws: Float[np.ndarray, "r column"]
    means: Float[np.ndarray, "r column"]
    variances: Float[np.ndarray, "r column"]
    times: Float[np.ndarray, " column2"]

    @functools.cached_property
    def distributions(self) -> list[pit.Distribution]:
        """The reference's distribution function of each column."""
        known = np.any(self.variances > 0, axis=0)
        return [
            pit.of_components(self.means[:, i], self.variances[:, i])
            if known[i]
            else pit.of_draws(self.draws[:, i])
            for i in range(len(self.columns))
        ]

    def pit(self) -> Float[np.ndarray, "kept column"]:
        """The reference's distribution functions at the candidate's independent draws."""
        columns = zip(self.distributions, self.kept.T, strict=True)
        return np.stack([distribution.at(values) for distribution, values in columns], axis=1)

    def in_words(self) -> str:
        """What the candidate is, and how many of its draws count."""
        chains, length, _ = self.chains.shape
        draws = f"{chains * length:,} draws" + (f" in {chains} chains" if chains > 1 else "")
        time = float(self.times.max())
        if time <= 1:
            return f"{self.candidate.source}: {draws}, taken for independent"
        return (
            f"{self.candidate.source}: {draws}, autocorrelation time {time:.3g}, "
            f"{len(self.kept):,} kept where independent ones are needed"
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
    chains = _side_by_side(candidate.values, names)
    draws = _side_by_side(reference.values, names)
    check_unshared(chains, draws)
    about = chains - draws.mean(axis=0)
    both = np.concatenate([about, about**2], axis=2)
    independent = candidate.independent
    times = np.ones(both.shape[2]) if independent else autocorrelation_times(both)
    kept = thinned(chains, float(np.max(times)))
    _require_enough(len(kept), chains, float(np.max(times)))
    known = {name: reference.components.get(name) for name in names}
    means = {n: reference.values[n] if c is None else c[0] for n, c in known.items()}
    none = np.zeros_like
    variances = {n: none(reference.values[n]) if c is None else c[1] for n, c in known.items()}
    return Compared(
        candidate,
        reference,
        tuple(columns_of({name: reference.shapes[name] for name in names})),
        chains,
        kept,
        draws,
        _side_by_side(means, names),
        _side_by_side(variances, names),
        times,
    )


def _side_by_side(values: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Sets of values [..., point, output] in columns [..., column]."""
    return np.concatenate(
        [values[name].reshape(*values[name].shape[:-2], -1) for name in names], axis=-1
    )


def _require_enough(count: int, chains: np.ndarray, time: float) -> None:
    if count >= _FEWEST:
        return
    given = chains.shape[0] * chains.shape[1]
    raise ValueError(
        f"{given:,} draws of autocorrelation time {time:.3g} leave {count} that are as good as "
        f"independent: expected at least {_FEWEST} for any statement. Run the sampler longer"
    )
