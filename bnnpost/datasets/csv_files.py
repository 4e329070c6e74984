"""Comma-separated text: its cells, where each stands, and the numbers in them."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bnnpost.datasets.table import DataError, FloatArray

# More are no table of anything here, and take minutes to read.
MOST_COLUMNS = 200_000
# What spreadsheets and statistics packages write where a value is absent.
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "#n/a"})


class Table(NamedTuple):
    """The cells of a file, without spaces around them: of its header, and of the rows below it.

    header: None where the first row is numbers. rows: each with its line of the file, counted
    from 1 as an editor does; all have as many cells as the header.
    """

    path: Path
    header: tuple[str, ...] | None
    rows: list[tuple[int, list[str]]]

    def numbers(
        self, columns: Sequence[int] | None = None, *, finite: bool = True, cure: str = ""
    ) -> FloatArray:
        """The numbers of some columns, by default of all, as [row, column].

        finite: whether NaN and infinity are refused. Raises DataError, with the line, the column
        and the cure, at a cell that holds no number.
        """
        places = range(len(self.rows[0][1])) if columns is None else columns
        for place in places:
            for line, cell in self.unread(place, finite):
                raise self._refused(line, place, cell, cure)
        values = [[float(row[place]) for place in places] for _, row in self.rows]
        return np.array(values).reshape(len(self.rows), len(places))

    def levels(self, place: int) -> tuple[str, ...]:
        """The words of a column, sorted, where all its cells but missing ones are words."""
        words = {row[place] for _, row in self.rows if not is_missing(row[place])}
        are_words = all(_number(one) is None for one in words)
        return tuple(sorted(words)) if are_words else ()

    def missing(self, place: int) -> list[int]:
        """Which rows have no value in a column, counted from 0."""
        return [i for i, (_, row) in enumerate(self.rows) if is_missing(row[place])]

    def only(self, kept: Sequence[int]) -> Table:
        """The table of some of its rows."""
        return self._replace(rows=[self.rows[i] for i in kept])

    def unread(self, place: int, finite: bool = True) -> Iterator[tuple[int, str]]:
        """Lines and cells of a column that hold no number."""
        for line, row in self.rows:
            value = _number(row[place])
            if value is None or (finite and not math.isfinite(value)):
                yield line, row[place]

    def _refused(self, line: int, place: int, cell: str, cure: str) -> DataError:
        name = place + 1 if self.header is None else repr(self.header[place])
        at = f"column {name}, line {line} of the file (the first is line 1)"
        if is_missing(cell):
            what = f"missing value ({cell!r}) in {at}; fill it in or remove the row"
        else:
            what = f"expected a finite number, got {cell!r} in {at}; write it as a number"
        return DataError(f"{self.path}: {what}{cure}")


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.lower() in _MISSING


def read_table(path: Path) -> Table:
    """The table in a file, blank lines left out.

    Raises DataError if it cannot be read as text, is empty, or has rows of different length.
    """
    rows = _rows(path)
    if not rows:
        raise DataError(f"{path}: the file is empty; expected a header and rows of numbers below")
    header = None
    if any(_number(cell) is None for cell in rows[0][1]):
        header = rows.pop(0)[1]
        if not rows:
            raise DataError(f"{path}: there is a header but no rows below it; add rows of numbers")
        if len(header) > len(rows[0][1]):
            header = _rejoined(header)
    is_note = header is not None and len(header) == 1 and header[0].startswith("#")
    if is_note and len(rows[0][1]) > 1:
        raise DataError(f"{path}: the header must be the first line: remove those above it")
    width = len(rows[0][1] if header is None else header)
    for line, row in rows:
        if len(row) != width:
            raise DataError(
                f"{path}: ragged rows: the first row has {width} columns but line {line} has "
                f"{len(row)}; add or remove cells there"
            )
    return Table(path, None if header is None else tuple(header), rows)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    found = []
    try:
        # utf-8-sig takes off the mark that spreadsheets put before the first column name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for row in reader:
                check_num_columns(path, len(row))
                if row:
                    found.append((reader.line_num, [cell.strip() for cell in row]))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: expected comma-separated text in UTF-8, but it cannot be read: {error}; "
            "save it again as CSV in UTF-8"
        ) from error
    return found


def check_num_columns(path: Path, count: int) -> None:
    """Raise DataError for more columns than any table has."""
    if count > MOST_COLUMNS:
        raise DataError(
            f"{path}: expected at most {MOST_COLUMNS:,} columns, got {count:,}; keep those that "
            "matter, or turn the table if its rows are its columns"
        )


def _rejoined(header: Sequence[str]) -> list[str]:
    """Names such as f[0, 1] whose comma was not quoted, put together again."""
    names: list[str] = []
    for cell in header:
        if names and names[-1].count("[") > names[-1].count("]"):
            names[-1] = f"{names[-1]},{cell}"
        else:
            names.append(cell)
    return names


def _number(cell: str) -> float | None:
    """The number that a cell holds, which may be NaN; None if it holds none."""
    # float takes the underscores of Python source, which in data are a slip.
    if "_" in cell:
        return None
    try:
        return float(cell)
    except ValueError:
        return None
