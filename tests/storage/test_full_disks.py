"""netCDF files on a disk that is full at any place: an OSError each, no crash, nothing else said.

A limit on the size of files stands for the disk: what is written past it fails in the same way.
"""

import resource
import signal

import numpy as np
import pytest
import xarray as xr

from bnnpost.storage import read_tree, write_netcdf
from tests import processes

DATA = xr.Dataset({"f": (("draw", "point"), np.arange(600.0).reshape(60, 10))}, {"kind": "exact"})
TREE = xr.DataTree.from_dict({"/": DATA, "/below": DATA})
WRITE = """
import sys
from pathlib import Path
from tests.storage import test_full_disks
test_full_disks.written(Path(sys.argv[1]))
"""


def sizes(path):
    write_netcdf(path, TREE)
    return np.linspace(0, path.stat().st_size - 1, 20).astype(int)


def written(path):
    """Write with every size of the disk; the file that was there stays as it was."""
    before = path.read_bytes()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for size in sizes(path):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
        with pytest.raises(OSError, match="File too large") as caught:
            write_netcdf(path, TREE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert caught.value.filename
        assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1


def test_a_full_disk_is_an_error_and_no_crash(tmp_path):
    path = tmp_path / "results.nc"
    write_netcdf(path, TREE)
    process = processes.start("-c", WRITE, str(path))
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, "")
    assert np.array_equal(read_tree(path)["below/f"], DATA["f"])
