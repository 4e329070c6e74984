"""The real data sets that come with the package (data/SOURCES.md says where they are from).

Standard problems made of them, and one list of names over them and the generators.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np

from bnnpost.datasets.generators import GENERATORS
from bnnpost.datasets.table import DataError, Dataset, FloatArray, Split, name_hint

_CC_BY = "CC BY 4.0"
# The digits hold pixels from 0 to 16.
_MAX_PIXEL = 16.0
# The root of the number of pixels: each row then has a mean square pixel of 1.
_DIGIT_NORM = 8.0
# The share of one class in ten, taken off so that the targets of a row sum to zero.
CLASS_SHARE = 0.1


@dataclass(frozen=True)
class Shipped:
    """What is known of a shipped set beside its CSV, data/<name>.csv, target column last.

    class_names: the classes in the order of the integer labels 0, 1, ... in the target
        column; empty for a regression set.
    """

    source: str
    licence: str
    class_names: tuple[str, ...] = ()


#: The data sets that come with the package, by name.
SHIPPED: Mapping[str, Shipped] = {
    "diabetes": Shipped(
        source=(
            "Efron, Hastie, Johnstone and Tibshirani (2004), Least Angle Regression, Annals of "
            "Statistics 32(2), 407-499; unstandardised numbers as in scikit-learn"
        ),
        licence="BSD-3-Clause as part of scikit-learn; the authors state no terms of their own",
    ),
    "digits": Shipped(
        source=(
            "Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine "
            "Learning Repository, doi:10.24432/C50P49; its test part, as in scikit-learn"
        ),
        licence=_CC_BY,
        class_names=tuple("0123456789"),
    ),
    "nile": Shipped(
        source=(
            "Cobb (1978), The Problem of the Nile, Biometrika 65(2), 243-251; numbers as in "
            "statsmodels"
        ),
        licence="public domain",
    ),
    "wine": Shipped(
        source=(
            "Aeberhard and Forina (1992), Wine, UCI Machine Learning Repository, "
            "doi:10.24432/C5PC7J; as in scikit-learn"
        ),
        licence=_CC_BY,
        class_names=("cultivar_0", "cultivar_1", "cultivar_2"),
    ),
    "breast_cancer": Shipped(
        source=(
            "Wolberg, Mangasarian, Street and Street (1993), Breast Cancer Wisconsin "
            "(Diagnostic), UCI Machine Learning Repository, doi:10.24432/C5DW2B; the ten mean "
            "features of thirty, as in scikit-learn"
        ),
        licence=_CC_BY,
        class_names=("malignant", "benign"),
    ),
}


def load_shipped(name: str) -> Dataset:
    """Return the shipped set called name: raw features x [row, feature] and its target.

    y is [row] for a regression set and one-hot, [row, class], for a classification set.
    Raises DataError if no set is shipped under that name.
    """
    if name not in SHIPPED:
        raise DataError(
            f"no shipped data set is called {name!r}{name_hint(name, SHIPPED)} "
            f"Shipped are: {', '.join(SHIPPED)}"
        )
    about = SHIPPED[name]
    header, values = _read_table(name)
    target = values[:, -1]
    num_classes = len(about.class_names)
    return Dataset(
        name=name,
        x=values[:, :-1],
        y=one_hot(target, num_classes) if num_classes else target,
        feature_names=header[:-1],
        target_names=about.class_names or header[-1:],
        source=about.source,
        licence=about.licence,
    )


def one_hot(labels: FloatArray, num_classes: int) -> FloatArray:
    """Return [row, class] with 1.0 in each row's class and 0.0 elsewhere.

    labels: [row], whole numbers from 0 to num_classes - 1. Raises IndexError at a larger one.
    """
    rows = np.zeros((labels.size, num_classes))
    rows[np.arange(labels.size), labels.astype(int)] = 1.0
    return rows


def _read_table(name: str) -> tuple[tuple[str, ...], FloatArray]:
    """Return the column names and the values, [row, column], of data/<name>.csv."""
    # importlib.resources, and not a path beside this file, so that the package also
    # works from a zip archive.
    path = resources.files("bnnpost.datasets") / "data" / f"{name}.csv"
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    return tuple(header.split(",")), np.loadtxt(rows, delimiter=",", ndmin=2)


def diabetes_problem(num_train: int, num_test: int, *, seed: int = 0) -> Split:
    """Return (x_train, y_train, x_test, y_test) of the diabetes regression.

    Features and target have zero mean and unit population std over all 442 rows, not over
    the training rows. Rows are in the order numpy.random.default_rng(seed).permutation(442);
    seed 0 is the standard problem.
    Shapes: [num_train, 10], [num_train], [num_test, 10], [num_test].

    Raises DataError if num_train < 1, num_test < 0 or their sum exceeds 442.
    """
    return load_shipped("diabetes").standardise().split(num_train, num_test, seed)


def digits_problem(num_train: int, num_test: int = 0, *, seed: int = 0) -> Split:
    """Return (x_train, y_train, x_test, y_test) of the digits classification.

    Pixels are divided by 16, less the mean image over all 1797, and each row is then
    brought to Euclidean norm 8. Targets are one-hot less 0.1. Rows are in the order
    numpy.random.default_rng(seed).permutation(1797); seed 0 is the standard problem.
    Shapes: [num_train, 64], [num_train, 10], [num_test, 64], [num_test, 10].

    Raises DataError if num_train < 1, num_test < 0 or their sum exceeds 1797.
    """
    digits = digits_table()
    centred = dataclasses.replace(digits, y=digits.y - CLASS_SHARE)
    return centred.split(num_train, num_test, seed)


def digits_table() -> Dataset:
    """Return the digits with the pixels of `digits_problem`, and one-hot targets as they are."""
    digits = load_shipped("digits")
    pixels = digits.x / _MAX_PIXEL
    return dataclasses.replace(digits, x=_with_norm(pixels - pixels.mean(axis=0), _DIGIT_NORM))


def _with_norm(x: FloatArray, norm: float) -> FloatArray:
    """Return x, [row, feature], with every row brought to the given Euclidean norm."""
    row_norms: FloatArray = np.linalg.norm(x, axis=1, keepdims=True)
    return x * (norm / row_norms)


def names() -> tuple[str, ...]:
    """Return every name that load takes: the shipped sets, then the generators."""
    return (*SHIPPED, *GENERATORS)


def load(name: str) -> Dataset:
    """Return the shipped set, or the generator's set at its default arguments, called name.

    x is [row, feature]; y is [row], or one-hot [row, class] for a classification set.
    Raises DataError, with the known and the close names, if nothing is called that.
    """
    if name in SHIPPED:
        return load_shipped(name)
    if name in GENERATORS:
        return GENERATORS[name]()
    raise DataError(
        f"no data set is called {name!r}{name_hint(name, names())} Known names are: "
        f"{', '.join(names())}; a file of your own is read with bnnpost.datasets.read"
    )
