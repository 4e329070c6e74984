"""Reading a data set of the user's own from a .csv or .npz file."""

from __future__ import annotations

import contextlib
import csv
import math
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from bnnpost.arguments import listed
from bnnpost.datasets.table import DataError, Dataset, FloatArray, name_hint
from bnnpost.storage import array_names, as_path, header, read_arrays

Names = str | Sequence[str]

_LICENCE = "not stated"
# More are no table of a data set whose posterior can be drawn from, and take minutes to read.
MOST_COLUMNS = 200_000
# What spreadsheets and statistics packages write where a value is absent.
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "#n/a"})
# What a damaged archive raises that is neither an OSError nor a ValueError.
_DAMAGED = (zipfile.BadZipFile, zlib.error)


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
    readers = {".csv": _read_csv, ".npz": _read_npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: expected a file name ending in .csv or .npz, got {path.suffix!r}; "
            "convert the file to one of these"
        )
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the name and the folder it is in")
    return reader(path, target, features)


def _read_csv(path: Path, target: Names | None, features: Names | None) -> Dataset:
    """Return the data set in a CSV file; raises DataError as read does."""
    header, lines = _csv_lines(path)
    if target is None:
        raise DataError(
            f"{path}: the target column must be named for a .csv file; the columns are "
            f"{listed(header)}"
        )
    target_names = _chosen(path, "target", target, header)
    if features is None:
        feature_names = tuple(name for name in header if name not in target_names)
    else:
        feature_names = _chosen(path, "feature", features, header)
    _check_columns(path, feature_names, target_names)
    levels = _levels(header, lines, target_names)
    if levels:
        place = header.index(target_names[0])
        y = np.array([levels.index(row[place]) for _, row in lines], np.float64)
    else:
        y = _numbers(path, header, lines, target_names)
    return Dataset(
        name=path.stem,
        x=_numbers(path, header, lines, feature_names),
        y=y[:, 0] if y.ndim == 2 and len(target_names) == 1 else y,
        feature_names=feature_names,
        target_names=target_names,
        source=str(path),
        licence=_LICENCE,
        levels=levels,
    )


def _levels(
    header: list[str], lines: list[tuple[int, list[str]]], targets: tuple[str, ...]
) -> tuple[str, ...]:
    """The words of the one target column where all its cells are words; else nothing."""
    words = {row[header.index(targets[0])] for _, row in lines}
    are_words = all(_number(word) is None and word.lower() not in _MISSING for word in words)
    return tuple(sorted(words)) if len(targets) == 1 and are_words else ()


def columns(path: str | Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """The columns of a .csv file, and of those that cannot be read as numbers the reason.

    Raises DataError if the file is absent, unreadable or empty, or has no usable header.
    """
    path = as_path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the name and the folder it is in")
    header, lines = _csv_lines(path)
    found = {}
    for place, name in enumerate(header):
        wrong = [(line, row[place]) for line, row in lines if _number(row[place]) is None]
        if len(wrong) == len(lines):
            found[name] = "text"
        elif wrong:
            found[name] = f"line {wrong[0][0]} has {wrong[0][1]!r}"
    return tuple(header), found


def _csv_lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
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
                _check_num_columns(path, len(row))
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
    return header, lines


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


def _chosen(path: Path, role: str, wanted: Names, header: list[str]) -> tuple[str, ...]:
    """Return the wanted column names; raises DataError if one is not in the header."""
    if isinstance(wanted, str):
        # A quoted header cell may itself hold a comma, so the whole text goes first.
        wanted = [wanted] if wanted in header else wanted.split(",")
    chosen = tuple(name.strip() for name in wanted)
    known = set(header)
    for name in chosen:
        if name not in known:
            raise DataError(
                f"{path}: no column is called {name!r}, asked for as a {role}"
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


def _numbers(
    path: Path, header: list[str], lines: list[tuple[int, list[str]]], columns: tuple[str, ...]
) -> FloatArray:
    """Return the named columns as [row, column]; raises DataError at a cell that is no number."""
    of_name = {name: place for place, name in enumerate(header)}
    places = [of_name[name] for name in columns]
    values = np.empty((len(lines), len(columns)))
    for index, (line, row) in enumerate(lines):
        for column, place in enumerate(places):
            value = _number(row[place])
            if value is None:
                _refuse_cell(path, columns[column], line, row[place])
            values[index, column] = value
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


def _read_npz(path: Path, target: Names | None, features: Names | None) -> Dataset:
    """Return the data set in an npz archive; raises DataError as read does."""
    x_name = _array_name(path, "features", features, "x")
    y_name = _array_name(path, "target", target, "y")
    x, y = _npz_arrays(path, x_name, y_name)
    return Dataset(
        name=path.stem,
        x=x,
        y=y,
        feature_names=_numbered(x_name, x),
        target_names=(y_name,) if y.ndim < 2 else _numbered(y_name, y),
        source=str(path),
        licence=_LICENCE,
    )


def _array_name(path: Path, role: str, wanted: Names | None, default: str) -> str:
    """Return the one array name asked for; raises DataError if there are several."""
    chosen = [default] if wanted is None else [wanted] if isinstance(wanted, str) else list(wanted)
    if len(chosen) != 1:
        raise DataError(
            f"{path}: for an .npz file {role} must be the name of one array, got {chosen}; "
            "put the columns in one array"
        )
    return chosen[0]


def _npz_arrays(path: Path, x_name: str, y_name: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return two arrays of an npz archive; raises DataError if that cannot be done safely."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: not an npz archive; write it with numpy.savez(path, x=x, y=y)")
    shapes = []
    for name in (x_name, y_name):
        with _told_of(path, name):
            known = array_names(path)
            if name not in known:
                raise DataError(
                    f"{path}: no array is called {name!r}{name_hint(name, known)} "
                    f"The arrays are {listed(known) or 'none: the file is empty'}"
                )
            shapes.append(header(path, name).shape)
    _check_sizes(path, *shapes)
    found = []
    for name in (x_name, y_name):
        with _told_of(path, name):
            found.append(read_arrays(path, [name])[name])
    return found[0], found[1]


@contextlib.contextmanager
def _told_of(path: Path, name: str) -> Iterator[None]:
    """What goes wrong with one array, as a DataError."""
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, EOFError, RuntimeError, *_DAMAGED) as error:
        raise DataError(
            f"{path}: array {name!r} must be plain numbers, but it cannot be read without "
            f"pickle or is damaged: {error}; save it as a float array"
        ) from error


def _check_sizes(path: Path, x: tuple[int, ...], y: tuple[int, ...]) -> None:
    """Raise DataError for shapes that no table has, before what may be gigabytes is read."""
    if x and y and x[0] != y[0]:
        raise DataError(
            f"{path}: x and y must have as many rows as each other, got {x[0]:,} and {y[0]:,}; "
            "drop the rows that have no partner"
        )
    _check_num_columns(path, x[1] if len(x) > 1 else 1)


def _check_num_columns(path: Path, count: int) -> None:
    if count > MOST_COLUMNS:
        raise DataError(
            f"{path}: expected at most {MOST_COLUMNS:,} columns, got {count:,}; keep those that "
            "matter, or turn the table if its rows are its columns"
        )


def _numbered(name: str, array: npt.NDArray[Any]) -> tuple[str, ...]:
    """Return one name per column of array, [row, column]: x0, x1, ... for the name x."""
    num_columns = array.shape[1] if array.ndim > 1 else 1
    return tuple(f"{name}{column}" for column in range(num_columns))
