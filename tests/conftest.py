"""How the tests run jax and numpy, which read variables when imported; the user's own win.

On the CPU, where every core has a process with tests already: threads of numpy's BLAS would only
wait for each other. Three quarters of the tests' time is compilation, so programs are compiled at
a lower level of optimisation, and kept for one run, for all its processes.
"""

import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
PROGRAMS = "JAX_COMPILATION_CACHE_DIR"

MEMORY_MAPS = Path("/proc/self/maps")
# Linux allows a process 65,530 memory maps. Every compiled program takes dozens, and the
# compiler aborts the process when there are no more.
MANY_MAPS = 40_000


def pytest_configure(config):
    """Make the folder of compiled programs before workers start, which then find it."""
    if PROGRAMS not in os.environ:
        config.programs = os.environ[PROGRAMS] = tempfile.mkdtemp(prefix="bnnpost-tests-")


def pytest_unconfigure(config):
    if hasattr(config, "programs"):
        shutil.rmtree(config.programs, ignore_errors=True)


@pytest.fixture(autouse=True, scope="module")
def _forget_compiled_programs():
    """Drop compiled programs between modules before there are too many of them."""
    yield
    if MEMORY_MAPS.exists() and MEMORY_MAPS.read_bytes().count(b"\n") > MANY_MAPS:
        import jax

        jax.clear_caches()
        gc.collect()
