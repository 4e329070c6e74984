"""netCDF files, read whole; what is wrong with one is said in one way."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnpost.storage.bound import FILE, RUN_ID, check_in_place
from bnnpost.storage.digest import DIGEST, is_damaged
from bnnpost.storage.reading import check_file, is_damage

if TYPE_CHECKING:
    import xarray as xr

# So begins the format of files that have digests.
_OURS = "bnnpost "


def read_dataset(path: Path) -> "xr.Dataset":
    """The labelled arrays of a netCDF file, in memory.

    Raises FileNotFoundError, and ValueError for what is no netCDF file, is damaged, does not match
    the digest that it has, or lies in the directory of another run than its own. What keeps a
    whole file from being read is passed on: an OSError with a number (no permission, too many open
    files), MemoryError, ImportError.
    """
    import xarray as xr

    found: xr.Dataset = _read(path, xr.open_dataset)
    _check(path, found)
    return found


def read_tree(path: Path) -> "xr.DataTree":
    """The same with all groups of a file, anybody's perhaps: only ours are known by digests."""
    import xarray as xr

    found: xr.DataTree = _read(path, xr.open_datatree)
    is_ours = str(found.attrs.get("format", "")).startswith(_OURS)
    if is_ours or {FILE, RUN_ID, DIGEST} <= {*found.attrs}:
        _check(path, found)
    return found


def _read(path: Path, opener: Callable[..., Any]) -> Any:
    import h5py

    check_file(path)
    try:
        # h5netcdf, where it cannot open an object, prints a traceback of its own besides.
        with h5py.File(path, "r") as file:
            file.visititems(lambda name, found: None)
        with opener(path, engine="h5netcdf") as opened:
            return opened.load()
    except Exception as error:  # h5py raises almost anything for a damaged file
        if not is_damage(error):
            raise
        raise ValueError(f"{path} is not a netCDF file, or is damaged: {error}") from error


def _check(path: Path, data: "xr.Dataset | xr.DataTree") -> None:
    if is_damaged(data):
        raise ValueError(f"{path} is damaged: its contents do not match their digest")
    check_in_place(path, data.attrs)
