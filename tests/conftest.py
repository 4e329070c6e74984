"""The tests run on the CPU unless JAX_PLATFORMS says otherwise; jax reads it when imported."""

import gc
import os
from pathlib import Path

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")

MEMORY_MAPS = Path("/proc/self/maps")
# Linux allows a process 65,530 memory maps. Every compiled program takes dozens, and the
# compiler aborts the process when there are no more.
MANY_MAPS = 40_000


@pytest.fixture(autouse=True, scope="module")
def _forget_compiled_programs():
    """Drop compiled programs between modules before there are too many of them."""
    yield
    if MEMORY_MAPS.exists() and MEMORY_MAPS.read_bytes().count(b"\n") > MANY_MAPS:
        import jax

        jax.clear_caches()
        gc.collect()
