"""What no statistic can be taken of: values that are not finite, constants, repeats."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from bnnpost.verification.sets import Values, columns_of

# A chain that has never moved in so many draws is taken for stuck: with half of the proposals
# accepted, one in 500 right chains.
_FEWEST_TO_BE_STUCK = 10
_MOST_REPEATS = 0.01
# Of the mantissa, beyond which a difference is taken for rounding.
_BITS = 33
_ELSEWHERE = "repeat others that are not next to them"


def check_usable(values: Mapping[str, Values]) -> None:
    """Raise ValueError for values that cannot be verified, saying which.

    Of none or of different numbers of draws, or not finite.
    """
    _check_counts(values)
    for name, array in values.items():
        names = list(columns_of({name: (array.shape[2], array.shape[3])}))
        flat = array.reshape(*array.shape[:2], -1)
        _check_finite(flat, names)


def _check_counts(values: Mapping[str, Values]) -> None:
    counts = {name: array.shape[:2] for name, array in values.items()}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} {chains} × {draws}" for name, (chains, draws) in counts.items())
        raise ValueError(
            "expected the values at test and training inputs to be of the same draws, got as "
            f"chains × draws {found}"
        )
    if not all(chains * draws for chains, draws in counts.values()):
        raise ValueError("there are no draws: expected at least some to look at")


def _check_finite(flat: np.ndarray, names: list[str]) -> None:
    wrong = ~np.isfinite(flat)
    if np.any(wrong):
        chain, draw, column = (int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"{np.count_nonzero(wrong):,} of {wrong.size:,} values are NaN or infinite, the first "
            f"{names[column]} = {flat[chain, draw, column]} in draw {draw} of chain {chain} "
            "(counted from 0): a sampler that gives them has gone wrong there, and leaving these "
            "draws out would change what it samples"
        )


def check_moving(
    flat: Float[np.ndarray, "chain draw column"],
    names: Sequence[str],
    right: Float[np.ndarray, "r column"] | None = None,
) -> None:
    """Raise ValueError for a value that is the same in all draws, or in all of one chain.

    right: draws of the reference; a value at which these have an atom may be met by all draws,
    which is for the checks to judge.
    """
    num_chains, length, width = flat.shape
    atoms = np.full((num_chains, width), False)
    if right is not None:
        atoms = np.stack([np.any(right == chain[0], axis=0) for chain in flat])
    if num_chains * length > 1:
        still = (np.ptp(flat, axis=(0, 1)) == 0) & ~atoms[0]
        if np.any(still):
            column = int(np.flatnonzero(still)[0])
            raise ValueError(
                f"{np.count_nonzero(still)} of {still.size} values are the same in all draws, the "
                f"first {names[column]} = {flat[0, 0, column]:g}: these are not draws; if every "
                "network has this value there, leave that input out"
            )
    if length >= _FEWEST_TO_BE_STUCK:
        stuck = (np.ptp(flat, axis=1) == 0) & ~atoms
        if np.any(stuck):
            chain, column = (int(i) for i in np.argwhere(stuck)[0])
            raise ValueError(
                f"chain {chain} (counted from 0) has {names[column]} = "
                f"{flat[chain, 0, column]:g} in all of its {length} draws: it is stuck; run it "
                "again, and do not leave it out because it looks wrong"
            )


def check_unrepeated(
    flat: Float[np.ndarray, "chain draw column"],
    independent: bool,
    right: Float[np.ndarray, "r column"] | None = None,
) -> None:
    """Raise ValueError if draws are copies of others, other than one after another in a chain.

    independent: then these too. One in a hundred may be: a few are equal by chance in single
    precision. right: draws of the reference; what these repeat too, the law repeats (an atom).
    """
    rows = as_rows(flat.reshape(-1, flat.shape[2]))
    new = np.concatenate([[True], rows[1:] != rows[:-1]])
    visits = rows if independent else rows[new]
    looked_at = visits if right is None else _without_atoms(visits, right)
    repeats = len(looked_at) - len(np.unique(looked_at))
    if repeats > _MOST_REPEATS * len(visits):
        raise ValueError(
            f"{repeats:,} of {len(rows):,} draws "
            f"{'that are said to be independent repeat others' if independent else _ELSEWHERE}: "
            "resampled draws and copies are not independent; give the draws themselves"
        )


def check_unshared(
    flat: Float[np.ndarray, "chain draw column"], right: Float[np.ndarray, "r column"]
) -> None:
    """Raise ValueError if draws are the reference's own: p-values would mean nothing.

    But for rounding, since one draw's values by two programs may differ by that.
    """
    flat, right = _rounded(flat), _rounded(right)
    rows = np.unique(as_rows(flat.reshape(-1, flat.shape[2])))
    shared = int(np.isin(_without_atoms(rows, right), as_rows(right)).sum())
    if shared > _MOST_REPEATS * len(rows):
        raise ValueError(
            f"{shared:,} of the candidate's draws are the reference's too: expected independent "
            "ones (draw the reference with another key)"
        )


def _without_atoms(rows: np.ndarray, right: Float[np.ndarray, "r column"]) -> np.ndarray:
    """Draws but for those that the reference, whose draws are independent, repeats itself.

    None of them where it repeats more of these than chance would: all of its values are atoms.
    """
    distinct, counts = np.unique(as_rows(right), return_counts=True)
    if np.count_nonzero(counts > 1) > _MOST_REPEATS * len(distinct):
        return rows[:0]
    return rows[~np.isin(rows, distinct[counts > 1])]


def _rounded(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """To ten digits."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.rint(np.ldexp(mantissa, _BITS)), exponent - _BITS)  # type: ignore[no-any-return]


def as_rows(values: Float[np.ndarray, "draw column"]) -> np.ndarray:
    """Each draw as one item that can be compared and sorted."""
    flat = np.ascontiguousarray(values) + 0.0  # −0 is 0
    return flat.view([("", flat.dtype)] * flat.shape[1]).ravel()
