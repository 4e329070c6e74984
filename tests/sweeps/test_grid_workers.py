"""A grid by several workers: the results of one, whatever happens to them."""

import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest
import xarray as xr

from bnnpost.parallel import Processes
from bnnpost.parallel.dask import Dask
from bnnpost.sweeps import load_results, run_grid
from bnnpost.sweeps.grid import grid_of
from bnnpost.sweeps.grid_directory import GridDirectory
from tests import processes

VALUES = {
    "num_train": 2, "num_test": 1, "depth": 1, "num_samples": 20, "num_proposals": 400,
    "noise_std": 0.5, "widths": [4],
}  # fmt: skip
FOUR = {**VALUES, "grid": {"seed": [0, 1], "b_std": [0.1, 0.2]}}
MANY = {**VALUES, "widths": [4, 8], "grid": {"seed": list(range(10))}}


def assert_same(found, expected):
    """Every number of every cell, to the last digit; seconds apart."""
    assert [cell.status for cell in found] == ["done"] * len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.settings == other.settings
        for path in other.tree.groups:
            mine, theirs = (
                cell.tree[path].to_dataset().drop_vars("seconds", errors="ignore")
                for cell in (one, other)
            )
            xr.testing.assert_identical(mine.drop_attrs(), theirs.drop_attrs())


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """What this process gives alone."""
    return run_grid(grid_of(FOUR), tmp_path_factory.mktemp("grid") / "one")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_workers_give_what_one_process_gives(tmp_path, one, kind):
    said = []
    with Processes(2) if kind == "processes" else Dask(jobs=2) as executor:
        for _ in range(2):  # nothing is left the second time
            found = run_grid(grid_of(FOUR), tmp_path / "two", executor=executor, say=said.append)
            assert_same(found, one)
    assert sum("draws of" in line for line in said) == 4


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return run_grid(grid_of(MANY), tmp_path_factory.mktemp("grid") / "many")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_twenty_killed_workers_cost_nothing_but_time(tmp_path, many, kind):
    """At random moments with signal 9, one after another, while there is work."""
    killed, over, choose = [], threading.Event(), random.Random(0)

    def kill():
        while len(killed) < 20 and not over.wait(choose.uniform(0.5, 4.0)):
            if pids := worker_pids():
                killed.append(choose.choice(pids))
                os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    made = Processes(2) if kind == "processes" else Dask(jobs=2)
    with made as executor:
        killer.start()
        for number in range(50):
            out = tmp_path / str(number)
            found = run_grid(grid_of(MANY), out, executor=executor, retries=100)
            found = run_grid(grid_of(MANY), out, executor=executor, retries=100)  # Dask gives up
            assert_same(found, many)
            if len(killed) == 20:
                break
        over.set()
    assert len(killed) == 20


def worker_pids():
    """Processes below this one that have loaded JAX's library, and so are at work."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and descends(int(entry)):
            try:
                with open(f"/proc/{entry}/maps", encoding="utf-8", errors="replace") as file:
                    found += [int(entry)] if "jaxlib" in file.read() else []
            except OSError:
                continue
    return found


def descends(pid):
    while pid > 1:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                pid = int(file.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
        if pid == os.getpid():
            return True
    return False


COORDINATOR = """
import json, sys
from bnnpost.parallel import Processes
from bnnpost.sweeps import run_grid
from bnnpost.sweeps.grid import grid_of
with Processes(2) as executor:
    run_grid(grid_of(json.loads(sys.argv[1])), sys.argv[2], executor=executor)
"""


@pytest.mark.slow
def test_fifty_killed_coordinators_lose_nothing(tmp_path, many):
    """Each is killed at a random moment, and the next goes on; none leaves workers behind."""
    killed, number, choose = 0, 0, random.Random(1)
    while killed < 50:
        out = tmp_path / str(number)
        program = processes.start("-c", COORDINATOR, json.dumps(MANY), out)
        try:
            _, errors = program.communicate(timeout=choose.uniform(2.0, 20.0))
        except subprocess.TimeoutExpired:
            program.kill()
            program.communicate()
            killed += 1
        else:
            assert program.returncode == 0, errors
            assert_same(load_results(out), many)
            number += 1
    out = tmp_path / str(number)
    assert_same(run_grid(grid_of(MANY), out), many)
    time.sleep(1.0)
    assert not worker_pids() and not list(out.glob(".running*"))


def test_results_of_a_grid_that_has_none_are_no_trees(tmp_path):
    with GridDirectory.begun(tmp_path / "out", grid_of(FOUR)):
        pass
    found = load_results(tmp_path / "out")
    assert [cell.status for cell in found] == ["pending"] * 4
    assert all(cell.tree is None for cell in found)
    with pytest.raises(ValueError, match="has results yet"):
        found.distances()
