"""What a second worker brings: the shipped grid by one worker and by two, on a core each.

    python benchmarks/workers.py [process|dask]

Each run is of the whole grid, compilation included, and takes minutes. Printed: seconds, and the
part of twice one worker's work that two do.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor

from bnnpost.parallel import Processes
from bnnpost.parallel.dask import Dask
from bnnpost.sweeps import load_grid, run_grid
from bnnpost.sweeps.grid_cells import Grid

_MAKERS: dict[str, Callable[[int], Executor]] = {
    "process": Processes,
    "dask": lambda jobs: Dask(jobs=jobs),
}


def seconds(grid: Grid, make: Callable[[int], Executor], jobs: int) -> float:
    """What a grid takes, workers started and ended."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with make(jobs) as executor:
            found = run_grid(grid, f"{folder}/run", executor=executor)
        taken = time.perf_counter() - start
    assert all(cell.status == "done" for cell in found)
    return taken


def main(kind: str) -> None:
    """Print how long one worker takes, and two."""
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[:2]
        os.sched_setaffinity(0, cores)
    grid, make = load_grid("grid_depths", {}), _MAKERS[kind]
    one = seconds_of_one(grid, make)
    two = seconds(grid, make, 2)
    print(f"{kind}: one worker {one:.0f} s, two {two:.0f} s: {one / (2 * two):.2f} of twice one's")


def seconds_of_one(grid: Grid, make: Callable[[int], Executor]) -> float:
    """The same by one worker, which has one core as each of two has."""
    if not hasattr(os, "sched_setaffinity"):
        return seconds(grid, make, 1)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        return seconds(grid, make, 1)
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "process")
