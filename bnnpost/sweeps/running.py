"""Running a grid from beginning to end: begun, worked on by an executor, finished."""

import contextlib
import os
from collections.abc import Callable

from bnnpost.sweeps.cells import Grid
from bnnpost.sweeps.grid_directory import GridDirectory, Say
from bnnpost.sweeps.loaded import GridResults, load_results
from bnnpost.sweeps.work import RETRIES, Effort, forget_failures, work

# Does what is missing in a directory, and returns when it is done or handed over.
Executor = Callable[[GridDirectory, Effort, Say], None]


def inline(directory: GridDirectory, effort: Effort, say: Say, *, progress: bool = False) -> None:
    """One unit after another in this process; progress: with a bar of its draws on stderr."""
    work(directory, effort, say=say, progress=progress)


def run_grid(
    grid: Grid,
    path: str | os.PathLike[str],
    *,
    executor: Executor = inline,
    retries: int = RETRIES,
    force: bool = False,
    say: Say = lambda message: None,
) -> GridResults:
    """Run what is missing of a grid in a directory; what failed before is tried again.

    executor: `inline`, `Processes(jobs)` or `Cluster(options)`. retries: further attempts at a
    unit (a cell at one width) whose process was killed, or where memory, the device or the file
    system gave out. force: cells whose acceptance looks hopeless too. A unit that fails is
    written down and hinders no other. Raises ConfigError, DataError and DirectoryInUse as
    `GridDirectory.begun`; OSError if the disk is full.
    """
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(GridDirectory.begun(path, grid, say=say))
        forget_failures(directory)
        executor(directory, Effort(retries=retries, force=force), say)
    return load_results(path)
