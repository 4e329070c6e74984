"""A run of pairs of chains in a directory: gone on with after any end, to the draws of one call.

blocks/ has the pairs that are done, a file for every few seconds of them, each pair by its number.
What the pilot found is in the record, and is not found again.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from bnnpost.draws import Draws
from bnnpost.runs.part_files import Arrays
from bnnpost.runs.store import BLOCKS, Clock, Run, made_with
from bnnpost.samplers.coupled.pair_draws import Pairing, PairProgress
from bnnpost.samplers.coupled.pairs import PairOutcome
from bnnpost.storage import STATUS, read_record

# Of a file's number, in its name.
_DIGITS = 15
# How well numbers of a pair that is run once more must agree.
_SAME = 1e-6
# Before the names of the arrays of what X was.
_GIVEN = "given_"
_NUMBERS = ("meeting", "acceptance", "evaluations")


class KeptPairs(NamedTuple):
    """Pairs by number, which took so many seconds; made_with: what computed them."""

    outcomes: Mapping[int, PairOutcome]
    seconds: float
    made_with: dict[str, Any]


class StoredPairs:
    """Pairs of one run, on disk and run as far as they are missing."""

    def __init__(self, run: Run[Pairing]):
        self.run, self.pairing = run, run.prepared
        self._parts = run.parts(BLOCKS, Pairing.FORMAT, _DIGITS)

    def finish(
        self, num_samples: int, tolerance: float, *, started: float, progress: bool = False
    ) -> Draws:
        """The draws of so many pairs, run as far as they are missing, and written.

        started: `time.perf_counter()` when this call began.
        """
        with self.run.noting_failure():
            outcomes, before = self._outcomes(num_samples, progress)
            draws = self.pairing.draws(outcomes, tolerance, started=started, before=before)
            info = draws.info
            self.run.keep(
                draws,
                "done" if info.complete else "exhausted",
                "pairs",
                num_samples=num_samples,
                num_pairs=self._num_told(num_samples),
            )
            if info.coupled is not None:
                self.run.log(info.coupled.summary())
        return draws

    def _outcomes(self, count: int, progress: bool) -> tuple[list[PairOutcome], float]:
        """All pairs, in order, and seconds of earlier calls, which those of the pilot are among."""
        parts, is_new = list(self.read(count)), self.run.is_new
        held = {n: pair for part in parts for n, pair in part.outcomes.items() if n < count}
        missing = [number for number in range(count) if number not in held]
        before = sum(part.seconds for part in parts)
        before += 0.0 if is_new else self.pairing.setting.pilot_seconds
        self.run.log("begun" if is_new else f"gone on with, from {len(held)} pairs")
        self._say_of_gaps(missing, 1 + max(held, default=-1), count)
        if held and (missing or self.run.holds_code()):
            self._check_code(parts)
        if missing:
            self._compute(missing, held, count, progress)
        return [held[number] for number in range(count)], before

    def _say_of_gaps(self, missing: Iterable[int], end: int, count: int) -> None:
        """Say which pairs should be there and are not."""
        told = min(count, max(end, self._num_told()))
        gone = [number for number in missing if number < told]
        if gone:
            self.run.say(
                f"{len(gone):,} pairs, of numbers {gone[0]} to {gone[-1]}, are missing: run again"
            )

    def _num_told(self, least: int = 0) -> int:
        """Pairs that are there by the last status, or so many."""
        try:
            told = read_record(self.run.path / STATUS).get("num_pairs", 0)
        except (OSError, ValueError):  # none, or damaged
            return least
        return max(told, least) if isinstance(told, int) else least

    def _compute(
        self, missing: list[int], held: dict[int, PairOutcome], count: int, progress: bool
    ) -> None:
        """Run what is missing; written every few seconds, and at the end, whatever end it is."""
        fresh: dict[int, PairOutcome] = {}
        clock, written_with = Clock(), made_with()

        def write() -> None:
            self.write(KeptPairs(fresh, clock.written(), written_with))
            held.update(fresh)
            fresh.clear()
            self.run.set_status("running", num_pairs=self._num_told(_leading(held)))

        with PairProgress(count, enabled=progress, done=held.values()) as bar:
            try:
                for number, pair in zip(missing, self.pairing.run(missing), strict=True):
                    fresh[number] = pair
                    bar.count(pair)
                    if clock.is_due():
                        write()
            finally:
                if fresh:
                    write()

    def _check_code(self, parts: list[KeptPairs]) -> None:
        """Raise OtherRun unless the pair on disk that took least comes out the same again.

        Where another machine made all of them the last bits may differ, and that is said.
        """
        here = {
            number: pair
            for part in parts
            if part.made_with == made_with()
            for number, pair in part.outcomes.items()
        }
        if not here:
            self.run.say_made_elsewhere()
            return
        number = min(here, key=lambda n: int(here[n].evaluations))
        [again] = self.pairing.run([number])
        same = _are_same(here[number], again)
        self.run.require_same(same, f"pair {number} comes to another draw than before")

    def write(self, part: KeptPairs) -> None:
        """Write pairs, under the number of the first. Raises OSError if that cannot be done."""
        outcomes = list(part.outcomes.values())
        arrays = {"number": np.array(list(part.outcomes), np.int64)}
        arrays |= {name: np.stack([getattr(pair, name) for pair in outcomes]) for name in _NUMBERS}
        for name in outcomes[0].given:
            arrays[_GIVEN + name] = np.stack([np.asarray(pair.given[name]) for pair in outcomes])
        number = min(part.outcomes)
        self._parts.write(number, arrays, seconds=part.seconds, made_with=part.made_with)

    def read(self, count: int) -> Iterator[KeptPairs]:
        """What files have of the pairs before this number; damaged ones are set aside."""
        for number in self._parts.numbers():
            if number < count and (part := self._parts.read(number, _parsed)) is not None:
                yield part


def _parsed(record: dict[str, Any], arrays: Arrays) -> KeptPairs:
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


def _leading(held: Mapping[int, object]) -> int:
    """How many pairs there are before the first that is missing."""
    return next(number for number in range(len(held) + 1) if number not in held)


def _are_same(one: PairOutcome, other: PairOutcome) -> bool:
    return int(one.meeting) == int(other.meeting) and all(
        np.allclose(array, other.given[name], rtol=_SAME, atol=_SAME)
        for name, array in one.given.items()
    )
