"""Files of numpy, looked at before they are read: a few kilobytes may unpack to all of memory."""

import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from bnnpost.storage.memory import gigabytes, require_free_for_file

_ENDING = ".npy"


class Header(NamedTuple):
    """What a file says of an array: its shape, and how many bytes its numbers take."""

    shape: tuple[int, ...]
    num_bytes: int


def array_names(path: Path) -> list[str]:
    """Names of the arrays in an .npz file. Raises zipfile.BadZipFile or OSError if damaged."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(_ENDING)]
    return [name.removesuffix(_ENDING) for name in names]


def header(path: Path, name: str) -> Header:
    """What an .npz file says of one of its arrays, which is not read.

    Raises ValueError for an array that the file cannot hold; OSError, zipfile.BadZipFile and
    others where the file is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}{_ENDING}")
        with archive.open(member) as file:
            return _header(file, name, member.file_size)


def read_arrays(path: Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Arrays of an .npz file by name: those of these names, or all.

    Raises ValueError for arrays that would not fit in memory, or need pickle; else as `header`.
    """
    wanted = array_names(path) if names is None else list(names)
    require_free_for_file(sum(header(path, name).num_bytes for name in wanted))
    with np.load(path, allow_pickle=False) as archive:
        return {name: np.asarray(archive[name]) for name in wanted}


def read_array(path: Path) -> np.ndarray:
    """The array of an .npy file. Raises as `read_arrays`."""
    with path.open("rb") as file:
        require_free_for_file(_header(file, path.name, path.stat().st_size).num_bytes)
        file.seek(0)
        found: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        return found


def _header(file: IO[bytes], name: str, size: int) -> Header:
    """Of the array in an open file of this size, in bytes."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else _of_long_headers
    shape, _, dtype = read(file)
    if any(count < 0 for count in shape):
        raise ValueError(f"{name} has a shape of negative numbers, {shape}")
    num_bytes = math.prod(shape) * dtype.itemsize
    if num_bytes > size and not dtype.hasobject:
        raise ValueError(
            f"{name} should be {gigabytes(num_bytes)}, by its shape, and is {size:,} bytes"
        )
    return Header(tuple(shape), num_bytes)


def _of_long_headers(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    found: tuple[tuple[int, ...], bool, np.dtype] = np.lib.format.read_array_header_2_0(file)
    return found
