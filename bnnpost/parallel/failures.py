"""What goes wrong with work, and whether another attempt may help."""

import errno
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
    return isinstance(error, WorkerDied) or type(error).__name__ == "KilledWorker"


def is_loss(error: BaseException) -> bool:
    """Whether the executor itself is lost, and takes no more work."""
    return isinstance(error, BrokenExecutor | CancelledError)


def may_pass(error: BaseException) -> bool:
    """Whether another attempt may go well: not where the configuration or its data are at fault."""
    passing = isinstance(error, (*_PASSING, WorkerDied))
    return passing or type(error).__name__ == "JaxRuntimeError"


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
