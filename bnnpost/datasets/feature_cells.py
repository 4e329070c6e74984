"""Features from the cells of a table: numbers as they are, words as zeros and ones, a level each.

Missing cells are refused, their rows left out, or filled in: numbers by the mean, words by the most
frequent level. Which rows these are taken over is for `imputed` to say: the training rows.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bnnpost.arguments import listed
from bnnpost.datasets.csv_files import Table, is_missing
from bnnpost.datasets.file_rows import Column
from bnnpost.datasets.table import DataError, Dataset, name_hint

if TYPE_CHECKING:
    from bnnpost.datasets.column_scaling import FloatArray

#: What may be done about missing cells.
MISSING = ("refuse", "drop", "impute")
# More words than these are no kinds of anything.
_MOST_LEVELS = 100
# So few words are kinds of something however few rows there are; elsewhere one for ten rows.
_FEW_LEVELS, _ROWS_A_LEVEL = 5, 10
# Days, with times or without, and months: 2024-01-31, 31.12.24, 1/31/2024 9:30, 3 Feb 24, Feb 2024.
_DATE = re.compile(
    r"(\d{4}([-/.])\d{1,2}(\2\d{1,2})?|\d{1,2}([-/.])\d{1,2}\4(\d{2}|\d{4})"
    r"|(\d{1,2}[ .-]+)?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ .,-]+"
    r"(\d{1,2}[ ,]+)?(\d{2}|\d{4}))([T ]+\d{1,2}:\d{2}.*)?",
    re.IGNORECASE,
)
# Names of columns of whole numbers that only name rows.
_ID_NAME = re.compile(r"(.*[_ -])?(id|index|key)|row|nr|no|unnamed: 0", re.IGNORECASE)
# Lines, and columns, that an error names.
_NAMED = 5
# What a person takes for a number and Python does not: 1,5 and 12% and 1 000 and 1_000.
_ALMOST = re.compile(r"[-+]?[\d.,_ ']*\d[\d.,_ ']*\s*%?$")


def column_of(table: Table, place: int, cure: str) -> Column:
    """What a column of a table is. Raises DataError for neither numbers nor levels."""
    assert table.header is not None
    name, levels = table.header[place], table.levels(place)
    if not levels:
        return Column(name)
    at = f"{table.path}: column {name!r}"
    if odd := next((one for one in levels if _ALMOST.match(one)), None):
        line = next(line for line, row in table.rows if row[place] == odd)
        raise DataError(
            f"{at} has {odd!r} in line {line}: expected a finite number, with a point for decimals "
            f"and nothing besides; write it as a number{cure}"
        )
    if is_like_id(table, place):
        raise DataError(
            f"{at} holds words, {len(levels):,} different ones in {len(table.rows):,} rows, like "
            f"a name of each row: leave it out, or name it as id_column{cure}"
        )
    return Column(name, levels)


def is_like_id(table: Table, place: int) -> bool:
    """Whether a column has words, too many of them to be kinds of something."""
    found, present = len(table.levels(place)), len(table.rows) - len(table.missing(place))
    return found > _MOST_LEVELS or (found > 1 and found == present)


def names_rows(table: Table, place: int) -> bool:
    """Whether a column has another word, or by its name an identifier, in each of several rows."""
    assert table.header is not None
    words, cells = table.levels(place), [row[place] for _, row in table.rows]
    if len(cells) < 2 or len({*cells}) < len(cells):
        return False
    if words:
        return not all(map(_DATE.fullmatch, words))
    is_whole = all(cell.lstrip("+-").isdigit() for cell in cells)
    return is_whole and bool(_ID_NAME.fullmatch(table.header[place]))


def why_no_feature(table: Table, place: int) -> str:
    """Why a column had better be no feature, unless it is asked for; empty if it is a good one.

    table: of rows that have a value in this column.
    """
    words, count = table.levels(place), len(table.rows)
    if words and all(map(_DATE.fullmatch, words)):
        return f"dates, {len(words):,} different ones; days since the first, say, would be numbers"
    if names_rows(table, place):
        return "another in each row, like a name of it"
    if is_like_id(table, place) or len(words) > max(_FEW_LEVELS, count / _ROWS_A_LEVEL):
        return f"{len(words):,} different words in {count:,} rows"
    return ""


def without_missing(
    table: Table, features: Sequence[int], targets: Sequence[int], missing: str
) -> tuple[Table, list[int]]:
    """The table without the rows that are not used, and the rows that are left.

    missing: of `MISSING`. Rows without a target are left out even where features are filled in.
    Raises DataError where missing cells are refused, or no row is left.
    """
    found = {place: table.missing(place) for place in (*features, *targets)}
    found = {place: rows for place, rows in found.items() if rows}
    if missing == "refuse" and found:
        raise DataError(f"{table.path}: {_told(table, found)}")
    counted = found if missing == "drop" else {p: found[p] for p in targets if p in found}
    out = {row for rows in counted.values() for row in rows}
    kept = [row for row in range(len(table.rows)) if row not in out]
    if not kept:
        raise DataError(f"{table.path}: every row has a missing value: {_told(table, found)}")
    return table.only(kept), kept


def _told(table: Table, found: Mapping[int, Sequence[int]]) -> str:
    """How many cells are missing and where, and what to do."""
    assert table.header is not None
    parts = []
    for place, rows in list(found.items())[:_NAMED]:
        lines = ", ".join(str(table.rows[row][0]) for row in rows[:_NAMED])
        more = ", …" if len(rows) > _NAMED else ""
        words = {table.rows[row][1][place] for row in rows} - {""}
        written = f": {', '.join(sorted(words))}" if words else ""
        which = f"line{'s' if len(rows) > 1 else ''} {lines}{more}{written}"
        parts.append(f"column {table.header[place]!r} has {len(rows):,} ({which})")
    more = f" and {len(found) - _NAMED} more columns" if len(found) > _NAMED else ""
    count, rows_ = sum(map(len, found.values())), len({r for rows in found.values() for r in rows})
    return (
        f"{count:,} missing value{'s' if count > 1 else ''}: {'; '.join(parts)}{more}. Set "
        f'missing = "drop" to remove the rows ({rows_:,} of {len(table.rows):,}), "impute" to fill '
        "in the mean of the training rows (of words the most frequent one), or fill them in, or "
        "name the columns to use, without these, as features"
    )


def encoded(
    table: Table, columns: Sequence[Column], *, cure: str = "", blank: bool = False
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Features [row, feature] by these columns, and which of them were missing.

    Columns are found by their names; a missing cell has what the column says, or 0 where it says
    nothing and blank. Raises DataError for a column that is not there, a level that is not known,
    and a cell that is no number or missing.
    """
    parts, absent = [], []
    for place, column in zip(_places(table, columns), columns, strict=True):
        gone = np.zeros(len(table.rows), bool)
        gone[table.missing(place)] = True
        if gone.any() and column.fill is None and not blank:
            raise DataError(f"{table.path}: {_told_new(table, place, gone)}")
        cells = table.only(np.flatnonzero(~gone).tolist())
        values = np.zeros((len(gone), len(column.feature_names)))
        if len(cells.rows):
            values[~gone] = _values(cells, place, column, cure)
        values[gone] = _filled(column)
        parts.append(values)
        absent.append(np.repeat(gone[:, None], values.shape[1], axis=1))
    return np.concatenate(parts, axis=1), np.concatenate(absent, axis=1)


def _places(table: Table, columns: Sequence[Column]) -> list[int]:
    """Where these columns are in a table. Raises DataError for one that is not there."""
    assert table.header is not None
    places = {name: place for place, name in enumerate(table.header)}
    for column in columns:
        if column.name not in places:
            raise DataError(
                f"{table.path}: no column is called {column.name!r}, which is a feature"
                f"{name_hint(column.name, table.header)} The columns are {', '.join(table.header)}"
            )
    return [places[column.name] for column in columns]


def _told_new(table: Table, place: int, gone: npt.NDArray[np.bool_]) -> str:
    assert table.header is not None
    lines = [table.rows[row][0] for row in np.flatnonzero(gone)]
    return (
        f"{len(lines):,} missing value{'s' if len(lines) > 1 else ''} in column "
        f"{table.header[place]!r}, the first in line {lines[0]}: fill them in or remove the rows "
        '(a run with missing = "impute" fills them in itself)'
    )


def _values(table: Table, place: int, column: Column, cure: str) -> FloatArray:
    if not column.levels:
        return table.numbers([place], cure=cure)
    for line, row in table.rows:
        if row[place] not in column.levels:
            raise DataError(
                f"{table.path}: column {column.name!r} has {row[place]!r} in line {line}, which is "
                f"none of its levels ({listed(column.levels)}): write one of these there, remove "
                f"the row, or let rows with this one train{cure}"
            )
    places = [column.levels.index(row[place]) for _, row in table.rows]
    return np.eye(len(column.levels))[places]


def unreadable(table: Table, columns: Sequence[Column]) -> dict[int, str]:
    """By row, counted from 0, why `encoded` would refuse it; rows that it reads are left out.

    Raises DataError for a column that is not there.
    """
    reasons: dict[int, list[str]] = {}
    for place, column in zip(_places(table, columns), columns, strict=True):
        wrong = {line: f"{cell!r} is no finite number" for line, cell in table.unread(place)}
        for number, (line, row) in enumerate(table.rows):
            if is_missing(row[place]):
                told = "a missing value" if column.fill is None else ""
            elif not column.levels:
                told = wrong.get(line, "")
            else:
                known = f"{row[place]!r} is none of its levels ({listed(column.levels)})"
                told = "" if row[place] in column.levels else known
            if told:
                reasons.setdefault(number, []).append(f"{column.name}: {told}")
    return {number: "; ".join(told) for number, told in sorted(reasons.items())}


def _filled(column: Column) -> FloatArray:
    """The features of a missing cell."""
    if not column.levels:
        return np.array([float(column.fill or 0)])
    return np.array([float(one == column.fill) for one in column.levels])


def imputed(data: Dataset, rows: Sequence[int] | npt.NDArray[np.int64] | None = None) -> Dataset:
    """A copy whose missing cells are filled in by what is known of some rows, by default all.

    Of numbers by their mean, of words by the most frequent level (the first in the alphabet of
    several), which the copy's columns tell. Raises DataError for a column without any value there.
    """
    absent = data.origin.absent
    if absent is None:
        return data
    chosen = np.arange(data.num_rows) if rows is None else np.asarray(rows)
    x, columns, start = data.x.copy(), [], 0
    for column in data.columns:
        own = slice(start, start + len(column.feature_names))
        start, known = own.stop, chosen[~absent[chosen, own.start]]
        if not len(known):
            raise DataError(
                f"{data.name}: column {column.name!r} has no value in the training rows: leave it "
                "out, or choose other rows"
            )
        mean = x[known, own].mean(axis=0)
        fill = column.levels[int(np.argmax(mean))] if column.levels else float(mean[0])
        columns.append(dataclasses.replace(column, fill=fill))
        x[absent[:, own.start], own] = _filled(columns[-1])
    return dataclasses.replace(data, x=x, columns=tuple(columns))
