"""Progress on stderr, a bar or lines; it sees counts and touches no random number."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

from bnnpost.spelling import duration

# Seconds between two lines at first, as long as one waits for a word; for how many seconds that
# goes on; and between two lines in the end.
_FIRST, _OFTEN, _LAST = 4.0, 30.0, 60.0


class Progress:
    """Accepted draws against those asked for, with the acceptance rate and an ETA.

    On a terminal a bar, `delay` seconds after it began; elsewhere a line every four seconds for
    half a minute, then ever more seldom to every minute, also while nothing is done yet, such as
    while a program is compiled. Of nothing to be counted (num_samples 0) the time alone. Nothing
    unless enabled.
    """

    def __init__(
        self,
        num_samples: int,
        *,
        enabled: bool,
        label: str = "accepted",
        unit: str = "draw",
        delay: float = 0.0,
    ):
        self._enabled, self._bar, self._ended = enabled, None, threading.Event()
        self._done, self._total, self._text = 0, num_samples, ""
        self._label, self._unit = label, unit
        if enabled and sys.stderr.isatty():
            import tqdm

            self._bar = tqdm.tqdm(
                total=num_samples or None,
                desc=label,
                unit=unit,
                file=sys.stderr,
                delay=delay,
                leave=None,
                bar_format=None if num_samples else "{desc}: {elapsed}",
            )

    def __enter__(self) -> Self:
        if self._enabled:
            threading.Thread(target=self._tell, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._bar is not None:
            self._bar.close()

    def update(self, num_accepted: int, num_proposals: int) -> None:
        """Show these totals."""
        rate = num_accepted / num_proposals
        self.show(num_accepted, f"{num_proposals:,} proposals, rate {rate:.2g}")

    def show(self, done: int, text: str = "") -> None:
        """Show how much is done, and a few words."""
        self._done, self._text = min(done, self._total), text
        if self._bar is not None:
            self._bar.n = self._done
            self._bar.set_postfix_str(text)

    def write(self, message: str, say: Callable[[str], None]) -> None:
        """Let `say` say something, with the bar out of its way."""
        if self._bar is None:
            say(message)
            return
        with self._bar.external_write_mode(file=sys.stderr):
            say(message)

    def _tell(self) -> None:
        """Say how far it is, again and again until the end: on a thread of its own."""
        started = time.monotonic()
        for wait in waits():
            if self._ended.wait(wait):
                return
            if self._bar is not None:
                self._bar.refresh()
                continue
            taken = duration(time.monotonic() - started)
            more = f", {self._text}" if self._text else ""
            of = f" {self._done:,} of {self._total:,} {self._unit}s" if self._total else ""
            line = f"{self._label}:{of} after {taken}"
            print(f"{line}{more}", file=sys.stderr, flush=True)


def waits() -> Iterator[float]:
    """Seconds from each line to the next, without end."""
    wait, told = _FIRST, 0.0
    while True:
        yield wait
        told += wait
        if told >= _OFTEN:
            wait = min(2 * wait, _LAST)
