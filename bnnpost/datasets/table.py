"""The Dataset table and what can be done with one: standardise it, split it.

Every other module of this folder builds on this one, and this one imports none of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bnnpost.arguments import real_array, shown
from bnnpost.datasets.column_scaling import ColumnScaling, FloatArray
from bnnpost.datasets.file_rows import Column, FileRows
from bnnpost.naming import close_names

# The licence of a set whose terms are not known.
NOT_STATED = "not stated"
Split = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


class DataError(ValueError):
    """Data that cannot be used as asked; the message says why and what to do about it."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A table of features and targets, checked once, when it is built.

    name: what errors and reports call the set.
    x: features, [row, feature] float64, read-only.
    y: targets, [row] or [row, output] float64, read-only; a classification set has
        one-hot rows here and the class names in target_names.
    feature_names: one name per column of x.
    target_names: one name per column of y (one name where y is [row]).
    source: where the numbers come from.
    licence: under what terms they may be passed on.
    levels: names of the classes where y is [row] of class numbers 0, 1, …; else empty.
    columns: of the file, what the features were made of; by default each is a column of numbers.
    rows: which rows of the file these are; by default all. scaling: what `standardise` did.

    Arrays and sequences are copied, so that later changes to the caller's do not reach
    the checked values. Two sets are equal only if they are the same object.

    Raises DataError if x is not 2-D, y is not 1-D or 2-D, either has no rows or no
    columns, their lengths differ, a name is missing or left over, or a value is not a
    finite real number.
    """

    name: str
    x: FloatArray = field(repr=False)
    y: FloatArray = field(repr=False)
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    source: str
    licence: str
    levels: tuple[str, ...] = ()
    columns: tuple[Column, ...] = field(default=(), repr=False)
    rows: FileRows | None = field(default=None, repr=False)
    scaling: ColumnScaling | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Coerce and check the fields; raises DataError as the class says."""
        x = _float_array(f"{self.name}: x", self.x)
        y = _float_array(f"{self.name}: y", self.y)
        _check_shapes(self.name, x, y)
        feature_names = _checked_names(self.name, "feature", self.feature_names, x.shape[1])
        num_outputs = 1 if y.ndim == 1 else y.shape[1]
        target_names = _checked_names(self.name, "target", self.target_names, num_outputs)
        _check_finite(f"{self.name}: x", x, feature_names)
        _check_finite(f"{self.name}: y", y, target_names)
        # A frozen dataclass refuses plain assignment even here.
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)
        object.__setattr__(self, "feature_names", feature_names)
        object.__setattr__(self, "target_names", target_names)
        if not self.columns:
            object.__setattr__(self, "columns", tuple(map(Column, feature_names)))
        if self.rows is None:
            object.__setattr__(self, "rows", FileRows(np.arange(len(x)), len(x)))

    @property
    def num_rows(self) -> int:
        """Number of rows of x and of y."""
        return int(self.x.shape[0])

    @property
    def num_features(self) -> int:
        """Number of columns of x."""
        return int(self.x.shape[1])

    @property
    def origin(self) -> FileRows:
        """Which rows of the file these are."""
        assert self.rows is not None  # set when the table was built
        return self.rows

    def standardise(
        self, *, targets: bool = True, rows: Sequence[int] | npt.NDArray[np.int64] | None = None
    ) -> Dataset:
        """Return a copy whose columns have zero mean and unit population std over some rows.

        rows: places in this table, such as those of the training rows; by default all. A column
        that holds one value throughout these is centred and not divided. With targets=False y is
        kept as it is, which suits one-hot rows. The copy's `scaling` has the means and stds, and
        the way back to the units of the columns.

        Raises DataError if a column's std is too large for float64, or there are no such rows.
        """
        chosen = slice(None) if rows is None else np.asarray(rows)
        if rows is not None and not len(chosen):  # type: ignore[arg-type]
            raise DataError(f"{self.name}: no rows were given to standardise by; give at least one")
        y = self.y if self.y.ndim > 1 else self.y[:, None]
        x_moments = _moments(f"{self.name}: x", self.x[chosen], self.feature_names)
        y_moments = np.zeros(y.shape[1]), np.ones(y.shape[1])
        if targets and not self.levels:
            y_moments = _moments(f"{self.name}: y", y[chosen], self.target_names)
        found = ColumnScaling(*x_moments, *y_moments)
        scaled = dataclasses.replace(self, x=found.inputs(self.x), y=found.targets(self.y))
        whole = found if self.scaling is None else found.after(self.scaling)
        return dataclasses.replace(scaled, scaling=whole)

    def classes(self, like: Dataset | None = None) -> Dataset:
        """Return a copy with one column of class numbers, and `levels` their names.

        Words are classes already; whole numbers are, in their order, and one-hot rows. Several
        columns that are not one-hot are left as they are. like: a table with the same classes,
        of which this one may have some.

        Raises DataError if a target is no whole number or none of these classes, or all are of one
        class.
        """
        if like is not None and like.levels and not self.levels:
            return self._numbered(like.levels)
        if self.levels or (self.y.ndim == 2 and not _is_one_hot(self.y)):
            found = self
        elif self.y.ndim == 2:
            y = self.y.argmax(axis=1).astype(np.float64)
            levels = self.target_names
            found = dataclasses.replace(self, y=y, target_names=("class",), levels=levels)
        else:
            found = self._numbered()
        if like is None and len(np.unique(found.y)) < 2:
            raise DataError(f"{self.name}: expected at least two classes, got one alone")
        return found

    def _numbered(self, levels: tuple[str, ...] = ()) -> Dataset:
        wrong = self.y[self.y != np.round(self.y)]
        if len(wrong):
            raise DataError(
                f"{self.name}: expected classes, words or whole numbers, got {wrong[0]:g}; numbers "
                "have a likelihood such as gaussian or student_t"
            )
        known, y = np.unique(self.y, return_inverse=True)
        names = tuple(f"{one:.0f}" for one in known)
        if levels:
            other = [one for one in names if one not in levels]
            if other:
                raise DataError(
                    f"{self.name}: expected classes {', '.join(levels)}, got {other[0]}"
                )
            y, names = np.array([levels.index(one) for one in names])[y], levels
        return dataclasses.replace(self, y=y.astype(np.float64), levels=names)

    def split(self, num_train: int, num_test: int, seed: int = 0) -> Split:
        """Return (x_train, y_train, x_test, y_test), rows shuffled by the seed.

        The order is numpy.random.default_rng(seed).permutation(num_rows): its first
        num_train rows are the training rows, the next num_test the test rows. Shapes are
        [num_train, feature], y's with num_train rows, [num_test, feature], y's with
        num_test rows; num_test may be 0.

        Raises DataError if a count is too small, not an integer, or the two together
        exceed the number of rows; or if the seed is negative.
        """
        train, test = self.places(num_train, num_test, seed)
        return self.x[train], self.y[train], self.x[test], self.y[test]

    def places(
        self, num_train: int, num_test: int, seed: int = 0
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the places in this table of the training and test rows of `split`, which see."""
        num_train = check_integer("num_train", num_train, minimum=1)
        num_test = check_integer("num_test", num_test, minimum=0)
        seed = check_integer("seed", seed, minimum=0)
        if num_train + num_test > self.num_rows:
            raise DataError(
                f"{self.name}: {shown(num_train)} training + {shown(num_test)} test rows were "
                f"asked for, but there are only {self.num_rows} rows; ask for {self.num_rows} or "
                "fewer in all"
            )
        order = np.random.default_rng(seed).permutation(self.num_rows)
        return order[:num_train], order[num_train : num_train + num_test]


def _is_one_hot(y: FloatArray) -> bool:
    """Whether each row has a one among zeros."""
    return bool(np.isin(y, (0.0, 1.0)).all() and (y.sum(axis=1) == 1).all())


def check_integer(label: str, value: int, *, minimum: int) -> int:
    """Return value as an int; raises DataError if it is no integer or below minimum."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise DataError(f"{label} must be an integer, got {shown(value)}; pass a whole number")
    if value < minimum:
        raise DataError(
            f"{label} must be at least {minimum}, got {shown(value)}; pass a larger one"
        )
    return int(value)


def name_hint(wanted: str, known: Iterable[str]) -> str:
    """Return the end of a sentence: "; did you mean ...?" with close known names, or "."."""
    close = close_names(wanted, known)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else "."


def _float_array(label: str, values: npt.ArrayLike) -> FloatArray:
    """Return a read-only float64 copy of values; raises DataError if not real numbers."""
    try:
        array = real_array(label, values)
    except ValueError as error:
        raise DataError(str(error)) from None
    array.setflags(write=False)
    return array


def _check_shapes(name: str, x: FloatArray, y: FloatArray) -> None:
    """Raise DataError unless x is [row, feature] and y [row] or [row, output], none empty."""
    if x.ndim != 2:
        raise DataError(
            f"{name}: x must be two-dimensional, [row, feature], got shape {x.shape}; "
            "for a single feature pass x.reshape(-1, 1)"
        )
    if y.ndim not in (1, 2):
        raise DataError(
            f"{name}: y must have shape [row] or [row, output], got {y.shape}; reshape it"
        )
    if x.shape[0] != y.shape[0]:
        raise DataError(
            f"{name}: x and y must have as many rows as each other, got {x.shape[0]} and "
            f"{y.shape[0]}; drop the rows that have no partner"
        )
    if x.size == 0 or y.size == 0:
        raise DataError(
            f"{name}: at least one row and one column are needed, got no rows or no columns "
            f"(x is {x.shape}, y is {y.shape}); check what was selected"
        )


def _checked_names(name: str, role: str, names: Iterable[str], expected: int) -> tuple[str, ...]:
    """Return names as a tuple; raises DataError unless there are expected of them."""
    found = tuple(names)
    if len(found) != expected:
        raise DataError(
            f"{name}: {expected} {role} names are needed, one per column, got {len(found)}: "
            f"{list(found)}; give each column one name"
        )
    return found


def _check_finite(label: str, values: FloatArray, names: tuple[str, ...]) -> None:
    """Raise DataError if values hold NaN or inf, with the place of the first and the count."""
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    row, *column = (int(index) for index in np.argwhere(bad)[0])
    value = values[(row, *column)]
    count = int(bad.sum())
    raise DataError(
        f"{label} must be finite, got {value} in row {row} (the first row is 0), column "
        f"{names[column[0] if column else 0]!r}; {count} such value{'s' * (count > 1)} in all: "
        "fill in or drop those rows"
    )


def _moments(
    label: str, values: FloatArray, names: tuple[str, ...]
) -> tuple[FloatArray, FloatArray]:
    """Return mean and std of each column of values, [row, column]; the std of one value is 1.

    Raises DataError if a std overflows.
    """
    # A constant column is found by comparing its values: its computed std need not be
    # exactly zero, nor its computed mean exactly its value.
    constant = np.all(values == values[0], axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        column_mean = np.where(constant, values[0], values.mean(axis=0))
        column_std = np.where(constant, 1.0, values.std(axis=0))
    overflowed = np.flatnonzero(~np.isfinite(column_std))
    if overflowed.size:
        raise DataError(
            f"{label}: the std of column {names[overflowed[0]]!r} must be a finite float64, but "
            "it overflows; use larger units"
        )
    return column_mean, column_std
