"""What lies at a path, read where it is a file: who reads a named pipe would wait for ever."""

import json
import os
import stat
from pathlib import Path
from typing import Any

from bnnpost.stopping import is_interruption

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


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
