"""Faults of every file of a run: bits turned, cut, emptied, deleted, exchanged, or no file at all.

What is damaged is noticed by the one reader that files of its kind have, whoever calls that: it
reads each of many damaged copies here, and commands look at a few. What is missing, or whole and
another file, is for the commands to notice.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bnnpost.storage import (
    RESULTS,
    dataset_digest,
    digest,
    is_damage,
    read_archive,
    read_dataset,
    read_record,
    read_tree,
)

# Parts of a file that are left.
_LEFT = (0.5, 0.999)
# A byte is altered in each of so many equal parts of a file: a tenth of it that nothing vouches for
# has one for certain. And so many digits of a JSON file are others.
NUM_PARTS, _NUM_DIGITS = 20, 10
# Altered copies of a file that commands look at.
_NUM_SHOWN = 2


class Fault(NamedTuple):
    """What happens to one file of a run, in words, and as a function of the run's directory.

    by_all: whether all who read the file look at it, or one of them, in turn.
    """

    file: str
    what: str
    harm: Callable[[Path], object]
    by_all: bool = False

    def __str__(self) -> str:
        return f"{self.file} {self.what}"


class Altered(NamedTuple):
    """What an altered file is, in words, and holds; whether its reader refuses it."""

    what: str
    contents: bytes
    refused: bool


def files(run: Path) -> list[str]:
    """Files of a run, its locks apart."""
    found = (path for path in run.rglob("*") if path.is_file() and not path.name.startswith("."))
    return sorted(str(path.relative_to(run)) for path in found)


def matrix(
    run: Path, copies: dict[str, list[Altered]], likes: Callable[[str], Iterator[str | Path]]
) -> Iterator[Fault]:
    """Each fault to a copy of the run.

    copies: altered ones, by the name of the file. likes: of the name the paths, outside the
    run, of its likes, of which all look at the first, and within it the names, to exchange it with.
    """
    for name, of_file in copies.items():
        whole = (run / name).read_bytes()
        yield Fault(name, "deleted", _removed(name), by_all=True)
        yield Fault(name, "emptied", _written(name, b""))
        for part in _LEFT:
            count = min(int(part * len(whole)), len(whole) - 1)
            yield Fault(name, f"cut to {count} bytes", _written(name, whole[:count]))
        noticed = [one for one in of_file if one.refused]
        for one in noticed[:: max(1, len(noticed) // _NUM_SHOWN)]:
            yield Fault(name, one.what, _written(name, one.contents))
        yield Fault(name, "a named pipe", _replaced_by(name, os.mkfifo), by_all=True)
        yield Fault(name, "a directory", _replaced_by(name, os.mkdir))
        by_all = True
        for like in likes(name):
            if isinstance(like, str):
                by_some = name.endswith(".nc")
                yield Fault(name, f"exchanged with {like}", exchanged(name, like), by_some)
            else:
                yield Fault(name, f"for {like}", _written(name, like.read_bytes()), by_all)
                by_all = False


def altered(path: Path) -> list[Altered]:
    """Copies of a file in which something is another, each as its reader takes it in its place.

    Raises AssertionError where a reader refuses it in unclear words, or reads what was not written.
    """
    whole, before = path.read_bytes(), _read(path)
    found = []
    for what, contents in _alterations(path.name, whole):
        path.write_bytes(contents)
        try:
            now = _read(path)
        except Exception as error:
            assert path.suffix == ".npz" or isinstance(error, ValueError), (what, error)
            assert is_damage(error), (what, error)
            found.append(Altered(what, contents, refused=True))
        else:
            assert now == before, f"{path.name} {what} is read, and gives other contents"
            # What is for people has no reader that looks at it.
            found.append(Altered(what, contents, refused=before is None))
    path.write_bytes(whole)
    return found


def _alterations(name: str, whole: bytes) -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(0)
    edges = np.linspace(0, len(whole), NUM_PARTS + 1).astype(int)
    for part, (low, high) in enumerate(itertools.pairwise(edges)):
        if low < high:
            place, bit = int(rng.integers(low, high)), 1 << int(rng.integers(8))
            mask = 0xFF if part % 3 == 2 else bit
            contents = _with_byte(whole, place, whole[place] ^ mask)
            yield f"with byte {place} xor {mask}", contents
    if name.endswith(".json"):
        digits = [found.start() for found in re.finditer(rb"[0-9]", whole)]
        for place in rng.choice(digits, min(_NUM_DIGITS, len(digits)), replace=False):
            other = b"1234567890"[int(whole[place : place + 1])]
            yield f"with digit {place} changed", _with_byte(whole, place, other)


def _with_byte(whole: bytes, place: int, value: int) -> bytes:
    return whole[:place] + bytes([value]) + whole[place + 1 :]


def _read(path: Path) -> object:
    """What the reader of such a file makes of it, to be compared; None of what is for people."""
    if path.suffix == ".npz":
        record, arrays = read_archive(path)
        return digest(arrays, record)
    if path.suffix == ".json":
        return read_record(path)
    if path.suffix == ".nc":
        return dataset_digest((read_tree if path.name == RESULTS else read_dataset)(path))
    return None


def _removed(name: str) -> Callable[[Path], object]:
    return lambda run: (run / name).unlink()


def _written(name: str, contents: bytes) -> Callable[[Path], object]:
    return lambda run: (run / name).write_bytes(contents)


def _replaced_by(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def replace(run: Path) -> None:
        (run / name).unlink()
        make(run / name)

    return replace


def exchanged(one: str, other: str) -> Callable[[Path], object]:
    """What exchanges two files, or folders, of a run."""

    def exchange(run: Path) -> None:
        (run / one).rename(run / "aside")
        (run / other).rename(run / one)
        (run / "aside").rename(run / other)

    return exchange
