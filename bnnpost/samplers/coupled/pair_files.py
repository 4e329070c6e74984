"""Pairs of chains on disk: a file for every few seconds of them, each pair by its number."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bnnpost.samplers.coupled.pairs import PairOutcome
from bnnpost.samplers.recorded_run import BLOCKS
from bnnpost.storage import PartFiles, Say

PAIRS_FORMAT = "bnnpost coupled 1"
# Before the names of the arrays of what X was.
_GIVEN = "given_"
_NUMBERS = ("meeting", "acceptance", "evaluations")


class KeptPairs(NamedTuple):
    """Pairs by number, which took so many seconds; made_with: what computed them."""

    outcomes: Mapping[int, PairOutcome]
    seconds: float
    made_with: dict[str, Any]


class PairFiles:
    """The files of one run of pairs.

    run: the digest of what is sampled, which every file carries. say: is told of damaged
    files. check: raises if this run must not be written to.
    """

    def __init__(self, folder: Path, run: str, *, say: Say, check: Callable[[], None]):
        self._parts = PartFiles(folder / BLOCKS, "{:015d}.npz", PAIRS_FORMAT, run, say, check)

    def write(self, kept: KeptPairs) -> None:
        """Write pairs, under the number of the first. Raises OSError if that cannot be done."""
        outcomes = list(kept.outcomes.values())
        arrays = {"number": np.array(list(kept.outcomes), np.int64)}
        arrays |= {name: np.stack([getattr(one, name) for one in outcomes]) for name in _NUMBERS}
        for name in outcomes[0].given:
            arrays[_GIVEN + name] = np.stack([np.asarray(one.given[name]) for one in outcomes])
        number = min(kept.outcomes)
        self._parts.write(number, arrays, seconds=kept.seconds, made_with=kept.made_with)

    def read(self, count: int) -> Iterator[KeptPairs]:
        """What files have of the pairs before this number; damaged ones are set aside."""
        for number in self._parts.numbers():
            if number < count and (kept := self._parts.read(number, _parsed)) is not None:
                yield kept


def _parsed(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> KeptPairs:
    numbers = arrays["number"]
    given: Any = {n.removeprefix(_GIVEN): a for n, a in arrays.items() if n.startswith(_GIVEN)}
    if not given or any(len(array) != len(numbers) for array in arrays.values()):
        raise ValueError("its arrays are not of as many pairs as it has numbers")
    alive: Any = np.asarray(True)  # a pair without a start is not kept
    outcomes = {
        int(number): PairOutcome(
            given={name: array[i] for name, array in given.items()},
            alive=alive,
            **{name: arrays[name][i] for name in _NUMBERS},
        )
        for i, number in enumerate(numbers)
    }
    return KeptPairs(outcomes, float(record["seconds"]), dict(record["made_with"]))
