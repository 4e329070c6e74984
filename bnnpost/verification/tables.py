"""Function values as comma-separated text: a row a draw, a column a value."""

import csv
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from bnnpost.storage import whole
from bnnpost.verification.sets import TEST, TRAIN, Values, columns_of

_CHAIN, _DRAW = "chain", "draw"
_COLUMN = re.compile(r"\s*(f|f_test|f_train)\s*\[\s*(\d+)\s*(?:,\s*(\d+)\s*)?\]\s*")
_FORMAT = 'columns "f[0]" or "f[0, 1]" (point, output), "f_train[0]", "chain" and "draw"'


def write_csv(path: str | os.PathLike[str], values: Mapping[str, Values]) -> None:
    """Write function values with a header: chain, draw, f[0], f[1], … (f[0, 1] if several outputs).

    values: by "f" and "f_train", [chain, draw, point, output], of the same draws. Numbers are
    written so that they read the same; the file is there whole or not at all. Raises
    FileNotFoundError if the folder does not exist.
    """
    arrays = {
        name: np.asarray(values[name], np.float64) for name in (TEST, TRAIN) if name in values
    }
    shapes = {name: (array.shape[2], array.shape[3]) for name, array in arrays.items()}
    chains, length = next(iter(arrays.values())).shape[:2]
    rows = np.concatenate([a.reshape(chains * length, -1) for a in arrays.values()], axis=1)
    with whole(Path(path)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([_CHAIN, _DRAW, *columns_of(shapes)])
        for number, row in enumerate(rows.tolist()):
            writer.writerow([*divmod(number, length), *map(repr, row)])


def read_csv(path: Path) -> dict[str, Values] | Float[np.ndarray, "draw column"]:
    """Values by name from a table with a header, or the bare numbers of one without.

    Raises ValueError that names the file and the line, or OSError.
    """
    header, rows = read_numbers(path)
    return rows if header is None else from_table(str(path), header, rows)


def read_numbers(path: Path) -> tuple[list[str] | None, Float[np.ndarray, "row column"]]:
    """The header of a table, None if its first row is numbers, and the numbers below it.

    Raises ValueError that names the file and the line, or OSError.
    """
    try:
        # utf-8-sig takes off the mark that spreadsheets put at the beginning.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: expected comma-separated text in UTF-8: {error}") from None
    if not lines:
        raise ValueError(f"{path}: the file is empty; expected a row of numbers for each draw")
    header = None
    if any(_number(cell) is None for cell in lines[0][1]):
        header = _rejoined(lines.pop(0)[1])
    width = len(lines[0][1]) if header is None and lines else len(header or ())
    rows = np.empty((len(lines), width))
    for i, (line, cells) in enumerate(lines):
        rows[i] = _numbers(f"{path}, line {line}", cells, width)
    return header, rows


def _rejoined(header: Sequence[str]) -> list[str]:
    """Names such as f[0, 1] whose comma was not quoted, put together again."""
    names: list[str] = []
    for cell in header:
        if names and names[-1].count("[") > names[-1].count("]"):
            names[-1] = f"{names[-1]},{cell}"
        else:
            names.append(cell)
    return [name.strip() for name in names]


def _numbers(where: str, cells: Sequence[str], width: int) -> list[float]:
    if len(cells) != width:
        raise ValueError(f"{where}: expected {width} cells as in the first row, got {len(cells)}")
    found = []
    for place, cell in enumerate(cells):
        value = _number(cell)
        if value is None:
            raise ValueError(f"{where}: expected a number in column {place + 1}, got {cell!r}")
        found.append(value)
    return found


def _number(cell: str) -> float | None:
    """The number in a cell, which may be NaN; None if there is none."""
    # float takes the underscores of Python source, which in data are a slip.
    if "_" in cell:
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def from_table(
    where: str, header: Sequence[str], rows: Float[np.ndarray, "row column"]
) -> dict[str, Values]:
    """Values by "f" or "f_train", [chain, draw, point, output], from named columns.

    where: what is named in errors. Rows go by their numbers of chain and draw where these
    columns are there. Raises ValueError for other columns, for some that are missing or there
    twice, and for chains of different lengths.
    """
    places = _places(where, header)
    if not len(rows):
        raise ValueError(f"{where}: there is a header but no row of numbers below it")
    chains = _in_chains(where, header, rows)
    return {
        name: chains[:, :, _in_order(where, name, found)] for name, found in places.items() if found
    }


def _places(where: str, header: Sequence[str]) -> dict[str, dict[tuple[int, int], int]]:
    """Column of each (point, output), by "f" or "f_train"."""
    places: dict[str, dict[tuple[int, int], int]] = {TEST: {}, TRAIN: {}}
    for column, label in enumerate(header):
        match = _COLUMN.fullmatch(label)
        if match is None:
            if label in (_CHAIN, _DRAW) and header.count(label) == 1:
                continue
            raise ValueError(f"{where}: column {label!r} is not one of {_FORMAT}, each once")
        found = places[TRAIN if match[1] == TRAIN else TEST]
        index = int(match[2]), int(match[3] or 0)
        if index in found:
            raise ValueError(f"{where}: column {label!r} is there twice: leave one")
        found[index] = column
    if not any(places.values()):
        raise ValueError(f"{where}: no function values: expected {_FORMAT}")
    return places


def _in_order(where: str, name: str, found: Mapping[tuple[int, int], int]) -> np.ndarray:
    """The columns as [point, output]. Raises ValueError if some are missing."""
    points, outputs = (max(index[axis] for index in found) + 1 for axis in (0, 1))
    for index in np.ndindex(points, outputs):
        if index not in found:
            missing = f"{name}[{index[0]}]" if outputs == 1 else f"{name}[{index[0]}, {index[1]}]"
            raise ValueError(f"{where}: there is no column {missing}, but others after it: add it")
    return np.array(
        [[found[point, output] for output in range(outputs)] for point in range(points)]
    )


def _in_chains(
    where: str, header: Sequence[str], rows: Float[np.ndarray, "row column"]
) -> Float[np.ndarray, "chain draw column"]:
    """Rows in the order of their chains and draws, which must be equally many in each chain."""
    chain, draw = (_numbering(where, header, rows, label) for label in (_CHAIN, _DRAW))
    if draw is not None:
        # Where both are there they name a row; without chains, draws alone do.
        pairs = draw[:, None] if chain is None else np.stack([chain, draw], axis=1)
        if len(np.unique(pairs, axis=0)) < len(rows):
            raise ValueError(f"{where}: some draw is there twice: number the draws of each chain")
    first = np.zeros(len(rows)) if chain is None else chain
    second = np.arange(len(rows)) if draw is None else draw
    lengths = np.unique(first, return_counts=True)[1]
    if len(set(lengths.tolist())) > 1:
        raise ValueError(
            f"{where}: chains of different lengths, {min(lengths)} to {max(lengths)} draws: "
            "make them equal"
        )
    return rows[np.lexsort((second, first))].reshape(len(lengths), -1, rows.shape[1])


def _numbering(
    where: str, header: Sequence[str], rows: np.ndarray, label: str
) -> Float[np.ndarray, " row"] | None:
    if label not in header:
        return None
    found: np.ndarray = rows[:, header.index(label)]
    if not all(math.isfinite(value) and value == int(value) for value in found.tolist()):
        raise ValueError(f"{where}: expected whole numbers in column {label!r}")
    return found
