"""What one process is at and no other: held by a lock, with a note of how many died at it."""

import contextlib
import json
import math
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnpost.storage import Lock, read_json, write_text

# Names a variable with the time of the job that a process is part of, in seconds.
JOB_SECONDS = "BNNPOST_JOB_SECONDS"
# Schedulers warn a job this long before they end it, and it takes some time to begin.
_SECONDS_BEFORE = 120.0
_TOO_LONG = "too_long"


@dataclass(frozen=True)
class Claim:
    """A claim on something in a directory, by a lock that ends with the process."""

    directory: Path
    name: str

    @contextlib.contextmanager
    def held(self) -> Iterator[int]:
        """Hold it against others; gives how many processes died at it before.

        What is left when the process is killed tells the next one so. Raises LockHeld if another
        process has it.
        """
        with self._lock.hold_alone():
            before, start = self.deaths, time.monotonic()
            self._write(before + 1, self._is_too_long)
            try:
                yield before
            except KeyboardInterrupt:
                if time.monotonic() - start < _almost_all_of_a_job():
                    self._note.unlink(missing_ok=True)
                else:  # counts as if it had been killed: another job would get no further
                    self._write(before + 1, True)
                raise
            except BaseException:
                self._note.unlink(missing_ok=True)
                raise
            self._note.unlink(missing_ok=True)

    @property
    def is_held(self) -> bool:
        """Whether a process has it."""
        if not self._note.exists():
            return False
        try:
            with self._lock.hold_alone():
                return False
        except OSError:
            return True

    @property
    def deaths(self) -> int:
        """How many processes have died at it, the one that is at it included."""
        try:
            return int(self._read()["attempts"])
        except (ValueError, KeyError, TypeError):
            return 0

    def killed(self, times: int) -> str:
        """Why it is given up after this many processes died at it, in a line."""
        count = {1: "once", 2: "twice"}.get(times, f"{times} times")
        if self._is_too_long:
            return f"it takes longer than the job's time, at which it was ended {count}"
        return f"its process was killed {count} (lack of memory, or a signal)"

    @contextlib.contextmanager
    def forgotten(self) -> Iterator[None]:
        """Forget who died at it, and hold it while more is forgotten. Raises LockHeld."""
        with self._lock.hold_alone():
            self._note.unlink(missing_ok=True)
            yield

    @property
    def _is_too_long(self) -> bool:
        """Whether a job's time was too short for it."""
        return self._read().get(_TOO_LONG) is True

    def _read(self) -> dict[str, Any]:
        try:
            return read_json(self._note)
        except (OSError, ValueError):
            return {}

    def _write(self, attempts: int, too_long: bool) -> None:
        who = {"pid": os.getpid(), "host": socket.gethostname()}
        note = {"attempts": attempts, **who, _TOO_LONG: too_long}
        write_text(self._note, json.dumps(note) + "\n")

    @property
    def _lock(self) -> Lock:
        return Lock(self.directory / f".{self.name}.lock")

    @property
    def _note(self) -> Path:
        return self.directory / f".{self.name}.claim"


def _almost_all_of_a_job() -> float:
    """Seconds; infinite where this process is part of no job with an end."""
    try:
        whole = float(os.environ[JOB_SECONDS])
    except (KeyError, ValueError):
        return math.inf
    return 0.8 * max(0.0, whole - _SECONDS_BEFORE)
