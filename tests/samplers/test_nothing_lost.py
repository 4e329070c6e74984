"""A run that is killed, interrupted, or out of disk at any moment goes on to the same draws."""

import json
import random
import signal
import time

import pytest

from tests import processes
from tests.samplers.small_blocks import assert_same, block_files, opened, sample

# Files of 512 proposals, so that a kill is likely to come while one is being written.
NUM_SAMPLES = 20_000
CODE = """
from tests.samplers.small_blocks import sample
print("started", flush=True)
sample({num_samples}, directory={path!r})
print("finished", flush=True)
"""


@pytest.fixture(scope="module")
def whole():
    """The draws of a run that nothing disturbs, made without a directory."""
    return sample(NUM_SAMPLES)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Compiled programs are kept between the processes, which saves each a second or two."""
    return str(tmp_path_factory.mktemp("compiled"))


def begin(path, cache):
    """A process that runs in a directory, once it is past its imports."""
    kept = {
        "JAX_COMPILATION_CACHE_DIR": cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
    code = CODE.format(num_samples=NUM_SAMPLES, path=str(path))
    process = processes.start("-c", code, variables=kept)
    assert process.stdout.readline() == "started\n", process.communicate()[1]
    return process


def stop(process, how, after):
    """Send a signal after so many seconds; whether it came before the end."""
    time.sleep(after)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert "finished" in out or process.returncode != 0, err
    return "finished" not in out


def kills(path, cache, number, seed):
    """Kill and start again at random moments, from the first second on; how many came in time."""
    moments, in_time = random.Random(seed), 0
    for _ in range(number):
        process = begin(path, cache)
        if moments.random() < 0.5:
            # The start, when little has been written yet, and then the bulk of the work.
            while process.poll() is None and not (path / "run.json").exists():
                time.sleep(0.005)
        in_time += stop(process, signal.SIGKILL, moments.uniform(0, 1.0))
    return in_time


@pytest.mark.slow
def test_killed_twice(whole, cache, tmp_path):
    path = tmp_path / "run"
    assert kills(path, cache, 2, seed=0) >= 1
    assert_same(sample(NUM_SAMPLES, directory=path), whole)
    check_clean(path)


@pytest.mark.slow
def test_killed_twenty_times(whole, cache, tmp_path):
    in_time, seed = 0, 0
    while in_time < 20:
        path = tmp_path / f"run{seed}"
        in_time += kills(path, cache, 5, seed)
        assert_same(sample(NUM_SAMPLES, directory=path), whole)
        check_clean(path)
        seed += 1


def check_clean(path):
    """Nothing half written is left, and every file can be read."""
    assert not [file for file in path.rglob("*") if ".tmp" in file.suffixes]
    said = []
    blocks = opened(path, said.append)
    for number in range(len(block_files(path))):
        assert blocks.read(number)
    assert not said
    assert json.loads((path / "status.json").read_text())["state"] == "done"


@pytest.mark.slow
def test_interrupted(whole, cache, tmp_path):
    for number in range(5):  # where other processes keep this one waiting, the run may be done
        path = tmp_path / str(number)
        process = begin(path, cache)
        while process.poll() is None and len(block_files(path)) < 3:
            time.sleep(0.01)
        start = time.monotonic()
        if stop(process, signal.SIGINT, 0.0):
            break
    assert number < 4
    assert time.monotonic() - start < 10
    kept = len(block_files(path))
    assert kept >= 3
    assert_same(sample(NUM_SAMPLES, directory=path), whole)
    assert len(block_files(path)) > kept


FULL = """
import resource, signal
from tests.samplers.small_blocks import sample
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    sample({num_samples}, directory={path!r})
except OSError as error:
    print("OSError", error)
"""


@pytest.mark.slow
def test_a_full_disk_is_an_error_and_what_there_was_stays(whole, tmp_path):
    path = tmp_path / "run"
    sample(NUM_SAMPLES // 4, directory=path)
    before = {file: file.read_bytes() for file in block_files(path)[:-1]}
    # No file may grow past so many bytes: as on a disk that is full.
    code = FULL.format(limit=1000, num_samples=NUM_SAMPLES, path=str(path))
    out, err = processes.start("-c", code).communicate(timeout=60)
    assert out.startswith("OSError"), err
    assert not [file for file in path.rglob("*") if ".tmp" in file.suffixes]
    assert before == {file: file.read_bytes() for file in block_files(path)[:-1]}
    assert_same(sample(NUM_SAMPLES, directory=path), whole)
