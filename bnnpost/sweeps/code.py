"""Code of the user's that a configuration names, as module:name, and what it raises."""

import contextlib
import importlib
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from bnnpost.settings import ConfigError
from bnnpost.stopping import is_interruption

_PACKAGE = Path(__file__).parents[1]
# The file of somebody's run that is being read, perhaps a stranger's; None of the user's own words.
_RECORD: ContextVar[object] = ContextVar("record", default=None)


class UntrustedCode(ConfigError):
    """The record of a run names code, which is run only where the user asks for it."""


@contextlib.contextmanager
def not_imported(record: object) -> Iterator[None]:
    """Let what is read here, the file of a run, import nothing. `imported` raises UntrustedCode."""
    before = _RECORD.set(record)
    try:
        yield
    finally:
        _RECORD.reset(before)


def imported(setting: str, name: str, expected: str) -> object:
    """What module:name is. Modules are looked for in the working directory too, last of all.

    Raises ConfigError that says what was expected, UntrustedCode within `not_imported`.
    """
    if (record := _RECORD.get()) is not None:
        raise UntrustedCode(
            f"{record} names code as its {setting}, {name}, which would be run: where you trust "
            "it, --trust-code, or trust_code=True in Python"
        )
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:  # not before Python's own: other files there are not asked for
        sys.path.append(os.getcwd())
    try:
        with user_errors(setting, name):
            return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
    except (ModuleNotFoundError, AttributeError, TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{setting}: cannot find {name} ({error}); expected {expected}") from None


@contextlib.contextmanager
def user_errors(setting: str, name: str) -> Iterator[None]:
    """What code of the user's raises, as a ConfigError with its file and line, in one line.

    Errors that no line of theirs has a part in pass.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        place = _place(error)
        if is_interruption(error) or not place:
            raise
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        told = " ".join(f"{type(error).__name__}: {text}".split())
        raise ConfigError(f"{setting}: {name} raised at {place}: {told}") from error


def _place(error: BaseException) -> str:
    """File and line of the user's code that an error is from; empty if it is none of theirs."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}, line {error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_ours(f.filename)]
    # What they call of other packages says less than the line in which they call it.
    packages = sysconfig.get_path("purelib")
    theirs = [f for f in frames if not Path(f.filename).is_relative_to(packages)] or frames
    return f"{theirs[-1].filename}, line {theirs[-1].lineno}" if theirs else ""


def _is_ours(file: str) -> bool:
    """Whether a file is of bnnpost, or of Python's machinery of imports."""
    folders = (_PACKAGE, Path(importlib.__file__).parent)
    return file.startswith("<frozen") or any(Path(file).is_relative_to(one) for one in folders)
