"""A progress bar on stderr; it sees counts and touches no random number."""

import sys
from types import TracebackType
from typing import Self


class Progress:
    """Accepted draws against those asked for, with the acceptance rate and an ETA.

    Nothing is shown unless enabled and stderr is a terminal.
    """

    def __init__(
        self, num_samples: int, *, enabled: bool, label: str = "accepted", unit: str = "draw"
    ):
        self._bar = None
        if enabled and sys.stderr.isatty():
            import tqdm

            self._bar = tqdm.tqdm(total=num_samples, desc=label, unit=unit, file=sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, num_accepted: int, num_proposals: int) -> None:
        """Show these totals."""
        rate = num_accepted / num_proposals
        self.show(num_accepted, f"{num_proposals:,} proposals, rate {rate:.2g}")

    def show(self, done: int, text: str) -> None:
        """Show how much is done, and a few words."""
        if self._bar is not None:
            self._bar.n = min(done, self._bar.total)
            self._bar.set_postfix_str(text)
