"""How many pairs of chains are done, on stderr."""

from collections.abc import Iterable

from bnnpost.samplers.coupled.pairs import PairOutcome
from bnnpost.samplers.progress import Progress


class PairProgress(Progress):
    """Pairs that are done of all, and how many of them have not met. done: before it begins."""

    def __init__(self, num_pairs: int, *, enabled: bool, done: Iterable[PairOutcome] = ()):
        super().__init__(num_pairs, enabled=enabled, label="pairs", unit="pair")
        meetings = [int(one.meeting) for one in done]
        self._num_pairs, self._unmet = len(meetings), sum(time < 0 for time in meetings)

    def count(self, one: PairOutcome) -> None:
        """One more is done."""
        self._num_pairs += 1
        self._unmet += int(one.meeting) < 0
        self.show(self._num_pairs, f"{self._unmet} not met" if self._unmet else "all met")
