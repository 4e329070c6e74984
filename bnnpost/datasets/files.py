"""Reading a data set of the user's own from a .csv or .npz file."""

from __future__ import annotations

import csv
import math
from collections import Counter
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from bnnpost.arguments import listed
from bnnpost.datasets.npz_files import read_npz
from bnnpost.datasets.table import (
    LICENCE,
    DataError,
    Dataset,
    FloatArray,
    Names,
    check_num_columns,
    name_hint,
)
from bnnpost.storage import as_path

# What spreadsheets and statistics packages write where a value is absent.
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "#n/a"})


def read(
    path: str | Path, target: Names | None = None, *, features: Names | None = None
) -> Dataset:
    """Return the data set in a .csv or .npz file.

    .csv: comma-separated text with a header row. target is the name of the target column,
    or several as a sequence or joined by commas; features, likewise, names the columns of
    x, and without it every other column is one. y is [row] for one target and
    [row, output] for several. One target column that holds words throughout is of classes: y has
    their numbers, in the order of the alphabet, and `levels` the words.

    .npz: target is the name of the array of y, [row] or [row, output], "y" if not given;
    features is the name of the array of x, [row, feature], "x" if not given. Pickled
    arrays are never loaded.

    Raises DataError if the file is absent, unreadable, empty or of another kind; if a
    column or array is not there, is asked for twice or has no name; if rows are uneven; or
    if a value that is used is missing, not a number or not finite.
    """
    path = as_path(path)
    readers = {".csv": _read_csv, ".npz": read_npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: expected a file name ending in .csv or .npz, got {path.suffix!r}; "
            "convert the file to one of these"
        )
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the name and the folder it is in")
    return reader(path, target, features)


class _Sheet(NamedTuple):
    """A CSV file: its column names, and the line number and cells of each row."""

    path: Path
    header: list[str]
    lines: list[tuple[int, list[str]]]

    def column(self, name: str) -> list[tuple[int, str]]:
        """Line number and cell of each row of a column."""
        place = self.header.index(name)
        return [(line, row[place]) for line, row in self.lines]


def _read_csv(path: Path, target: Names | None, features: Names | None) -> Dataset:
    """Return the data set in a CSV file; raises DataError as read does."""
    sheet = _sheet(path)
    if target is None:
        raise DataError(
            f"{path}: the target column must be named for a .csv file; the columns are "
            f"{listed(sheet.header)}"
        )
    targets = _chosen(sheet, "target", target)
    if features is None:
        inputs = tuple(name for name in sheet.header if name not in targets)
    else:
        inputs = _chosen(sheet, "feature", features)
    _check_columns(path, inputs, targets)
    levels = _levels(sheet, targets)
    y = np.column_stack([_numbers(sheet, name, levels) for name in targets])
    return Dataset(
        name=path.stem,
        x=np.column_stack([_numbers(sheet, name) for name in inputs]),
        y=y[:, 0] if len(targets) == 1 else y,
        feature_names=inputs,
        target_names=targets,
        source=str(path),
        licence=LICENCE,
        levels=levels,
    )


def _levels(sheet: _Sheet, targets: tuple[str, ...]) -> tuple[str, ...]:
    """The words of the one target column where all its cells are words; else nothing."""
    words = {cell for _, cell in sheet.column(targets[0])}
    are_words = all(_number(word) is None and word.lower() not in _MISSING for word in words)
    return tuple(sorted(words)) if len(targets) == 1 and are_words else ()


def columns(path: str | Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """The columns of a .csv file, and of those that cannot be read as numbers the reason.

    Raises DataError if the file is absent, unreadable or empty, or has no usable header.
    """
    path = as_path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the name and the folder it is in")
    sheet = _sheet(path)
    found = {}
    for name in sheet.header:
        wrong = [(line, cell) for line, cell in sheet.column(name) if _number(cell) is None]
        if len(wrong) == len(sheet.lines):
            found[name] = "text"
        elif wrong:
            found[name] = f"line {wrong[0][0]} has {wrong[0][1]!r}"
    return tuple(sheet.header), found


def _sheet(path: Path) -> _Sheet:
    """Return the header and, for every row that is not blank, its line number and its cells.

    Line numbers count from 1, the header included, as a text editor does. Raises DataError
    if the file cannot be read as text, has no usable header or no rows, or has uneven rows.
    """
    try:
        # utf-8-sig takes off the mark that spreadsheets put before the first column name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            lines = []
            for row in rows:
                check_num_columns(path, len(row))
                if row:
                    lines.append((rows.line_num, [cell.strip() for cell in row]))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: expected comma-separated text in UTF-8, but it cannot be read: {error}; "
            "save it again as CSV in UTF-8"
        ) from error
    if not lines:
        raise DataError(f"{path}: the file is empty; a header row and data rows are needed")
    header = lines.pop(0)[1]
    _check_header(path, header)
    if not lines:
        raise DataError(f"{path}: there is a header but no rows below it; add rows of numbers")
    _check_even(path, header, lines)
    return _Sheet(path, header, lines)


def _check_header(path: Path, header: list[str]) -> None:
    """Raise DataError unless the header has two or more distinct, non-empty names."""
    if all(_number(cell) is not None for cell in header):
        raise DataError(
            f"{path}: the first row must be a header of column names, got only numbers "
            f"({', '.join(header[:3])}, ...); put a row of names above them"
        )
    if len(header) < 2:
        raise DataError(
            f"{path}: a feature and a target column are needed, got the single column "
            f"{header[0]!r}; {_one_column_cure(header[0])}"
        )
    if "" in header:
        raise DataError(
            f"{path}: column {header.index('') + 1} of {len(header)} has no name in the header; "
            "name it or remove it"
        )
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise DataError(
            f"{path}: duplicate column names in the header: {listed(repeated)}; "
            "give every column a name of its own"
        )


def _one_column_cure(name: str) -> str:
    """What to do about a header that is one column."""
    if ";" in name or "\t" in name:
        kind = "semicolons" if ";" in name else "tabs"
        return f"columns are separated by {kind}: save it with commas, and decimal points"
    if name.startswith("#"):
        return "the header must be the first line: remove those above it"
    return "separate the columns by commas"


def _check_even(path: Path, header: list[str], lines: list[tuple[int, list[str]]]) -> None:
    """Raise DataError if a row has more or fewer cells than the header."""
    for line, row in lines:
        if len(row) != len(header):
            raise DataError(
                f"{path}: ragged rows: the header has {len(header)} columns but line {line} has "
                f"{len(row)}; add or remove cells there"
            )


def _chosen(sheet: _Sheet, role: str, wanted: Names) -> tuple[str, ...]:
    """Return the wanted column names; raises DataError if one is not in the header."""
    header = sheet.header
    if isinstance(wanted, str):
        # A quoted header cell may itself hold a comma, so the whole text goes first.
        wanted = [wanted] if wanted in header else wanted.split(",")
    chosen = tuple(name.strip() for name in wanted)
    known = set(header)
    for name in chosen:
        if name not in known:
            raise DataError(
                f"{sheet.path}: no column is called {name!r}, asked for as a {role}"
                f"{name_hint(name, header)} The columns are {listed(header)}"
            )
    return chosen


def _check_columns(path: Path, features: tuple[str, ...], targets: tuple[str, ...]) -> None:
    """Raise DataError unless there are features and targets and none is used twice."""
    for role, chosen in (("feature", features), ("target", targets)):
        if not chosen:
            raise DataError(f"{path}: at least one {role} column is needed, got none; name one")
    repeated = [name for name, count in Counter(features + targets).items() if count > 1]
    if repeated:
        raise DataError(
            f"{path}: {listed(repeated)} is used more than once; a column can be one feature "
            "or one target"
        )


def _numbers(sheet: _Sheet, name: str, levels: tuple[str, ...] = ()) -> FloatArray:
    """Return a column as [row]: its numbers, or where there are levels the place of each word.

    Raises DataError at a cell that is no number.
    """
    values = np.empty(len(sheet.lines))
    for index, (line, cell) in enumerate(sheet.column(name)):
        value = levels.index(cell) if levels else _number(cell)
        if value is None:
            _refuse_cell(sheet.path, name, line, cell)
        values[index] = value
    return values


def _number(cell: str) -> float | None:
    """Return the finite number a cell holds, or None."""
    # float takes the underscores of Python source, which in data are a slip.
    if "_" in cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _refuse_cell(path: Path, column: str, line: int, cell: str) -> NoReturn:
    """Raise the DataError for a cell that holds no finite number."""
    place = f"column {column!r}, line {line} of the file (the header is line 1)"
    if cell.lower() in _MISSING:
        raise DataError(
            f"{path}: missing value ({cell!r}) in {place}; fill it in, remove the row, or name "
            "the columns to use, without this one, as features"
        )
    raise DataError(
        f"{path}: expected a finite number, got {cell!r} in {place}; "
        "write it as a number, or name the columns to use, without this one, as features"
    )
