"""What goes wrong with work, and whether another attempt may help."""

import errno
import sys
from concurrent.futures import BrokenExecutor, CancelledError

from bnnpost.stopping import is_interruption

# What may pass another time: a file system or device that gave out, memory that was short.
_PASSING = (OSError, MemoryError)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class ExecutorError(ValueError):
    """An executor that cannot be had, or whose workers cannot do what they are asked."""


class WorkLeft(RuntimeError):
    """Work has ended, and not all that was to be done is done; what was computed is kept."""


class WorkerDied(RuntimeError):
    """The process that was at a task was killed."""


def is_death(error: BaseException) -> bool:
    """Whether the process at a task was killed, as often as its executor tries that again."""
    return isinstance(error, WorkerDied) or is_of(error, "distributed.scheduler", "KilledWorker")


def is_loss(error: BaseException) -> bool:
    """Whether the executor itself is lost, and takes no more work."""
    return isinstance(error, BrokenExecutor | CancelledError)


def may_pass(error: BaseException) -> bool:
    """Whether another attempt may go well: not where the configuration or its data are at fault."""
    return isinstance(error, (*_PASSING, WorkerDied)) or is_of_device(error)


def is_of_device(error: BaseException) -> bool:
    """Whether JAX gave up on the device: its memory is full, or it is lost."""
    return is_of(error, "jax.errors", "JaxRuntimeError")


def is_of(error: BaseException, module: str, name: str) -> bool:
    """Whether an error is of a class in a module, which is not imported to find that out.

    Where the module is not loaded nothing has raised its errors.
    """
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(error, kind)


def ends_all(error: BaseException) -> bool:
    """Whether whatever is tried next would fail as well, or is not wanted.

    As on a full disk, after Ctrl-C, or with workers that are not what they should be.
    """
    is_full = isinstance(error, OSError) and error.errno in _FULL
    return is_full or isinstance(error, ExecutorError) or is_interruption(error)


def one_line(error: BaseException) -> str:
    """The first line of what an error says, or else its kind."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
