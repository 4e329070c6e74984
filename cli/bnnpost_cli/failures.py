"""What goes wrong, as a message on stderr and a documented exit code."""

import contextlib
import errno
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import click

ERROR, USAGE, FAILED, BUDGET, SOME_FAILED, INTERRUPTED = 1, 2, 3, 4, 5, 130


@contextlib.contextmanager
def reported(resume: str = "") -> Iterator[None]:
    """Turn the library's errors into messages and exit codes; `resume` says how to go on.

    Its warnings are messages too, each of them said once.
    """
    before = _interrupt_on_termination()
    try:
        from bnnpost.datasets import DataError
        from bnnpost.sweeps import BudgetExhausted, ConfigError, HopelessRun

        with _warnings_said_once():
            yield
    except KeyboardInterrupt:  # first, as it may come before the others are imported
        _leave(f"interrupted{'; ' + resume if resume else ''}", INTERRUPTED)
    except (ConfigError, HopelessRun) as error:
        _leave(str(error), USAGE)
    except BudgetExhausted as error:
        _leave(str(error), BUDGET)
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        _leave(f"{error}{'; ' + resume if is_full and resume else ''}", ERROR)
    except (DataError, FloatingPointError) as error:
        _leave(str(error), ERROR)
    except ValueError as error:
        _leave(str(error), ERROR)
    except RuntimeError as error:
        if type(error).__name__ != "JaxRuntimeError":
            raise
        _leave(f"the device gave up, perhaps for lack of memory: {error}", ERROR)
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _warnings_said_once() -> Iterator[None]:
    said: set[str] = set()

    def show(message: Warning | str, *where: object, **more: object) -> None:
        if str(message) not in said:
            said.add(str(message))
            click.echo(f"bnnpost: warning: {message}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _interrupt_on_termination() -> Any:
    """Let SIGTERM, by which schedulers end a job, do what Ctrl-C does; the handler before."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, interrupt)


def _leave(message: str, code: int) -> None:
    click.echo(f"bnnpost: {message}", err=True)
    sys.exit(code)
