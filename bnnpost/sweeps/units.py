"""The unit of work of a grid, one cell at one width: claimed by one process, tried, recorded."""

import contextlib
import datetime
import json
import os
import socket
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bnnpost.storage import Lock, write_text
from bnnpost.sweeps.directory import FAILED, RunDirectory
from bnnpost.sweeps.grid import Cell

# What a file with these failures says of itself.
KILLED = "killed"
# What may pass another time: a file system or device that gave out, memory that was short.
_PASSING = (OSError, MemoryError)


@dataclass(frozen=True)
class Unit:
    """One cell at one width, and the directory it is kept in."""

    cell: Cell
    width: int
    directory: RunDirectory

    @property
    def name(self) -> str:
        """In a line."""
        return f"{self.cell.name}, width {self.width}" if self.cell.name else f"width {self.width}"

    @property
    def is_done(self) -> bool:
        """Whether its results are there."""
        return self.directory.is_done(self.width)

    @property
    def has_failed(self) -> bool:
        """Whether it was given up."""
        return not self.is_done and self.directory.record(self.width).get("state") == FAILED

    @property
    def is_claimed(self) -> bool:
        """Whether a process is at work on it."""
        if not self._claim.exists():
            return False
        try:
            with self._lock.hold_alone():
                return False
        except OSError:
            return True

    @contextlib.contextmanager
    def claimed(self) -> Iterator[int]:
        """Hold it against others; gives how many processes died at it before.

        What is left when the process is killed tells the next one so. Raises LockHeld if another
        process has it.
        """
        with self._lock.hold_alone():
            before = self.deaths
            claim = {"attempts": before + 1, "pid": os.getpid(), "host": socket.gethostname()}
            write_text(self._claim, json.dumps(claim) + "\n")
            try:
                yield before
            finally:
                self._claim.unlink(missing_ok=True)

    def forget(self) -> None:
        """Forget that it failed or that processes died at it, unless one is at work on it."""
        with contextlib.suppress(OSError), self._lock.hold_alone():
            self._claim.unlink(missing_ok=True)
            if self.has_failed:
                self.directory.record_file(self.width).unlink()

    def write_failure(self, error: BaseException | None, attempts: int) -> str:
        """Write down why it was given up; None for processes that were killed. The reason."""
        if error is None:
            reason = f"its process was killed {_times(attempts)} (lack of memory, or a signal)"
        else:
            reason = one_line(error)
        self.directory.write_record(
            self.width,
            state=FAILED,
            reason=reason,
            kind=KILLED if error is None else type(error).__name__,
            attempts=attempts,
            time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            traceback="" if error is None else "".join(traceback.format_exception(error)),
        )
        return reason

    @property
    def _lock(self) -> Lock:
        return Lock(self.directory.path / f".width_{self.width:06d}.lock")

    @property
    def _claim(self) -> Path:
        return self.directory.path / f".width_{self.width:06d}.claim"

    @property
    def deaths(self) -> int:
        """How many processes have died at it, the one that is at it included."""
        try:
            return int(json.loads(self._claim.read_text(encoding="utf-8"))["attempts"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0


def may_pass(error: BaseException) -> bool:
    """Whether another attempt may go well: not where the configuration or its data are at fault."""
    return isinstance(error, _PASSING) or type(error).__name__ == "JaxRuntimeError"


def one_line(error: BaseException) -> str:
    """The first line of what an error says, or else its kind."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
