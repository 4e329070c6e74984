"""The executor that a command line, or a configuration, names."""

import importlib
from concurrent.futures import Executor

from bnnpost.naming import unknown
from bnnpost.parallel.coordinator import Inline
from bnnpost.parallel.dask import Dask
from bnnpost.parallel.failures import ExecutorError
from bnnpost.parallel.processes import Processes

NAMES = ("inline", "process", "dask")
_JOBS = 2


def executor(
    name: str | None = None, *, jobs: int | None = None, scheduler: str | None = None
) -> Executor:
    """An executor by its name: "inline", "process", "dask", or "module:factory" of a user's own.

    By default inline, process where several jobs are asked for, dask where a scheduler is named.
    jobs: processes on this machine, 2 by default. scheduler: see `Dask`. A factory is called
    without arguments, and gives a `concurrent.futures.Executor`. Raises ExecutorError.
    """
    if name is None:
        name = "dask" if scheduler is not None else "inline" if jobs in (None, 1) else "process"
    if scheduler is not None and name != "dask":
        raise ExecutorError(f"a scheduler is for the executor dask, got {name}")
    if scheduler is not None and jobs is not None:
        raise ExecutorError("a scheduler has workers of its own: leave the number of jobs out")
    if jobs not in (None, 1) and name not in ("process", "dask"):
        raise ExecutorError(f"several jobs are for the executors process and dask, got {name}")
    if name == "inline":
        return Inline()
    if name == "process":
        return Processes(jobs or _JOBS)
    if name == "dask":
        return Dask(scheduler, jobs)
    return _made(name)


def _made(name: str) -> Executor:
    module, colon, factory = name.partition(":")
    if not (module and colon and factory):
        raise ExecutorError(f"{unknown('executor', name, NAMES)}, or module:factory")
    try:
        found = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError) as error:
        raise ExecutorError(f"executor {name}: {error}") from None
    made = found() if callable(found) else found
    if not isinstance(made, Executor):
        raise ExecutorError(
            f"executor {name}: expected a concurrent.futures.Executor, got {type(made).__name__}"
        )
    return made
