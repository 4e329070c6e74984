"""Function values in named columns of CSV files and data frames: a row a draw, a column a value."""

import csv
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from bnnpost.datasets.csv_files import read_table
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

    NaN and infinity are values here. Raises ValueError that names the file and the line.
    """
    table = read_table(path)
    rows = table.numbers(finite=False)
    return rows if table.header is None else from_columns(str(path), table.header, rows)


def from_columns(
    where: str, header: Sequence[str], rows: Float[np.ndarray, "row column"]
) -> dict[str, Values]:
    """Values by "f" or "f_train", [chain, draw, point, output], from named columns.

    where: what is named in errors. Rows go by their numbers of chain and draw where these
    columns are there. Raises ValueError for other columns, for some that are missing or there
    twice, and for chains of different lengths.
    """
    places = _places(where, header)
    if not len(rows):
        raise ValueError(f"{where}: there is a header but no rows below it")
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
    ordered = []
    # Names may be of billions of columns: the first that is missing ends it.
    for place, label in enumerate(columns_of({name: (points, outputs)})):
        if (index := divmod(place, outputs)) not in found:
            raise ValueError(f"{where}: there is no column {label}, but others after it: add it")
        ordered.append(found[index])
    return np.array(ordered).reshape(points, outputs)


def _in_chains(
    where: str, header: Sequence[str], rows: Float[np.ndarray, "row column"]
) -> Float[np.ndarray, "chain draw column"]:
    """Rows in the order of their chains and draws, which must be equally many in each chain."""
    chain = _numbering(where, header, rows, _CHAIN, np.zeros(len(rows)))
    draw = _numbering(where, header, rows, _DRAW, np.arange(len(rows)))
    if len(np.unique(np.stack([chain, draw], axis=1), axis=0)) < len(rows):
        raise ValueError(f"{where}: some draw is there twice: number the draws of each chain")
    lengths = np.unique(chain, return_counts=True)[1]
    if len(set(lengths.tolist())) > 1:
        raise ValueError(
            f"{where}: chains of different lengths, {min(lengths)} to {max(lengths)} draws: "
            "make them equal"
        )
    return rows[np.lexsort((draw, chain))].reshape(len(lengths), -1, rows.shape[1])


def _numbering(
    where: str, header: Sequence[str], rows: np.ndarray, label: str, absent: np.ndarray
) -> Float[np.ndarray, " row"]:
    """The numbers of chains or draws, and what they are where there is no such column."""
    if label not in header:
        return absent
    found: np.ndarray = rows[:, header.index(label)]
    if not (np.isfinite(found).all() and np.array_equal(found, np.rint(found))):
        raise ValueError(f"{where}: expected whole numbers in column {label!r}")
    return found
