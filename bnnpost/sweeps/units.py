"""The unit of work of a grid, one cell at one width: claimed by one process, tried, recorded."""

import contextlib
import datetime
import errno
import traceback
from dataclasses import dataclass

from bnnpost.stopping import is_interruption
from bnnpost.sweeps.cells import Cell
from bnnpost.sweeps.claims import Claim
from bnnpost.sweeps.directory import FAILED, RunDirectory

# What a file with these failures says of itself.
KILLED = "killed"
# What may pass another time: a file system or device that gave out, memory that was short.
_PASSING = (OSError, MemoryError)
_FULL = (errno.ENOSPC, errno.EDQUOT)


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
    def claim(self) -> Claim:
        """By which a process holds it against others."""
        return Claim(self.directory.path, f"width_{self.width:06d}")

    @property
    def is_claimed(self) -> bool:
        """Whether a process is at work on it."""
        return self.claim.is_held

    def forget(self) -> None:
        """Forget that it failed or that processes died at it, unless one is at work on it."""
        with contextlib.suppress(OSError), self.claim.forgotten():
            if self.has_failed:
                self.directory.record_file(self.width).unlink()

    def write_failure(self, error: BaseException | None, attempts: int) -> str:
        """Write down why it was given up; None for processes that were killed. The reason."""
        reason = self.claim.killed(attempts) if error is None else one_line(error)
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


def may_pass(error: BaseException) -> bool:
    """Whether another attempt may go well: not where the configuration or its data are at fault."""
    return isinstance(error, _PASSING) or type(error).__name__ == "JaxRuntimeError"


def ends_all(error: BaseException) -> bool:
    """Whether whatever is tried next would fail as well, or is not wanted.

    As on a full disk, or after Ctrl-C.
    """
    is_full = isinstance(error, OSError) and error.errno in _FULL
    return is_full or is_interruption(error)


def one_line(error: BaseException) -> str:
    """The first line of what an error says, or else its kind."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
