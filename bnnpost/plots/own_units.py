"""Results of a sweep as they are shown: f, densities and targets in the units of their columns."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.datasets import DataRecord
from bnnpost.datasets.data_record import record_of

if TYPE_CHECKING:
    import xarray as xr


def data_of(tree: "xr.DataTree") -> DataRecord | None:
    """The record of the data; None of bare arrays, and of a sweep that has no predictions yet."""
    return record_of(tree["data"].attrs) if "data" in tree.children else None


def shown_predictive(tree: "xr.DataTree") -> "tuple[xr.Dataset, xr.Dataset]":
    """Groups /predictive and /data with what is on the scale of f in the units of its column.

    Those of bare arrays as they are. Inputs of networks are in the units of theirs.
    """
    found, data = (tree[name].to_dataset() for name in ("predictive", "data"))
    record = data_of(tree)
    if record is None:
        return found, data
    data = data.assign(x_test=(data["x_test"].dims, record.scaling.own_inputs(data["x_test"])))
    if not on_the_scale_of_f(data.attrs):  # classes and counts
        return found, data
    values, std = record.scaling.values, np.asarray(record.scaling.y_std)[:, None]
    own = {"f": np.moveaxis(values(np.moveaxis(found["f"].values, -1, -2)), -1, -2)}
    own |= {name: found[name].values / std for name in ("limit_density", "density")}
    own["limit_mean"] = values(found["limit_mean"].values)
    found = found.assign({name: (found[name].dims, one) for name, one in own.items()})
    return found, data.assign(y_test=(data["y_test"].dims, values(data["y_test"].values)))


def on_the_scale_of_f(attributes: Mapping[Any, Any]) -> bool:
    """Return whether targets are numbers with noise, by the attributes of a file."""
    return bool(attributes.get("target_kind", "numbers") == "numbers")


def place_name(record: DataRecord | None, data: "xr.Dataset", point: int, output: int) -> str:
    """Which value a picture is of: a row, or the value of a single feature; and the output."""
    words = f"test point {point}" if record is None else record.point(point)
    if data.sizes["feature"] == 1:
        name = "x" if record is None else record.feature_names[0]
        words = f"{name} = {input_text(float(data['x_test'][point, 0]))}"
    if data.sizes["output"] == 1:
        return words
    return f"{words}, {f'output {output}' if record is None else record.output(output)}"


def input_text(value: float) -> str:
    """The value of a feature: −1.50, 0.00012, 1.2e+06."""
    plain = value == 0 or 0.01 <= abs(value) < 1e5
    return f"{value:.{'2f' if plain else '3g'}}".replace("-", "−")


def f_name(record: DataRecord | None) -> str:
    """What f is called beside others: "f, quality" where it is of one column."""
    named = record is not None and len(record.target_names) == 1 and not record.levels
    return f"f, {record.unit}" if record is not None and named else "f"


def f_label(record: DataRecord | None) -> str:
    """What an axis of f is called: "f (units of quality)"."""
    return f"f (units of {'the target' if record is None else record.unit})"


def size_of_f(record: DataRecord | None) -> str:
    """What distances "in units of f" are in; empty where f is in the units of its column."""
    size = "" if record is None else record.unit_size()
    return f"f is standardised: {size}." if size else ""
