"""Numbered parts of a run, a file each: written whole, known by a digest, set aside if damaged."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bnnpost.storage.digest import read_archive, write_archive
from bnnpost.storage.reading import is_damage

T = TypeVar("T")
Say = Callable[[str], None]
Record = dict[str, Any]
_FIELD = re.compile(r"\{.*?\}")
_DAMAGED = ".damaged"


class OtherRun(ValueError):
    """A directory, or a file in it, is of another run, or what it samples has changed."""


@dataclass(frozen=True)
class PartFiles:
    """The parts of one run in a folder.

    name: of the file of a part, as a format of its number, such as "{:09d}.npz"; per_folder: parts
    in each of the folders that they are in, where they are many. form: what the files call
    themselves; run: the digest of what is sampled, which every file carries. say: is told of
    damaged files. check: raises if this run must not be written to; without it nothing is written
    or set aside. save, load: write contents and a record to a path, and read both; of arrays by
    name unless others are given.
    """

    folder: Path
    name: str
    form: str
    run: str
    say: Say
    check: Callable[[], None] | None = None
    per_folder: int | None = None
    save: Callable[[Path, Any, Mapping[str, object]], None] = write_archive
    load: Callable[[Path], tuple[Record, Any]] = read_archive

    def path(self, number: int) -> Path:
        """Where a part is kept."""
        name = self.name.format(number)
        if self.per_folder is None:
            return self.folder / name
        return self.folder / f"{number // self.per_folder:06d}" / name

    def numbers(self) -> list[int]:
        """Numbers of the parts that are there, in order; other files are not looked at."""
        pattern = _FIELD.sub("*", self.name)
        paths = self.folder.glob(pattern if self.per_folder is None else f"[0-9]*/{pattern}")
        digits = {path: re.search(r"\d+$", path.stem) for path in paths}
        numbers = {path: int(found[0]) for path, found in digits.items() if found}
        return sorted(number for path, number in numbers.items() if path == self.path(number))

    def read(self, number: int, parse: Callable[[Record, Any], T]) -> T | None:
        """What a part holds; None if there is no file, or it is damaged and now set aside.

        parse: of its record and contents; raises ValueError for what cannot be. Raises OtherRun for
        a file of another run.
        """
        path = self.path(number)
        try:
            record, contents = self.load(path)
            if record["format"] != self.form:
                raise ValueError(f"its format is {record['format']!r}, not {self.form!r}")
            is_ours = record["run"] == self.run
            parsed = parse(record, contents) if is_ours else None
        except FileNotFoundError:
            return None
        except Exception as error:  # numpy and zipfile raise almost anything for damaged files
            if not is_damage(error):
                raise
            self._set_aside(path, error)
            return None
        if not is_ours:
            raise OtherRun(
                f"{path} belongs to another run than the others in {self.folder}: "
                "move it away, and what it held is run again"
            )
        return parsed

    def _set_aside(self, path: Path, error: Exception) -> None:
        self.say(f"{path.name} is damaged ({error}): set aside, what it held is run again")
        if self.check is not None:
            self.check()
            with suppress(FileNotFoundError):  # another worker was quicker
                path.replace(path.with_name(path.name + _DAMAGED))

    def write(self, number: int, contents: Any, **record: object) -> None:
        """Write a part whole. Raises OSError if that cannot be done."""
        assert self.check is not None
        self.check()
        self.save(self.path(number), contents, {"format": self.form, "run": self.run, **record})

    def remove(self, number: int) -> None:
        """Remove a part, if it is there."""
        self.path(number).unlink(missing_ok=True)
