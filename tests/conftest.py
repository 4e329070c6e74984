"""How the tests run jax and numpy, which read variables when imported; the user's own win.

On the CPU, where every core has a process with tests already: threads of numpy's BLAS would only
wait for each other. Most of the tests' time is compilation, so programs are compiled with less
optimisation, and kept for one run, for all its processes; where no slow test is run, with next to
none but in the files marked optimised. `make test-all XLA_FLAGS=` compiles them as users have them,
which the test of the wheel always does.
"""

import collections
import gc
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from tests import shares
from tests.compiler import quick_flags

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if "XLA_FLAGS" not in os.environ:  # processes that this one starts have it from here
    os.environ["XLA_FLAGS"] = quick_flags()
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
UNOPTIMISED = "JAX_DISABLE_MOST_OPTIMIZATIONS"
PROGRAMS = "JAX_COMPILATION_CACHE_DIR"
TESTS = Path(__file__).parent


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of a job in a shell's background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--share", metavar="K/N", help="of the slow tests, those of the K-th of N shares alone"
    )
    parser.addoption(
        "--measure", action="store_true", help="keep how long the slow tests of each file take"
    )


def pytest_configure(config):
    """Read --share; make the folder of compiled programs before workers start, which find it."""
    if isinstance(config.option.share, str):
        try:
            config.option.share = shares.parse(config.option.share)
        except ValueError as error:
            raise pytest.UsageError(f"--share: {error}") from error
    if PROGRAMS not in os.environ:
        config.programs = os.environ[PROGRAMS] = tempfile.mkdtemp(prefix="bnnpost-tests-")


def pytest_unconfigure(config):
    if hasattr(config, "programs"):
        shutil.rmtree(config.programs, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Mark what each(n) and first leave to the slow tests slow; then leave out other shares."""
    seen = collections.Counter()
    for item in items:
        every = item.get_closest_marker("each")
        first = item.get_closest_marker("first")
        if (every or first) and not item.get_closest_marker("slow"):
            name = item.nodeid.partition("[")[0]
            if seen[name] % every.args[0] if every else seen[name]:
                item.add_marker(pytest.mark.slow)
            seen[name] += 1
    if config.option.share is not None:
        _keep_share(config, items, *config.option.share)


def _keep_share(config, items, number, of):
    """Leave one share's slow tests in items, the longest file first."""
    by_file = collections.defaultdict(list)
    for item in items:
        if item.get_closest_marker("slow"):
            by_file[item.path.relative_to(TESTS).as_posix()].append(item)
    parts, seconds = shares.in_parts(by_file, of, shares.measured())
    chosen = shares.split(parts, of, seconds)[number - 1]
    wanted = [item for part in chosen for item in parts[part]]
    left_out = set(items).difference(wanted)
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = wanted


def pytest_collection_finish(session):
    """Look for garbage less often, and not in what is imported by now: a tenth of the tests' time.

    Modules of tests collect what they leave; see below.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """Keep how long the slow tests of each file took, where that was asked for and all were run."""
    if not config.option.measure or exitstatus not in (0, 1):
        return
    seconds = collections.Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if "slow" in getattr(report, "keywords", ()) and hasattr(report, "duration"):
                seconds[report.nodeid.partition("::")[0].removeprefix("tests/")] += report.duration
    shares.keep(seconds, TESTS)


@pytest.fixture(autouse=True, scope="module")
def _optimisation(request):
    """Compile with next to no optimisation, here and in processes that are started from here."""
    slow_ones_too = request.config.option.markexpr != "not slow"
    if UNOPTIMISED in os.environ or slow_ones_too or request.node.get_closest_marker("optimised"):
        yield
        return
    os.environ[UNOPTIMISED] = "1"
    jax = sys.modules.get("jax")  # one that is imported later reads the variable
    if jax is not None:
        jax.config.update(UNOPTIMISED.lower(), True)
    yield
    del os.environ[UNOPTIMISED]
    jax = sys.modules.get("jax")
    if jax is not None:
        jax.config.update(UNOPTIMISED.lower(), False)


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
