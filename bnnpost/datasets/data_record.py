"""What a run keeps of its data: columns, units, levels and rows, for predictions and reports."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnnpost.datasets.column_scaling import ColumnScaling, FloatArray
from bnnpost.datasets.file_rows import Column

#: The attribute of files in which it is kept, as JSON.
DATA_RECORD = "data_record"


@dataclass(frozen=True, eq=False)
class DataRecord:
    """What the data of a run are, in words and numbers.

    columns: what features were made of. target_names: of the columns of targets. levels: names of
    the classes; empty where targets are no classes. scaling: the way to mean 0 and std 1 and back.
    standardised: "train" or "all", the rows that it is of; "no"; "own", a preparation of its own.
    missing: what was done about missing cells. train_rows, test_rows: their numbers in the file,
    the first below the header 0. num_rows: rows of the file; num_test_rows: of the file with the
    test rows, where that is another. num_left_out, num_filled: rows left out for missing cells, and
    rows that are used with some filled in. id_column: names rows; test_ids: what it says.
    """

    columns: tuple[Column, ...]
    target_names: tuple[str, ...]
    levels: tuple[str, ...]
    scaling: ColumnScaling
    standardised: str = "no"
    missing: str = "refuse"
    train_rows: tuple[int, ...] = ()
    test_rows: tuple[int, ...] = ()
    num_rows: int = 0
    num_test_rows: int = 0
    num_left_out: int = 0
    num_filled: int = 0
    id_column: str | None = None
    test_ids: tuple[str, ...] = ()

    @classmethod
    def unknown(cls, num_features: int, num_targets: int) -> DataRecord:
        """Of arrays of which nothing else is known, as they are."""
        columns = tuple(Column(f"x{i}") for i in range(num_features))
        return cls(columns, (), (), ColumnScaling.identity(num_features, num_targets))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, one for each input of the network."""
        return tuple(name for column in self.columns for name in column.feature_names)

    @property
    def unit(self) -> str:
        """What numbers are in: the name of the one target column, else "the target"."""
        known = len(self.target_names) == 1 and not self.levels
        return self.target_names[0] if known else "the target"

    def output(self, place: int) -> str:
        """What an output of the network is called: its target, or its class."""
        names = self.levels or self.target_names
        return names[place] if len(names) > 1 and place < len(names) else f"output {place}"

    def point(self, place: int) -> str:
        """What a test point is called: its row, and what the id column says."""
        if place >= len(self.test_rows):
            return f"test point {place}"
        of = " of the test file" if self.num_test_rows else ""
        row = f"row {self.test_rows[place]}{of}"
        return f"{row} ({self.test_ids[place]})" if self.test_ids else row

    def noise(self, noise_std: float) -> str:
        """What a std of the noise is in the units of the one target; empty where it is as said."""
        if self.scaling.is_identity or len(self.scaling.y_std) != 1:
            return ""
        own = float(self.scaling.spreads(noise_std)[0])
        return f"of the standardised target: {own:.3g} in units of {self.unit}"

    def unit_size(self) -> str:
        """What 1 of the standardised target is in its units; empty where that is not one number."""
        if self.scaling.is_identity or len(self.scaling.y_std) != 1:
            return ""
        return f"1 is {float(self.scaling.y_std[0]):.4g} in units of {self.unit}"

    def used(self) -> str:
        """How many rows of how many are used, in a sentence without its full stop."""
        train, test = len(self.train_rows), len(self.test_rows)
        if self.num_test_rows:
            text = (
                f"{train:,} of {self.num_rows:,} rows train, and {test:,} of the "
                f"{self.num_test_rows:,} rows of the test file are predicted"
            )
        else:
            text = (
                f"{train + test:,} of {self.num_rows:,} rows are used: {train:,} train, "
                f"{test:,} test"
            )
        if self.num_left_out:
            text += f"; {self.num_left_out:,} with missing cells are left out"
        if self.num_filled:
            text += f"; in {self.num_filled:,} of them missing cells are filled in"
        return text

    def moments(self, mean: FloatArray, std: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Means and stds [..., target] in the units of the columns."""
        return self.scaling.values(mean), self.scaling.spreads(std)

    def row(self, place: int) -> dict[str, Any]:
        """Row number and id of a test point, as far as they are known."""
        found: dict[str, Any] = {}
        if place < len(self.test_rows):
            found["row"] = self.test_rows[place]
        if self.id_column is not None and place < len(self.test_ids):
            found["id"] = self.test_ids[place]
        return found

    def as_attribute(self) -> dict[str, str]:
        """What files are to hold, by the name of the attribute."""
        return {DATA_RECORD: json.dumps(self.as_dict())}

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        columns = [dataclasses.asdict(one) for one in self.columns]
        return {**values, "columns": columns, "scaling": self.scaling.as_dict()}


def record_of(attributes: Mapping[Any, Any]) -> DataRecord | None:
    """The record in a file's attributes; None where the data are bare arrays, as the library's.

    Raises ValueError for one that is damaged.
    """
    if DATA_RECORD not in attributes:
        return None
    try:
        held = json.loads(str(attributes[DATA_RECORD]))
        columns = tuple(
            Column(str(one["name"]), tuple(one["levels"]), one["fill"]) for one in held["columns"]
        )
        lists = {name: tuple(one) for name, one in held.items() if isinstance(one, list)}
        scaling = ColumnScaling.of_dict(held["scaling"])
        return DataRecord(**{**held, **lists, "columns": columns, "scaling": scaling})
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"the record of the data is damaged: {error!r}") from None


def rows_of(numbers: np.ndarray) -> tuple[int, ...]:
    """Row numbers as a record has them."""
    return tuple(int(one) for one in numbers)
