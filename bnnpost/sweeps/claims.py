"""What one process is at and no other: held by a lock, with a note of how many died at it."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bnnpost.storage import Lock, write_text


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
            before = self.deaths
            claim = {"attempts": before + 1, "pid": os.getpid(), "host": socket.gethostname()}
            write_text(self._note, json.dumps(claim) + "\n")
            try:
                yield before
            finally:
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
            return int(json.loads(self._note.read_text(encoding="utf-8"))["attempts"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    @contextlib.contextmanager
    def forgotten(self) -> Iterator[None]:
        """Forget who died at it, and hold it while more is forgotten. Raises LockHeld."""
        with self._lock.hold_alone():
            self._note.unlink(missing_ok=True)
            yield

    @property
    def _lock(self) -> Lock:
        return Lock(self.directory / f".{self.name}.lock")

    @property
    def _note(self) -> Path:
        return self.directory / f".{self.name}.claim"


def killed(times: int) -> str:
    """Why something is given up at which this many processes died, in a line."""
    count = {1: "once", 2: "twice"}.get(times, f"{times} times")
    return f"its process was killed {count} (lack of memory, or a signal)"
