"""netCDF files, read and written whole; what is wrong with one is said in one way."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnpost.storage.files import check_file, is_damage, whole
from bnnpost.storage.integrity import (
    DIGEST,
    FILE,
    RUN_ID,
    check_in_place,
    check_number,
    is_damaged,
)
from bnnpost.storage.memory import require_free_for_file

if TYPE_CHECKING:
    import xarray as xr

# So begins the format of files that have digests.
_OURS = "bnnpost "
_WRITING = threading.Lock()


def read_dataset(path: Path) -> "xr.Dataset":
    """The labelled arrays of a netCDF file, in memory.

    Raises FileNotFoundError, and ValueError for what is no netCDF file, is damaged, does not match
    the digest that it has, is of ours in another format or without a digest, or lies in the
    directory of another run than its own. What keeps a
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


def write_netcdf(path: Path, data: "xr.Dataset | xr.DataTree") -> None:
    """Write a netCDF file whole. Raises OSError where that cannot be done, as on a full disk.

    It is made in memory: libhdf5 ends the process by a segmentation fault, then or at its exit,
    where the disk under a file of its own is full.
    """
    with _without_cluster():
        contents = data.to_netcdf(engine="h5netcdf")
    # Given back before the buffer that it is a view of goes, which is an error elsewhere; hence not
    # by Path.write_bytes either, of which an error would keep a view of its own.
    with contents, whole(path) as temporary, temporary.open("wb") as file:
        file.write(contents)


@contextlib.contextmanager
def _without_cluster() -> Iterator[None]:
    """Let xarray lock what it writes for this process alone, whatever cluster of Dask there is.

    In a worker of Dask, or beside a client, it asks the scheduler for a lock named as the file is.
    What is made in memory has no name that could be sent there.
    """
    dask = sys.modules.get("dask")
    if dask is None:  # then there is no cluster
        yield
        return
    with _WRITING, dask.config.set(scheduler="threads"):  # of the process, hence the lock
        yield


def _read(path: Path, opener: Callable[..., Any]) -> Any:
    import h5py

    check_file(path)
    try:
        # h5netcdf, where it cannot open an object, prints a traceback of its own besides.
        sizes: list[int] = []
        with h5py.File(path, "r") as file:
            file.visititems(lambda name, found: sizes.append(getattr(found, "nbytes", 0)))
        # What was never written takes no room in a file, and all of it in memory.
        require_free_for_file(sum(map(int, sizes)))
        with opener(path, engine="h5netcdf") as opened:
            return opened.load()
    except Exception as error:  # h5py raises almost anything for a damaged file
        if not is_damage(error):
            raise
        raise ValueError(f"{path} is not a netCDF file, or is damaged: {error}") from error


def _check(path: Path, data: "xr.Dataset | xr.DataTree") -> None:
    check_number(path, data.attrs)
    if is_damaged(data):
        why = (
            "its contents do not match their digest" if DIGEST in data.attrs else "it has no digest"
        )
        raise ValueError(f"{path} is damaged: {why}")
    check_in_place(path, data.attrs)
