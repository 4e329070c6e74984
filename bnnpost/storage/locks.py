"""Locks on files, released by the system however their holder ends."""

import os
from pathlib import Path
from typing import IO, Self

try:
    import fcntl
except ImportError:  # a system without advisory locks
    fcntl = None  # type: ignore[assignment]


class LockHeld(OSError):
    """Another process holds the lock."""


class Lock:
    """A lock on a file, which is made if need be, held by one process alone.

    Use it with `with`: the lock is released at the end, also of a process that is killed.
    On a system without advisory locks nothing is held and `available` is False.
    """

    available = fcntl is not None

    def __init__(self, path: Path):
        self._path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def is_held(self) -> bool:
        """Whether somebody holds it; True where the system has no locks, and cannot tell.

        Raises OSError where it cannot be opened, FileNotFoundError among them.
        """
        if not self.available:
            return True
        file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would be waited for
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def hold(self) -> Self:
        """Hold it against all others. Raises LockHeld if another holds it."""
        if not self.available:
            return self
        self.release()
        file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise LockHeld(f"another process holds {self._path}") from None
        except OSError as error:
            file.close()
            raise OSError(
                f"{self._path} cannot be locked ({error.strerror}): use a directory on a file "
                "system that has locks, and copy it when the run is over"
            ) from None
        if os.fstat(file.fileno()).st_nlink == 0:
            file.close()
            raise LockHeld(f"another process held {self._path}, and has just removed it")
        self._file = file
        return self


def is_lock(path: Path) -> bool:
    """Whether a path is that of a file which is there to be locked."""
    return path.name.startswith(".") and path.suffix == ".lock"
