"""Running the command line, in this process and in one of its own."""

import os
import subprocess
import sys

from click.testing import CliRunner

from bnnpost_cli.main import main


def invoke(*arguments):
    """In this process; stdout, stderr and the exit code."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


def start(*arguments, **options):
    """In a process of its own, to be sent signals."""
    return _started("-m", "bnnpost_cli.main", *arguments, **options)


def start_code(code):
    """A few lines of Python in a process of their own."""
    return _started("-c", code)


def _started(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )
