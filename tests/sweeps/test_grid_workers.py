"""A grid by several workers: the results of one, whatever happens to them."""

import contextlib
import itertools
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bnnpost.parallel import Processes
from bnnpost.parallel.dask import Dask
from bnnpost.storage import files as storage_files
from bnnpost.sweeps import load_results, run_grid
from bnnpost.sweeps.grid import grid_of
from bnnpost.sweeps.grid_directory import GridDirectory
from tests import processes
from tests.sweeps.fake_work import Fake
from tests.sweeps.fake_work import grid as fake_grid

VALUES = {
    "num_train": 2, "num_test": 1, "depth": 1, "num_samples": 20, "num_proposals": 400,
    "noise_std": 0.5, "widths": [4],
}  # fmt: skip
SEEDS = {**VALUES, "grid": {"seed": [0, 1]}}
# Of units that take no time, or a moment.
MANY = fake_grid(grid={"seed": list(range(10))})
TWO = fake_grid(widths=[4])
NUM_KILLED = 10


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
    return run_grid(grid_of(SEEDS), tmp_path_factory.mktemp("grid") / "one")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_workers_give_what_one_process_gives(tmp_path, one, kind):
    said = []
    with Processes(2) if kind == "processes" else Dask(jobs=2) as executor:
        for _ in range(2):  # nothing is left the second time
            found = run_grid(grid_of(SEEDS), tmp_path / "two", executor=executor, say=said.append)
            assert_same(found, one)
    assert sum("draws of" in line for line in said) == 2


@pytest.fixture
def many(tmp_path, monkeypatch):
    """What this process gives alone, of units that take a moment from then on."""
    fake = Fake().install(monkeypatch)
    found = run_grid(MANY, tmp_path / "many")
    fake.seconds = 0.2
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_killed_workers_cost_nothing_but_time(tmp_path, many, kind):
    """With signal 9, one after another, soon after the last or while there is work again."""
    killed, over, choose = [], threading.Event(), random.Random(0)
    waits = np.linspace(0.1, 4.0, NUM_KILLED)

    def kill():
        while len(killed) < NUM_KILLED and not over.wait(waits[len(killed)]):
            if pids := worker_pids():
                killed.append(choose.choice(pids))
                os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    made = Processes(2) if kind == "processes" else Dask(jobs=2)
    with made as executor:
        killer.start()
        for number in range(50):
            out = tmp_path / str(number)
            found = run_grid(MANY, out, executor=executor, retries=100)
            found = run_grid(MANY, out, executor=executor, retries=100)  # Dask gives up
            assert_same(found, many)
            if len(killed) == NUM_KILLED:
                break
        over.set()
    assert len(killed) == NUM_KILLED


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
import sys
from tests.sweeps import test_grid_workers
test_grid_workers.coordinate(sys.argv[1])
"""


def coordinate(path):
    """In a process of its own: the grid by workers, of units that take a moment."""
    with pytest.MonkeyPatch.context() as patch, Processes(2) as executor:
        Fake(seconds=0.2).install(patch)
        print("begins", flush=True)
        run_grid(MANY, path, executor=executor)


@pytest.mark.slow
def test_killed_coordinators_lose_nothing_and_leave_no_workers(tmp_path, many):
    """Each is killed when it has got further than the one before, and the next goes on."""
    out = tmp_path / "out"
    for more in range(6):
        held = len(list(out.rglob("*.nc")))
        program = processes.start("-c", COORDINATOR, out)
        assert program.stdout.readline() == "begins\n", program.communicate()[1]
        while program.poll() is None and len(list(out.rglob("*.nc"))) < held + more:
            time.sleep(0.05)
        time.sleep(0.07 * more)
        program.kill()
        program.communicate()
        assert program.returncode == -signal.SIGKILL
    assert_same(run_grid(MANY, out), many)
    time.sleep(1.0)
    assert not worker_pids() and not list(out.glob(".running*"))


EVERYWHERE = """
import json, sys
from tests.sweeps import test_grid_workers
print(json.dumps(test_grid_workers.until_lost(sys.argv[1], sys.argv[2] == "whole")))
"""
# What Python's audit hooks call changes of files, but for "open".
CHANGES = ("os.mkdir", "os.rename")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["whole", "in place"])
def test_a_kill_before_any_change_of_a_file_loses_nothing(tmp_path, how):
    """Known-wrong twin: texts are written in place, and not to another name first."""
    program = processes.start("-c", EVERYWHERE, tmp_path, how)
    out, errors = program.communicate(timeout=600)
    assert program.returncode == 0, errors
    found = json.loads(out)
    print(found)
    assert found["is_lost"] == (how == "in place"), errors
    assert found["kills"] > 30 or found["is_lost"]


def until_lost(folder, is_whole):
    """In a process of its own: kills until one is not made good by another run, or there is none.

    What it has loaded children that are forked have too, who compute nothing with JAX.
    """
    whole = Path(folder) / "whole"
    with pytest.MonkeyPatch.context() as patch:
        Fake().install(patch)
        run_grid(TWO, whole)
        if not is_whole:
            patch.setattr(storage_files, "whole", contextlib.nullcontext)
        for number in itertools.count(1):
            path = Path(folder) / str(number)
            if in_a_child(lambda path=path, number=number: killed_at(number, path)) == 0:
                return {"kills": number - 1, "is_lost": False}
            if in_a_child(lambda path=path: assert_same(run_grid(TWO, path), load_results(whole))):
                return {"kills": number, "is_lost": True}


def in_a_child(call):
    """The exit code of a process that calls this, which a signal makes negative."""
    child = os.fork()
    if not child:
        try:
            call()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(number, path):
    """Be killed before so many changes; a file that was to be written is left empty."""
    changes = itertools.count(1)

    def look(event, arguments):
        mode = str(arguments[1]) if event == "open" else ""
        if not (event in CHANGES or {*mode} & {*"wxa+"}) or str(path) not in str(arguments[0]):
            return
        if next(changes) == number:
            if {*mode} & {*"wx"}:
                os.close(os.open(arguments[0], os.O_CREAT | os.O_WRONLY | os.O_TRUNC))
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
    run_grid(TWO, path)


def test_results_of_a_grid_that_has_none_are_no_trees(tmp_path):
    with GridDirectory.begun(tmp_path / "out", grid_of(SEEDS)):
        pass
    found = load_results(tmp_path / "out")
    assert [cell.status for cell in found] == ["pending"] * 2
    assert all(cell.tree is None for cell in found)
    with pytest.raises(ValueError, match="has results yet"):
        found.distances()
