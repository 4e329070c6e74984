"""A reference in files: netCDF with its whole record, and a plain table of function values."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Array, Int

from bnnpost.storage import (
    REFERENCE_FORMAT,
    check_format,
    dataset_digest,
    read_bytes,
    read_dataset,
    write_netcdf,
)
from bnnpost.verification.columns import write_csv
from bnnpost.verification.sets import TEST, TRAIN, kept_draws

if TYPE_CHECKING:
    import xarray as xr


def netcdf_path(directory: Path, name: str) -> Path:
    """Where the netCDF file of a posterior is."""
    return directory / f"{name}.nc"


def csv_path(directory: Path, name: str) -> Path:
    """Where the table of its function values is."""
    return directory / f"{name}.csv"


def write_reference(directory: Path, name: str, data: "xr.Dataset") -> None:
    """Write both files, each whole; the netCDF file comes last and is the sign that all is there.

    Raises FileNotFoundError if the folder does not exist.
    """
    write_table(directory, name, data)
    found = data.assign_attrs(format=REFERENCE_FORMAT, csv_sha256=_hash(csv_path(directory, name)))
    found = found.assign_attrs(digest=dataset_digest(found))
    write_netcdf(netcdf_path(directory, name), found)


def write_table(directory: Path, name: str, data: "xr.Dataset") -> None:
    """Write the table: a row a draw, a column a value of f at test and at training inputs.

    Rows are equally weighted: weighted draws are kept with probability weight / largest weight.
    """
    rows = equal_rows(data, jax.random.key(0))
    values = {name: data[name].values[None, rows] for name in (TEST, TRAIN)}
    write_csv(csv_path(directory, name), values)


def equal_rows(data: "xr.Dataset", key: Array) -> Int[np.ndarray, " row"]:
    """Places of draws that are independent and equally weighted; the table's by the key of 0."""
    return np.flatnonzero(kept_draws(data["log_weight"].values, key))


def has_table(directory: Path, name: str, data: "xr.Dataset") -> bool:
    """Whether the table that belongs to this netCDF file is there and unharmed."""
    path = csv_path(directory, name)
    return path.is_file() and _hash(path) == data.attrs["csv_sha256"]


def read_reference(path: Path) -> "xr.Dataset":
    """What `write` wrote. Raises ValueError for a file of anything else or a damaged one."""
    cure = "remove it, or build into another directory"
    try:
        data = read_dataset(path)
    except ValueError as error:
        raise ValueError(f"{error}; {cure}") from error
    check_format(path, data.attrs, REFERENCE_FORMAT, cure)
    return data


def _hash(path: Path) -> str:
    return hashlib.sha256(read_bytes(path)).hexdigest()
