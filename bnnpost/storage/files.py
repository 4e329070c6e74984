"""Files that are there whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from bnnpost.stopping import held_back

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
