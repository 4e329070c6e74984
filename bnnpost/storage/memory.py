"""Memory that is free, and files of numpy, which are looked at before they take all of it."""

import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

_SYSTEM = Path("/proc/meminfo")
# Of the memory that is free, what one file may take: what is made of it takes as much again.
_SHARE = 0.5
# Bytes for which nobody asks how much is free, which takes about as long as a small kernel.
_LITTLE = 2**26
# Of a container: its limit, what it uses, and how much of that are files that can be dropped.
_GROUP = Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Bytes that are free, on the machine and in the container; None if the system does not say."""
    found = [count for count in (_of_the_system(), _of_the_group()) if count is not None]
    return min(found) if found else None


def gigabytes(count: int) -> str:
    """A number of bytes, to be read."""
    return f"{count / 2**30:,.1f} GiB"


def require_free(needed: float, what: str, cure: str) -> None:
    """Raise ValueError where what is to be done needs more bytes than are free.

    what: takes them, in words; cure: what to do instead.
    """
    free = available_memory() if needed > _LITTLE else None
    if free is not None and needed > free:
        raise ValueError(
            f"{what} takes about {gigabytes(int(needed))} of memory, and {gigabytes(free)} are "
            f"free: {cure}"
        )


def require_free_for_file(num_bytes: int) -> None:
    """Raise ValueError for a file whose arrays would not leave room for what is made of them."""
    free = available_memory()
    if free is not None and num_bytes > _SHARE * free:
        raise ValueError(
            f"its arrays take {gigabytes(num_bytes)}, and {gigabytes(free)} of memory are free: "
            "write fewer rows, or single precision"
        )


def _of_the_system() -> int | None:
    try:
        lines = _SYSTEM.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvail"))
    except (OSError, ValueError, StopIteration):
        return None


def _of_the_group() -> int | None:
    try:
        limit, used = (int((_GROUP / f"memory.{n}").read_text()) for n in ("max", "current"))
        stat = (_GROUP / "memory.stat").read_text(encoding="utf-8").splitlines()
        files = next(int(line.split()[1]) for line in stat if line.startswith("inactive_file "))
    except (OSError, ValueError, StopIteration):  # no such file, or no limit: "max"
        return None
    return max(0, limit - used + files)


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
