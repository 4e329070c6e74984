"""The way of columns to mean 0 and standard deviation 1, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
_PARTS = ("x_mean", "x_std", "y_mean", "y_std")


@dataclass(frozen=True, eq=False)
class ColumnScaling:
    """What is taken off each column, and what it is then divided by.

    x_mean, x_std: of the features, [feature], in their units. y_mean, y_std: of the targets,
    [target], in theirs. A std is never 0: of a column that holds one value it is 1.
    """

    x_mean: FloatArray
    x_std: FloatArray
    y_mean: FloatArray
    y_std: FloatArray

    @classmethod
    def identity(cls, num_features: int, num_targets: int) -> ColumnScaling:
        """The one that changes nothing."""
        x, y = np.zeros(num_features), np.zeros(num_targets)
        return cls(x, x + 1, y, y + 1)

    @property
    def is_identity(self) -> bool:
        """Whether targets are as they were."""
        return bool((self.y_mean == 0).all() and (self.y_std == 1).all())

    def inputs(self, x: npt.ArrayLike) -> FloatArray:
        """Features [row, feature] of a table as the network takes them."""
        return np.asarray((np.asarray(x) - self.x_mean) / self.x_std)

    def own_inputs(self, x: npt.ArrayLike) -> FloatArray:
        """Features [row, feature] in the units of their columns, from what the network takes."""
        return np.asarray(np.asarray(x) * self.x_std + self.x_mean)

    def targets(self, y: npt.ArrayLike) -> FloatArray:
        """Targets [row] or [row, target] of a table as the likelihood takes them."""
        y = np.asarray(y)
        return (y - self._mean(y)) / self._std(y)

    def values(self, f: npt.ArrayLike) -> FloatArray:
        """Function values, means or quantiles, [..., target], in the units of their columns."""
        return np.asarray(np.asarray(f) * self.y_std + self.y_mean)

    def spreads(self, std: npt.ArrayLike) -> FloatArray:
        """Standard deviations [..., target] in the units of their columns."""
        return np.asarray(np.asarray(std) * self.y_std)

    def after(self, first: ColumnScaling) -> ColumnScaling:
        """Both, `first` before this one, as one."""
        return ColumnScaling(
            first.x_mean + first.x_std * self.x_mean,
            first.x_std * self.x_std,
            first.y_mean + first.y_std * self.y_mean,
            first.y_std * self.y_std,
        )

    def as_dict(self) -> dict[str, list[float]]:
        """Plain data, as files have it."""
        return {name: getattr(self, name).tolist() for name in _PARTS}

    @classmethod
    def of_dict(cls, values: dict[str, Any]) -> ColumnScaling:
        """From what `as_dict` gave. Raises KeyError, or ValueError for no numbers."""
        return cls(*(np.asarray(values[name], np.float64) for name in _PARTS))

    def _mean(self, y: FloatArray) -> FloatArray:
        return self.y_mean if y.ndim > 1 else self.y_mean[:1]

    def _std(self, y: FloatArray) -> FloatArray:
        return self.y_std if y.ndim > 1 else self.y_std[:1]
