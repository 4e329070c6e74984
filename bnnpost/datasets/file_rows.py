"""Columns and rows of the user's file, as a table has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Column:
    """A column of a table that features were made of.

    levels: of words, each of which is a feature of zeros and ones; empty for numbers. fill: what
    stands for a missing cell, a number or a level; None where none may be missing.
    """

    name: str
    levels: tuple[str, ...] = ()
    fill: float | str | None = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features made of it: its own, or "column=level" for each level."""
        return tuple(f"{self.name}={one}" for one in self.levels) or (self.name,)


@dataclass(frozen=True, eq=False)
class FileRows:
    """Which rows of a file a table has. Rows count from 0, the first below the header.

    numbers: of each row, [row]. num_rows: that the file has. ids: what its id column says of each;
    parts: what its column of train and test says; empty where it has none. absent: which features
    were missing and filled in, [row, feature]. left_out: rows with missing cells, not in the table.
    """

    numbers: npt.NDArray[np.int64]
    num_rows: int
    ids: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    absent: npt.NDArray[np.bool_] | None = None
    left_out: tuple[int, ...] = ()
