"""Reading a data set of the user's own from a .csv or .npz file, and new rows of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bnnpost.arguments import listed, real_array
from bnnpost.datasets.column_scaling import FloatArray
from bnnpost.datasets.csv_files import Table, read_table
from bnnpost.datasets.feature_cells import (
    MISSING,
    column_of,
    encoded,
    imputed,
    names_rows,
    unreadable,
    why_no_feature,
    without_missing,
)
from bnnpost.datasets.file_rows import Column, FileRows
from bnnpost.datasets.npz_files import Names, npz_arrays, read_npz
from bnnpost.datasets.table import NOT_STATED, DataError, Dataset, name_hint
from bnnpost.storage import as_path

_CURE = ", or name the columns to use, without this one, as features"


def read(
    path: str | Path,
    target: Names | None = None,
    *,
    features: Names | None = None,
    missing: str = "refuse",
    id_column: str | None = None,
    split_column: str | None = None,
    like: Dataset | None = None,
) -> Dataset:
    """Return the data set in a .csv or .npz file.

    .csv: comma-separated text with a header row. target is the name of the target column,
    or several as a sequence or joined by commas; features, likewise, names the columns of
    x, and without it every other column is one. y is [row] for one target and
    [row, output] for several. One target column that holds words throughout is of classes: y has
    their numbers, in the order of the alphabet, and `levels` the words. A feature that holds words
    is one column of zeros and ones a level, in the order of the alphabet; `columns` says which.

    missing: what to do about empty cells and NA: "refuse" them, "drop" their rows, or "impute":
    of numbers the mean, of words the most frequent level, over all rows (`imputed` fills in anew by
    the training rows); rows without a target are left out then. id_column: names rows, and
    split_column says train or test of each: neither is a feature unless features says so.
    like: a table of another file, whose columns and levels this one must have.

    .npz: target is the name of the array of y, [row] or [row, output], "y" if not given;
    features is the name of the array of x, [row, feature], "x" if not given. NaN is missing.
    Pickled arrays are never loaded.

    Raises DataError if the file is absent, unreadable, empty or of another kind; if a
    column or array is not there, is asked for twice or has no name; if rows are uneven; or
    if a value that is used is missing, no number or not finite, or a level that is not known.
    """
    if missing not in MISSING:
        raise DataError(f"missing: expected one of {', '.join(MISSING)}, got {missing!r}")
    path, labels = as_path(path), (id_column, split_column)
    if path.suffix.lower() == ".csv":
        _check_there(path)
        return _read_csv(path, target, features, missing, labels, like)
    if path.suffix.lower() != ".npz":
        raise DataError(
            f"{path}: expected a file name ending in .csv or .npz, got {path.suffix!r}; "
            "convert the file to one of these"
        )
    _check_there(path)
    if labels != (None, None):
        raise DataError(f"{path}: an id or split column is one of a .csv file, an .npz has none")
    return read_npz(path, target, features, missing, like)


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: no such file; check the name and the folder it is in")


def _read_csv(
    path: Path,
    target: Names | None,
    features: Names | None,
    missing: str,
    labels: tuple[str | None, str | None],
    like: Dataset | None,
) -> Dataset:
    """Return the data set in a CSV file; raises DataError as read does."""
    names, table = _columns(path)
    if target is None:
        raise DataError(
            f"{path}: the target column must be named for a .csv file; the columns are "
            f"{listed(names)}"
        )
    target_names = _chosen(path, "target", target, names)
    id_place, split_place = (
        None if one is None else names.index(_chosen(path, role, [one], names)[0])
        for role, one in zip(("id column", "split column"), labels, strict=True)
    )
    if like is not None:
        feature_names = tuple(column.name for column in like.columns)
        feature_names = _chosen(path, "feature", feature_names, names)
    elif features is None:
        feature_names = tuple(n for n in names if n not in (*target_names, *labels))
    else:
        feature_names = _chosen(path, "feature", features, names)
    _check_columns(path, feature_names, target_names)
    place_of = {name: place for place, name in enumerate(names)}
    places = [place_of[name] for name in feature_names]
    chosen = [place_of[name] for name in target_names]
    whole = table
    table, kept = without_missing(whole, places, chosen, missing)
    columns = like.columns if like else tuple(column_of(whole, one, _CURE) for one in places)
    left = {*kept}
    x, absent = encoded(table, columns, cure=_CURE, blank=True)
    y, levels = _targets(table, chosen, like)
    rows = FileRows(
        numbers=np.array(kept),
        num_rows=len(whole.rows),
        ids=() if id_place is None else tuple(row[id_place] for _, row in table.rows),
        parts=() if split_place is None else tuple(row[split_place] for _, row in table.rows),
        absent=absent if missing == "impute" else None,
        left_out=tuple(row for row in range(len(whole.rows)) if row not in left),
    )
    made = tuple(one for column in columns for one in column.feature_names)
    found = Dataset(
        path.stem, x, y, made, target_names, str(path), NOT_STATED, levels, columns, rows
    )
    return imputed(found) if like is None else found


def _targets(
    table: Table, chosen: Sequence[int], like: Dataset | None
) -> tuple[FloatArray, tuple[str, ...]]:
    """Targets [row] or [row, target], and the classes whose numbers they are, if words."""
    levels = table.levels(chosen[0]) if len(chosen) == 1 else ()
    if like is not None and like.levels:
        column = Column(table.header[chosen[0]], like.levels)  # type: ignore[index]
        return encoded(table, [column])[0].argmax(axis=1).astype(np.float64), like.levels
    if levels:
        words = [row[chosen[0]] for _, row in table.rows]
        return np.array([levels.index(one) for one in words], np.float64), levels
    y = table.numbers(chosen, cure=_CURE)
    return y[:, 0] if len(chosen) == 1 else y, ()


class NewRows(NamedTuple):
    """Rows of a file to predict at.

    x: features [row, feature], NaN in rows that cannot be read. ids: what the id column says of
    each; empty where the file has none. unreadable: by row, counted from 0, why it cannot be read.
    """

    x: FloatArray
    ids: tuple[str, ...]
    unreadable: dict[int, str]


def feature_rows(
    path: str | Path, columns: Sequence[Column], id_column: str | None = None, strict: bool = False
) -> NewRows:
    """Features of the rows of a file by these columns.

    As `read` made them, from a .csv with columns of these names in any order among others, or from
    the array x [row, feature] of an .npz; a missing cell has what its column says. strict: raise
    DataError for the first row that cannot be read, as with other missing cells and new levels.
    Raises DataError as `read` does, and where no row can be read.
    """
    path = as_path(path)
    if path.suffix.lower() == ".npz":
        _check_there(path)
        return _npz_rows(path, columns, strict)
    if path.suffix.lower() != ".csv":
        raise DataError(f"{path}: expected a file name ending in .csv or .npz")
    _check_there(path)
    names, table = _columns(path, fewest=1)
    reasons = {} if strict else unreadable(table, columns)
    kept = _readable(path, len(table.rows), reasons)
    found, _ = encoded(table.only(kept), columns)
    x = np.full((len(table.rows), found.shape[1]), np.nan)
    x[kept] = found
    place = names.index(id_column) if id_column in names else None
    ids = () if place is None else tuple(row[place] for _, row in table.rows)
    return NewRows(x, ids, reasons)


def _npz_rows(path: Path, columns: Sequence[Column], strict: bool) -> NewRows:
    names = tuple(name for column in columns for name in column.feature_names)
    x = npz_arrays(path, "x")[0]
    if x.ndim != 2 or x.shape[1] != len(names):
        raise DataError(
            f"{path}: expected x of shape [row, {len(names)}], a column for each of "
            f"{listed(names)}, got {x.shape}"
        )
    fills = {
        column.name: float(column.fill)
        for column in columns
        if column.fill is not None and not column.levels
    }
    filled = [fills.get(name, np.nan) for name in names]
    try:
        x = real_array(f"{path}: x", x)
    except ValueError as error:
        raise DataError(str(error)) from None
    x = np.where(np.isnan(x), filled, x)
    reasons = {}
    for row in () if strict else np.flatnonzero(~np.isfinite(x).all(axis=1)).tolist():
        wrong = [name for name, value in zip(names, x[row], strict=True) if not np.isfinite(value)]
        reasons[row] = "; ".join(f"{name}: no finite number" for name in wrong)
    kept = _readable(path, len(x), reasons)
    Dataset(path.stem, x[kept], np.zeros(len(kept)), names, ("y",), "", "")  # or it refuses them
    x[[*reasons]] = np.nan
    return NewRows(x, (), reasons)


def _readable(path: Path, num_rows: int, reasons: Mapping[int, str]) -> list[int]:
    """The rows without a reason. Raises DataError where there are none."""
    kept = [row for row in range(num_rows) if row not in reasons]
    if reasons and not kept:
        raise DataError(f"{path}: no row can be predicted. {first_reason(reasons)}")
    return kept


def first_reason(reasons: Mapping[int, str]) -> str:
    """Why the first of these rows cannot be predicted, and what to do about all, in sentences."""
    row, reason = next(iter(reasons.items()))
    return (
        f'Row {row}: {reason}. Fill in missing values (a run with missing = "impute" does so '
        "itself), write levels that the run knows, or train it on rows that have the new ones"
    )


class CsvColumns(NamedTuple):
    """The columns of a .csv file.

    unsuited: those that can be no features, or hardly good ones, with the reason. levels: by column
    of words, how many there are. missing: by column, how many cells are. ids: columns that name
    rows. num_rows: how many there are.
    """

    names: tuple[str, ...]
    unsuited: dict[str, str]
    levels: dict[str, int]
    missing: dict[str, int]
    ids: tuple[str, ...]
    num_rows: int


def csv_columns(path: str | Path) -> CsvColumns:
    """What is in the columns of a .csv file.

    Raises DataError if the file is absent, unreadable or empty, or has no usable header.
    """
    path = as_path(path)
    _check_there(path)
    names, table = _columns(path)
    unsuited: dict[str, str] = {}
    levels, missing, ids = {}, {}, []
    for place, name in enumerate(names):
        gone = {*table.missing(place)}
        if gone:
            missing[name] = len(gone)
        present = table.only([row for row in range(len(table.rows)) if row not in gone])
        if not present.rows:
            unsuited[name] = "empty"
            continue
        if names_rows(present, place):
            ids.append(name)
        if found := present.levels(place):
            levels[name] = len(found)
        elif wrong := next(present.unread(place), None):
            unsuited[name] = f"line {wrong[0]} has {wrong[1]!r}"
        if why := why_no_feature(present, place):
            unsuited[name] = why
    return CsvColumns(names, unsuited, levels, missing, tuple(ids), len(table.rows))


def _columns(path: Path, fewest: int = 2) -> tuple[tuple[str, ...], Table]:
    """A table, and its header: so many or more distinct names. Raises DataError for any other."""
    table = read_table(path)
    names = table.header
    if names is None:
        raise DataError(
            f"{path}: the first row must be a header of column names, got only numbers "
            f"({', '.join(table.rows[0][1][:3])}, ...); put a row of names above them"
        )
    if len(names) < fewest:
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
