"""What goes wrong, as a message on stderr and a documented exit code."""

import contextlib
import sys
from collections.abc import Iterator

import click

ERROR, USAGE, BUDGET, INTERRUPTED = 1, 2, 4, 130


@contextlib.contextmanager
def reported(resume: str = "") -> Iterator[None]:
    """Turn the library's errors into messages and exit codes; `resume` says how to go on."""
    from bnnpost.datasets import DataError
    from bnnpost.sweeps import BudgetExhausted, ConfigError, HopelessRun

    try:
        yield
    except (ConfigError, HopelessRun) as error:
        _leave(str(error), USAGE)
    except BudgetExhausted as error:
        _leave(str(error), BUDGET)
    except (DataError, OSError, FloatingPointError) as error:
        _leave(str(error), ERROR)
    except ValueError as error:
        _leave(str(error), ERROR)
    except KeyboardInterrupt:
        _leave(f"interrupted{'; ' + resume if resume else ''}", INTERRUPTED)


def _leave(message: str, code: int) -> None:
    click.echo(f"bnnpost: {message}", err=True)
    sys.exit(code)
