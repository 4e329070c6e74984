"""Reading a data set of the user's own from a .csv or .npz file."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bnnpost.arguments import listed
from bnnpost.datasets.csv_files import Table, check_num_columns, read_table
from bnnpost.datasets.table import DataError, Dataset, name_hint
from bnnpost.storage import array_names, as_path, header, read_arrays

Names = str | Sequence[str]

_LICENCE = "not stated"
_CURE = ", or name the columns to use, without this one, as features"
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
    _check_there(path)
    return reader(path, target, features)


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the name and the folder it is in")


def _read_csv(path: Path, target: Names | None, features: Names | None) -> Dataset:
    """Return the data set in a CSV file; raises DataError as read does."""
    names, table = _columns(path)
    if target is None:
        raise DataError(
            f"{path}: the target column must be named for a .csv file; the columns are "
            f"{listed(names)}"
        )
    target_names = _chosen(path, "target", target, names)
    if features is None:
        feature_names = tuple(name for name in names if name not in target_names)
    else:
        feature_names = _chosen(path, "feature", features, names)
    _check_columns(path, feature_names, target_names)
    places = {name: place for place, name in enumerate(names)}
    x = table.numbers([places[name] for name in feature_names], cure=_CURE)
    chosen = [places[name] for name in target_names]
    levels = table.levels(chosen[0]) if len(chosen) == 1 else ()
    if levels:
        y = np.array([levels.index(row[chosen[0]]) for _, row in table.rows], np.float64)
    else:
        y = table.numbers(chosen, cure=_CURE)
        y = y[:, 0] if len(chosen) == 1 else y
    return Dataset(path.stem, x, y, feature_names, target_names, str(path), _LICENCE, levels)


def columns(path: str | Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """The columns of a .csv file, and of those that cannot be read as numbers the reason.

    Raises DataError if the file is absent, unreadable or empty, or has no usable header.
    """
    path = as_path(path)
    _check_there(path)
    names, table = _columns(path)
    found = {}
    for place, name in enumerate(names):
        wrong = list(table.unread(place))
        if len(wrong) == len(table.rows):
            found[name] = "text"
        elif wrong:
            found[name] = f"line {wrong[0][0]} has {wrong[0][1]!r}"
    return names, found


def _columns(path: Path) -> tuple[tuple[str, ...], Table]:
    """A table, and its header: two or more distinct names. Raises DataError for any other."""
    table = read_table(path)
    names = table.header
    if names is None:
        raise DataError(
            f"{path}: the first row must be a header of column names, got only numbers "
            f"({', '.join(table.rows[0][1][:3])}, ...); put a row of names above them"
        )
    if len(names) < 2:
        raise DataError(
            f"{path}: a feature and a target column are needed, got the single column "
            f"{names[0]!r}; {_one_column_cure(names[0])}"
        )
    if "" in names:
        raise DataError(
            f"{path}: column {names.index('') + 1} of {len(names)} has no name in the header; "
            "name it or remove it"
        )
    if repeated := _repeated(names):
        raise DataError(
            f"{path}: duplicate column names in the header: {listed(repeated)}; "
            "give every column a name of its own"
        )
    return names, table


def _one_column_cure(name: str) -> str:
    """What to do about a header that is one column."""
    if ";" in name or "\t" in name:
        kind = "semicolons" if ";" in name else "tabs"
        return f"columns are separated by {kind}: save it with commas, and decimal points"
    if name.startswith("#"):
        return "the header must be the first line: remove those above it"
    return "separate the columns by commas"


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _chosen(path: Path, role: str, wanted: Names, header: tuple[str, ...]) -> tuple[str, ...]:
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
    if repeated := _repeated(features + targets):
        raise DataError(
            f"{path}: {listed(repeated)} is used more than once; a column can be one feature "
            "or one target"
        )


def _read_npz(path: Path, target: Names | None, features: Names | None) -> Dataset:
    """Return the data set in an npz archive; raises DataError as read does."""
    x_name = _array_name(path, "features", features, "x")
    y_name = _array_name(path, "target", target, "y")
    x, y = _npz_arrays(path, x_name, y_name)
    target_names = (y_name,) if y.ndim < 2 else _numbered(y_name, y)
    return Dataset(path.stem, x, y, _numbered(x_name, x), target_names, str(path), _LICENCE)


def _array_name(path: Path, role: str, wanted: Names | None, default: str) -> str:
    """Return the one array name asked for; raises DataError if there are several."""
    chosen = [default] if wanted is None else [wanted] if isinstance(wanted, str) else list(wanted)
    if len(chosen) != 1:
        raise DataError(
            f"{path}: for an .npz file {role} must be the name of one array, got {chosen}; "
            "put the columns in one array"
        )
    return chosen[0]


def _npz_arrays(path: Path, *names: str) -> list[npt.NDArray[Any]]:
    """Return the arrays of x and y; raises DataError if that cannot be done safely."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: not an npz archive; write it with numpy.savez(path, x=x, y=y)")
    shapes = []
    for name in names:
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
    for name in names:
        with _told_of(path, name):
            found.append(read_arrays(path, [name])[name])
    return found


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
    check_num_columns(path, x[1] if len(x) > 1 else 1)


def _numbered(name: str, array: npt.NDArray[Any]) -> tuple[str, ...]:
    """Return one name per column of array, [row, column]: x0, x1, ... for the name x."""
    num_columns = array.shape[1] if array.ndim > 1 else 1
    return tuple(f"{name}{column}" for column in range(num_columns))
