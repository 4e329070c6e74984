"""Files: read where there is one, written whole or not at all, locked against others."""

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Self

from bnnpost.stopping import held_back, is_interruption

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


# Is told a line.
Say = Callable[[str], None]


class DirectoryInUse(OSError):
    """Another process is running in this directory."""


class NotAFile(ValueError):
    """Something else lies where a file is expected: a directory, a named pipe, a device."""


def as_path(given: str | os.PathLike[str]) -> Path:
    """A path as a caller gave it. Raises TypeError for what is none, ValueError for a null."""
    text = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(text, str):
        raise TypeError(
            f"expected a path, as a text or a pathlib.Path, got {given!r} ({type(given).__name__})"
        )
    if "\0" in text:
        raise ValueError(f"expected a path without a null character, got {text!r}")
    return Path(given)


def check_file(path: Path) -> None:
    """Raise NotAFile if something else than a file is here, FileNotFoundError if nothing is.

    Links are followed.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        what = next((word for is_one, word in _KINDS if is_one(mode)), "no file")
        raise NotAFile(f"{path} is {what}: expected a file; move it away, or name another path")


def is_damage(error: Exception) -> bool:
    """Whether an error that a reader came to is the file's fault, which may be almost anything.

    It is not where the process was interrupted, has no memory left or lacks a package, or where
    the system gives a number: no permission, too many open files.
    """
    if is_interruption(error) or isinstance(error, MemoryError | ImportError):
        return False
    return not (isinstance(error, OSError) and error.errno is not None)


def read_bytes(path: Path) -> bytes:
    """All of a file. Raises as `check_file`, and OSError."""
    check_file(path)
    return path.read_bytes()


def read_text(path: Path) -> str:
    """All of a text file. Raises as `check_file`, OSError, and ValueError for what is no text."""
    check_file(path)
    return path.read_text(encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Keys and values of a JSON file. Raises ValueError for anything else, FileNotFoundError."""
    try:
        found = json.loads(read_text(path))
    except NotAFile:
        raise
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} cannot be read: expected keys and values")
    return found


_PREFIX, _SUFFIX = ".", ".tmp"


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write to, renamed to `path` if all went well and removed if not.

    A process that is killed leaves the file that was there before, and perhaps a temporary
    one beside it; Ctrl-C and SIGTERM wait until the file is there. Raises FileNotFoundError if
    the folder does not exist, IsADirectoryError where `path` is a folder itself.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to write {path.name} in: create it first")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory: expected a file to write; move it away")
    # The ending stays, for writers that go by it; the name is no other process's, on any machine.
    name = f"{_PREFIX}{path.stem}.{secrets.token_hex(6)}{_SUFFIX}{path.suffix}"
    temporary = path.with_name(name)
    with held_back():
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())  # else a power cut could leave the new name and no contents
            os.replace(temporary, path)
        except OSError as error:
            if error.filename is None:
                raise OSError(error.errno, error.strerror or str(error), str(path)) from error
            raise
        finally:
            temporary.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Whether a path is that of a file which `whole` never finished."""
    return path.name.startswith(_PREFIX) and _SUFFIX in path.suffixes


def remove_temporaries(folder: Path) -> None:
    """Remove what killed processes left half written; nobody else may be writing in `folder`."""
    for path in folder.iterdir():
        if is_temporary(path):
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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
