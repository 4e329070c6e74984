"""How the tests run jax and numpy, which read variables when imported; the user's own win.

On the CPU, where every core has a process with tests already: threads of numpy's BLAS would only
wait for each other. Three quarters of the tests' time is compilation, so programs are compiled
with less optimisation, and kept for one run, for all its processes. `make test-all XLA_FLAGS=`
compiles them as users have them, which the test of the wheel always does.
"""

import collections
import gc
import os
import shutil
import signal
import sys
import tempfile

import pytest

from tests.compiler import quick_flags

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if "XLA_FLAGS" not in os.environ:  # processes that this one starts have it from here
    os.environ["XLA_FLAGS"] = quick_flags()
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
PROGRAMS = "JAX_COMPILATION_CACHE_DIR"


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of a job in a shell's background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    """Make the folder of compiled programs before workers start, which then find it."""
    if PROGRAMS not in os.environ:
        config.programs = os.environ[PROGRAMS] = tempfile.mkdtemp(prefix="bnnpost-tests-")


def pytest_unconfigure(config):
    if hasattr(config, "programs"):
        shutil.rmtree(config.programs, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Make all but every n-th case of a test marked each(n) slow, before slow ones are left out."""
    seen = collections.Counter()
    for item in items:
        mark = item.get_closest_marker("each")
        if mark is not None:
            name = item.nodeid.partition("[")[0]
            if seen[name] % mark.args[0]:
                item.add_marker(pytest.mark.slow)
            seen[name] += 1


@pytest.fixture(autouse=True, scope="module")
def _forget_compiled_programs():
    """Drop compiled programs after each module: of all they would fill gigabytes of memory.

    They take memory maps too, dozens each, of which Linux allows a process 65,530; the compiler
    aborts the process when there are no more.
    """
    yield
    jax = sys.modules.get("jax")
    if jax is not None:
        jax.clear_caches()
        gc.collect()
