"""Two standard problems, prepared the same way every time so that results can be compared."""

from __future__ import annotations

import dataclasses

import numpy as np

from bnnpost.datasets.shipped import load_shipped
from bnnpost.datasets.table import FloatArray, Split

# The digits hold pixels from 0 to 16.
_MAX_PIXEL = 16.0
# The root of the number of pixels: each row then has a mean square pixel of 1.
_DIGIT_NORM = 8.0
# The share of one class in ten, taken off so that the targets of a row sum to zero.
_CLASS_SHARE = 0.1


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
    digits = load_shipped("digits")
    pixels = digits.x / _MAX_PIXEL
    centred = dataclasses.replace(digits, x=pixels - pixels.mean(axis=0), y=digits.y - _CLASS_SHARE)
    x_train, y_train, x_test, y_test = centred.split(num_train, num_test, seed)
    return _with_norm(x_train, _DIGIT_NORM), y_train, _with_norm(x_test, _DIGIT_NORM), y_test


def _with_norm(x: FloatArray, norm: float) -> FloatArray:
    """Return x, [row, feature], with every row brought to the given Euclidean norm."""
    row_norms: FloatArray = np.linalg.norm(x, axis=1, keepdims=True)
    return x * (norm / row_norms)
