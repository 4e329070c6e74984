"""Function values in files: read as data, never run as code."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bnnpost.draws import Draws, load
from bnnpost.draws.netcdf import FORMAT
from bnnpost.storage import read_array, read_arrays, read_tree
from bnnpost.verification.columns import read_csv

if TYPE_CHECKING:
    import xarray as xr

_ENDINGS = ".npz, .npy, .nc (netCDF) or .csv"
# What numpy raises for a damaged file or for one that only pickle could read.
_DAMAGED = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read(path: Path) -> object:
    """What a file holds: an array, arrays by name, a tree of labelled arrays, or our own draws.

    Raises FileNotFoundError, or ValueError for a file of another kind or a damaged one.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: expected a file in it, such as draws.nc")
    if not path.exists():
        raise FileNotFoundError(f"no file {path}")
    match path.suffix.lower():
        case ".npz" | ".npy":
            return _numpy(path)
        case ".nc" | ".netcdf" | ".nc4" | ".h5":
            return _netcdf(path)
        case ".csv":
            return read_csv(path)
    raise ValueError(f"{path}: expected a file name ending in {_ENDINGS}")


def _numpy(path: Path) -> "np.ndarray | Mapping[str, np.ndarray]":
    try:
        return read_array(path) if path.suffix.lower() == ".npy" else read_arrays(path)
    except _DAMAGED as error:
        raise ValueError(
            f"{path}: not a numpy file of plain numbers, or damaged: {error}"
        ) from error


def _netcdf(path: Path) -> "xr.DataTree | Draws":
    tree = read_tree(path)
    # Other versions of our own format too: `load` says what is wrong with them.
    if str(tree.attrs.get("format", "")).startswith(FORMAT.rsplit(" ", 1)[0]):
        return load(path)
    return tree
