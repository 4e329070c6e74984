"""How much memory a process may still take."""

from pathlib import Path

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
