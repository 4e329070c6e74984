"""A directory that one run fills: who holds it, what it is of, how far it is, and its parts."""

import contextlib
import datetime
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from bnnpost.stopping import is_interruption
from bnnpost.storage import (
    FILES,
    RUN_ID,
    STATUS,
    DirectoryInUse,
    Lock,
    LockHeld,
    OtherRun,
    Say,
    as_path,
    check_file,
    file_digest,
    is_lock,
    is_temporary,
    noted,
    remove_temporaries,
    run_here,
    sealed,
    whole,
    write_text,
)

LOG, LOCK = "log.txt", ".run.lock"


class Directory:
    """A directory that one process at a time writes to.

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
        """Whether nothing but locks, temporary files, and files of these names is here.

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


class RunDirectory(Directory):
    """A directory that keeps a run: draws by some method, a cell of a sweep, or a whole grid.

    TELLING: the file that is there once the run has begun, and says which one it is. WHAT: the word
    for such a run. OTHER: raised where something else is here. BEFORE: names of what may be here
    before the run has begun. say: is told what is damaged or missing.
    """

    TELLING: ClassVar[str]
    WHAT: ClassVar[str] = "run"
    OTHER: ClassVar[type[ValueError]] = OtherRun
    BEFORE: ClassVar[tuple[str, ...]] = ()

    say: Say

    @contextlib.contextmanager
    def claimed(self) -> Iterator[Self]:
        """This directory, held against all other processes; made if need be.

        Raises DirectoryInUse if another process holds it, and as `check_vacant`.
        """
        self.check_vacant()
        self.check_log()
        self.check_links()
        with self.held():
            for folder in (self.path, *self.path.rglob("*/")):
                remove_temporaries(folder)
            yield self

    def has_begun(self) -> bool:
        """Whether what is run has been written down."""
        return os.path.lexists(self.path / self.TELLING)

    def check_vacant(self) -> None:
        """Raise OTHER if files that are none of such a run are here, or the path is a file's."""
        if self.path.exists() and not self.path.is_dir():
            raise self.OTHER(f"{self.path} is a file: expected a directory for the {self.WHAT}")
        if not self.has_begun() and not self.is_vacant(but_for=self.BEFORE):
            raise self.OTHER(
                f"{self.path} holds files that are not a {self.WHAT}'s: choose another directory"
            )

    def check_still_there(self) -> None:
        """Raise OTHER if the directory was removed, or replaced by another run's, meanwhile."""
        if run_here(self.path) != self.run:
            raise self.OTHER(
                f"{self.path} was removed or replaced while this process was running: nothing more "
                "is written there"
            )


def settings_changed(
    before: Mapping[str, object], now: Mapping[str, object]
) -> dict[str, tuple[object, object]]:
    """Settings that are others now: what each was, and what it is, as JSON has them."""

    def text(value: object) -> str:  # NaN is the same as NaN
        return json.dumps(value, sort_keys=True)

    return {
        name: (before.get(name), now.get(name))
        for name in {**before, **now}
        if text(before.get(name)) != text(now.get(name))
    }


def in_words(changed: Mapping[str, tuple[object, object]]) -> str:
    """What `settings_changed` found, in a line."""
    return ", ".join(f"{name} {was!r} → {now!r}" for name, (was, now) in changed.items())


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
