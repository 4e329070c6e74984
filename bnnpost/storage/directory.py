"""A directory that one run fills: status, log, and a lock against other processes."""

import contextlib
import datetime
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bnnpost.stopping import is_interruption
from bnnpost.storage.files import (
    Lock,
    LockHeld,
    as_path,
    check_file,
    is_lock,
    is_temporary,
    whole,
    write_text,
)
from bnnpost.storage.integrity import (
    FILES,
    RUN_ID,
    STATUS,
    file_digest,
    noted,
    noted_digest,
    sealed,
)

LOG, LOCK = "log.txt", ".run.lock"


Say = Callable[[str], None]


class OtherRun(ValueError):
    """A directory, or a file in it, is of another run, or what it samples has changed."""


class DirectoryInUse(OSError):
    """Another process is running in this directory."""


class Directory:
    """The files that every run has.

    run: the id of the run here, which its files carry; empty where none is known.
    """

    run = ""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = as_path(path)
        self._noted: dict[str, str] = {}

    @property
    def lock(self) -> Lock:
        """The lock that whoever writes here holds."""
        return Lock(self.path / LOCK)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Make the directory if need be and hold it against other processes.

        One that was made for this, and in which nothing was written, is removed again. Raises
        DirectoryInUse if another one holds it, OSError if it cannot be written.
        """
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise NotADirectoryError(
                f"{self.path} cannot be a directory, since there is a file: name another"
            ) from None
        with self.lock as lock:
            try:
                lock.hold()
            except LockHeld:
                raise DirectoryInUse(
                    f"another process is running in {self.path}: wait for it, or choose "
                    "another directory"
                ) from None
            try:
                yield
            finally:
                if made:
                    self._remove_empty(made)

    def _remove_empty(self, folders: list[Path]) -> None:
        """Remove these, the directory and those above it, unless something was written there."""
        with contextlib.suppress(OSError):
            if all(path.name == LOCK for path in self.path.iterdir()):
                (self.path / LOCK).unlink(missing_ok=True)
                for folder in folders:
                    folder.rmdir()

    def is_vacant(self, but_for: tuple[str, ...] = ()) -> bool:
        """Whether nothing but locks, what was left half written, and files of these names is here.

        Also where there is no directory yet.
        """
        return not self.path.exists() or all(
            path.name in but_for or is_temporary(path) or is_lock(path)
            for path in self.path.iterdir()
        )

    def check_links(self) -> None:
        """Raise ValueError for a link in it through which a run would write somewhere else.

        Of files these are those that are not written whole, which replaces a link.
        """
        for folder, folders, files in os.walk(self.path):
            for name in (*folders, *(own for own in files if own == LOG or is_lock(Path(own)))):
                place = Path(folder, name)
                if place.is_symlink():
                    raise ValueError(
                        f"{place} is a link: a run writes in its own directory alone; put there "
                        "what it leads to, or link the whole directory"
                    )

    def check_log(self) -> None:
        """Raise ValueError if what is in the log's place is no file: a pipe would never be read."""
        with contextlib.suppress(FileNotFoundError):
            check_file(self.path / LOG)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file whole."""
        write_text(self.path / name, text)

    def write_bytes(self, name: str, contents: bytes) -> None:
        """Write a file whole."""
        with whole(self.path / name) as temporary:
            temporary.write_bytes(contents)

    def write_bound(self, name: str, values: Mapping[str, Any]) -> None:
        """Write keys and values whole, as a record of the run here."""
        own = {RUN_ID: self.run} if self.run else {}
        self.write_text(name, sealed(name, {**values, **own}))

    def write_noted(self, name: str, values: Mapping[str, Any]) -> None:
        """Write keys and values whole and bare; the next status will have their digest."""
        self._noted = {**self._noted, name: noted_digest(values)}
        self.write_text(name, json.dumps(values, indent=2) + "\n")

    def note_file(self, name: str) -> None:
        """Let the next status have the digest of a file that is here."""
        self._noted = {**self._noted, name: file_digest(self.path / name)}

    def set_status(self, state: str, **details: object) -> None:
        """Record how far the run is: running, done, interrupted, exhausted or failed."""
        files = {**noted(self.path), **self._noted}
        now = {"state": state, "pid": os.getpid(), "time": _now(), **details}
        self.write_bound(STATUS, {**now, **({FILES: files} if files else {})})

    @contextlib.contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Record an interruption or an error in the status, and pass it on."""
        try:
            yield
        except BaseException as error:
            state, details = (
                ("interrupted", {}) if is_interruption(error) else ("failed", {"error": str(error)})
            )
            with contextlib.suppress(OSError):  # a full disk must not hide the error
                self.set_status(state, **details)
            raise

    def log(self, message: str) -> None:
        """Append a line to the log. Raises ValueError where something else than a file is there."""
        self.check_log()
        with (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{_now()} {message}\n")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
