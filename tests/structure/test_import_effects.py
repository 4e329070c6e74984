"""What importing the library does to the interpreter it is imported into."""

import subprocess
import sys

import pytest

from tests.structure.sources import PACKAGE

IMPORT = """
import sys
import jax
jax.config.update("jax_enable_x64", {before})
import bnnpost
print(jax.config.jax_enable_x64, "arviz" in sys.modules, "numpyro" in sys.modules)
"""


@pytest.mark.parametrize("before", [False, True])
def test_import_leaves_the_x64_flag_and_loads_no_arviz(before):
    # In a process of its own: here the library is imported already.
    done = subprocess.run(
        [sys.executable, "-c", IMPORT.format(before=before)],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(before), "False", "False"]
