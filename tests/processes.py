"""Python in processes of its own, with the packages that this one has."""

import os
import subprocess
import sys


def start(*arguments, variables=None, **options):
    """A process of `python ARGUMENTS`, to be sent signals; its output is text, on pipes."""
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **(variables or {})},
        **options,
    )


def output(*arguments, **options):
    """What `python ARGUMENTS` prints, of a process that ends well within two minutes."""
    with start(*arguments, **options) as process:
        try:
            out, err = process.communicate(timeout=120)
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 0, err
    return out
