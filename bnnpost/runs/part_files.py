"""Numbered parts of a run, a file each: written whole, known by a digest, set aside if damaged."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from bnnpost.storage import OtherRun, Say, is_damage, read_archive, write_archive

C = TypeVar("C")
T = TypeVar("T")
Arrays = dict[str, np.ndarray]
_DAMAGED = ".damaged"
# The key by which a file says its number.
_PART = "part"


@dataclass(frozen=True)
class PartFiles(ABC, Generic[C]):
    """The parts of one run in a folder, a file each.

    name: of a file, with a place for its number. form: what the files call themselves. run: the
    digest of what is run, which every file carries. say: is told of damaged files. check: raises
    if this run must not be written to; without it nothing is written or set aside. per_folder:
    parts in each of the folders that they are in, where they are many.
    """

    folder: Path
    name: str
    form: str
    run: str
    say: Say
    check: Callable[[], None] | None = None
    per_folder: int | None = None

    def path(self, number: int) -> Path:
        """Where a part is kept."""
        name = self.name.format(number)
        if self.per_folder is None:
            return self.folder / name
        return self.folder / f"{number // self.per_folder:06d}" / name

    def numbers(self) -> list[int]:
        """Numbers of the parts that are there, in order; other files are not looked at."""
        any_name = "*" + Path(self.name).suffix
        paths = self.folder.glob(any_name if self.per_folder is None else f"[0-9]*/{any_name}")
        digits = {path: re.search(r"\d+$", path.stem) for path in paths}
        numbers = {path: int(match[0]) for path, match in digits.items() if match}
        return sorted(number for path, number in numbers.items() if path == self.path(number))

    def read(self, number: int, parse: Callable[[dict[str, Any], C], T]) -> T | None:
        """What a part holds; None if there is no file, or it is damaged and now set aside.

        parse: of its record and contents; raises ValueError for what cannot be. Raises OtherRun for
        a file of another run.
        """
        path = self.path(number)
        try:
            record, contents = self._load(path)
            if record["format"] != self.form:
                raise ValueError(f"its format is {record['format']!r}, not {self.form!r}")
            is_ours = record["run"] == self.run
            if is_ours and record[_PART] != number:
                raise ValueError(f"it holds part {record[_PART]}")
            parsed = parse(record, contents) if is_ours else None
        except FileNotFoundError:
            return None
        except OtherRun:
            raise
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
        if self.check is None:
            self.say(f"{path.name} is damaged ({error}): remove it, and what it held is run again")
            return
        self.say(f"{path.name} is damaged ({error}): set aside, what it held is run again")
        self.check()
        with suppress(FileNotFoundError):  # somebody removed it meanwhile
            path.replace(path.with_name(path.name + _DAMAGED))

    def write(self, number: int, contents: C, **record: object) -> None:
        """Write a part whole. Raises OSError if that cannot be done."""
        assert self.check is not None
        self.check()
        own = {"format": self.form, "run": self.run, _PART: number}
        self._save(self.path(number), contents, {**own, **record})

    def remove(self, number: int) -> None:
        """Remove a part, if it is there."""
        self.path(number).unlink(missing_ok=True)

    @abstractmethod
    def _load(self, path: Path) -> tuple[dict[str, Any], C]:
        """The record and the contents of a file. Raises almost anything if it is damaged."""

    @abstractmethod
    def _save(self, path: Path, contents: C, record: Mapping[str, object]) -> None:
        """Write a file whole."""


class ArrayFiles(PartFiles[Arrays]):
    """Parts that are arrays, in archives of numpy's."""

    def _load(self, path: Path) -> tuple[dict[str, Any], Arrays]:
        return read_archive(path)

    def _save(self, path: Path, contents: Arrays, record: Mapping[str, object]) -> None:
        write_archive(path, contents, record)
