"""A data set of the user's own in an .npz file: arrays x and y, never pickled."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bnnpost.arguments import listed
from bnnpost.datasets.csv_files import check_num_columns
from bnnpost.datasets.feature_cells import imputed
from bnnpost.datasets.file_rows import FileRows
from bnnpost.datasets.table import NOT_STATED, DataError, Dataset, name_hint
from bnnpost.storage import array_names, header, read_arrays

Names = str | Sequence[str]
# What a damaged archive raises that is neither an OSError nor a ValueError.
_DAMAGED = (zipfile.BadZipFile, zlib.error)


def read_npz(
    path: Path,
    target: Names | None,
    features: Names | None,
    missing: str,
    like: Dataset | None,
) -> Dataset:
    """Return the data set in an npz archive; raises DataError as read does."""
    x_name = _array_name(path, "features", features, "x")
    y_name = _array_name(path, "target", target, "y")
    x, y = npz_arrays(path, x_name, y_name)
    target_names = (y_name,) if y.ndim < 2 else _numbered(y_name, y)
    fixed = _numbered(x_name, x), target_names, str(path), NOT_STATED
    if missing == "refuse" or x.ndim != 2 or x.dtype.kind != "f":
        found = Dataset(path.stem, x, y, *fixed)
    else:
        absent = np.isnan(x)
        gone = np.isnan(y.reshape(len(y), -1).astype(float)).any(axis=1)
        gone |= absent.any(axis=1) & (missing == "drop")
        kept, out = np.flatnonzero(~gone), np.flatnonzero(gone)
        rows = FileRows(kept, len(x), absent=absent[kept], left_out=tuple(out.tolist()))
        filled = np.where(absent, 0.0, x)[kept]
        found = imputed(Dataset(path.stem, filled, y[kept], *fixed, rows=rows))
    if like is not None and found.num_features != like.num_features:
        raise DataError(
            f"{path}: expected {like.num_features} features as {like.name} has, got "
            f"{found.num_features}"
        )
    return found


def _array_name(path: Path, role: str, wanted: Names | None, default: str) -> str:
    """Return the one array name asked for; raises DataError if there are several."""
    chosen = [default] if wanted is None else [wanted] if isinstance(wanted, str) else list(wanted)
    if len(chosen) != 1:
        raise DataError(
            f"{path}: for an .npz file {role} must be the name of one array, got {chosen}; "
            "put the columns in one array"
        )
    return chosen[0]


def npz_arrays(path: Path, *names: str) -> list[npt.NDArray[Any]]:
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


def _check_sizes(path: Path, x: tuple[int, ...], y: tuple[int, ...] = ()) -> None:
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
