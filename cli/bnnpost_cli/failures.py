"""What goes wrong, as a message on stderr and a documented exit code."""

import contextlib
import errno
import re
import sys
import warnings
from collections.abc import Iterator

import click

from bnnpost.stopping import stoppable

ERROR, USAGE, FAILED, BUDGET, SOME_FAILED, INTERRUPTED = 1, 2, 3, 4, 5, 130
_LONGEST = 200
_DEBUG = "bnnpost.debug"


@contextlib.contextmanager
def reported(resume: str = "") -> Iterator[None]:
    """Turn errors into one line and an exit code; `resume` says how to go on.

    With --debug the traceback comes before that line. The library's warnings are messages too,
    each of them said once.
    """
    try:
        with stoppable(), _warnings_said_once():
            yield
    except KeyboardInterrupt:
        _leave(f"interrupted{'; ' + resume if resume else ''}", INTERRUPTED)
    except (click.ClickException, click.exceptions.Exit):
        raise
    except Exception as error:
        message, code = _told(error, resume)
        if _debugging():
            import traceback

            traceback.print_exc()
        _leave(message, code)


def _told(error: Exception, resume: str) -> tuple[str, int]:
    """What to say of an error, and the exit code."""
    from bnnpost.parallel.failures import ExecutorError, WorkLeft, is_of_device
    from bnnpost.samplers.cost import HopelessRun, NoDraws
    from bnnpost.settings import ConfigError
    from bnnpost.sweeps.programs import kept_in

    if isinstance(error, ConfigError | ExecutorError | HopelessRun):
        return str(error), USAGE
    if isinstance(error, WorkLeft):
        return f"{error}; {resume}" if resume else str(error), SOME_FAILED
    if isinstance(error, OSError):
        return f"{error}{'; ' + resume if is_full(error) and resume else ''}", ERROR
    if isinstance(error, ValueError | FloatingPointError):  # so the library says what it refuses
        return str(error), ERROR
    if isinstance(error, NoDraws):
        return str(error), BUDGET
    if is_of_device(error):
        kept = kept_in()
        advice = f"; {kept}" if kept else ""
        return f"the device gave up, perhaps for lack of memory: {error}{advice}", ERROR
    kind = type(error).__name__
    return f"{kind}: {error} (where it came from: the same command with --debug)", ERROR


def is_full(error: Exception) -> bool:
    """Whether an error says that the disk, or what one may use of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def debuggable(command: click.Command) -> click.Command:
    """The command, and those below it, with the flag --debug."""
    if not any(option.name == "debug" for option in command.params):
        option = click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_remember,
            help="Show the traceback of an error.",
        )
        command.params.append(option)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            debuggable(below)
    return command


def _remember(context: click.Context, option: click.Parameter, value: bool) -> None:
    context.meta[_DEBUG] = context.meta.get(_DEBUG, False) or value


def _debugging() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_DEBUG))


@contextlib.contextmanager
def _warnings_said_once() -> Iterator[None]:
    said: set[str] = set()

    def show(message: Warning | str, category: type, *where: object, **more: object) -> None:
        # What other packages will do in their next versions is nothing to a user of commands.
        if str(message) not in said and not issubclass(category, FutureWarning):
            said.add(str(message))
            click.echo(f"bnnpost: warning: {message}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _leave(message: str, code: int) -> None:
    # The name of a file, or a number, of thousands of characters hides what is said of it.
    short = re.sub(rf"(\S{{{_LONGEST}}})\S+", r"\1…", message)
    click.echo(f"bnnpost: {short}", err=True)
    sys.exit(code)
