"""A grid by several processes: the results of one, whatever happens to them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import xarray as xr

from bnnpost.sweeps import load_results, run_grid, run_sweep
from bnnpost.sweeps.cluster import parameters
from bnnpost.sweeps.config import ConfigError
from bnnpost.sweeps.directory import RunDirectory
from bnnpost.sweeps.grid import grid_of
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.problem import load_problem
from bnnpost.sweeps.processes import Processes
from bnnpost.sweeps.units import Unit

VALUES = {
    "num_train": 2, "num_test": 1, "depth": 1, "num_samples": 20, "num_proposals": 400,
    "noise_std": 0.5, "widths": [4],
}  # fmt: skip
SEEDS = {**VALUES, "grid": {"seed": [0, 1]}}
FOUR = {**VALUES, "grid": {"seed": [0, 1], "b_std": [0.1, 0.2]}}
# Units that take a while.
MANY = {**VALUES, "num_proposals": 60_000, "grid": {"seed": list(range(4))}}


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """What one process gives."""
    return run_grid(grid_of(FOUR), tmp_path_factory.mktemp("grid") / "one")


def assert_same(found, expected):
    """Every number of every cell, to the last digit; seconds apart."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.settings == other.settings
        assert_same_trees(one.tree, other.tree)


def assert_same_trees(tree, other):
    for path in other.groups:
        mine, theirs = (
            t[path].to_dataset().drop_vars("seconds", errors="ignore") for t in (tree, other)
        )
        xr.testing.assert_identical(mine.drop_attrs(), theirs.drop_attrs())


def test_a_cell_is_what_its_configuration_gives_alone(tmp_path):
    found = run_grid(grid_of(SEEDS), tmp_path / "grid")
    assert [cell.status for cell in found] == ["done", "done"]
    config = found.cells[1].config
    with RunDirectory.claim(tmp_path / "alone", config) as directory:
        alone = run_sweep(load_problem(config), directory)
    assert_same_trees(found.cells[1].tree, alone)
    assert not np.array_equal(*(cell.tree["width_4/posterior"]["f"] for cell in found))
    assert (found.cells[0].path / "distances.png").exists()


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path, one):
    said = []
    two = run_grid(grid_of(FOUR), tmp_path / "two", executor=Processes(2), say=said.append)
    assert_same(two, one)
    assert sum("draws of" in line for line in said) == 4  # each unit by one of them
    # Nothing is left: no process is started.
    run_grid(grid_of(FOUR), tmp_path / "two", executor=Processes(2), say=said.append)
    assert sum("draws of" in line for line in said) == 4


@pytest.mark.slow
def test_a_killed_process_costs_its_unit_and_nothing_else(tmp_path, one):
    """Killed with signal 9 as soon as it has claimed a unit, twice; the results are the same."""
    said, killed, victims = [], [], []
    grid, out = grid_of(FOUR), tmp_path / "killed"

    def kill():
        while len(killed) < 2:
            for claim in out.glob("runs/*/.width_*.claim"):
                try:
                    found = json.loads(claim.read_text())
                    if found["pid"] not in killed and claim not in victims:
                        os.kill(found["pid"], signal.SIGKILL)
                        victims.append(claim)
                        killed.append(found["pid"])
                except (OSError, ValueError):
                    continue
            time.sleep(0.01)

    threading.Thread(target=kill, daemon=True).start()
    found = run_grid(grid, out, executor=Processes(2), say=said.append)
    assert len(killed) == 2
    assert sum("was killed (SIGKILL)" in line for line in said) == 2
    assert [cell.status for cell in found] == ["done"] * 4
    assert_same(found, one)


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(tmp_path):
    """Whether it is told to end or killed; and the sweep is gone on with from there."""
    code = (
        "import json, signal, sys; from bnnpost.sweeps import Processes, run_grid\n"
        "from bnnpost.sweeps.grid import grid_of\n"
        # Started in the background, this process may ignore it, and so would that one.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "run_grid(grid_of(json.loads(sys.argv[1])), sys.argv[2], executor=Processes(2))"
    )
    for stop in (signal.SIGINT, signal.SIGKILL):
        out = tmp_path / stop.name
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        process = subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(MANY), out],
            env=environment,
            stderr=subprocess.PIPE,
        )
        claims: list = []
        while not claims:
            assert process.poll() is None
            claims = [one for one in map(_pid, out.glob("runs/*/.width_*.claim")) if one]
            time.sleep(0.02)
        process.send_signal(stop)
        process.communicate(timeout=60)
        limit = time.monotonic() + 60
        while any(map(_is_running, claims)) and time.monotonic() < limit:
            time.sleep(0.1)
        assert not any(map(_is_running, claims))
        assert not list(out.glob("runs/*/.*.tmp*"))
        left = [u for u in _units(out) if not u.is_done]
        assert left and not any(unit.is_claimed for unit in left)
        found = run_grid(GridDirectory.read(out).grid, out, executor=Processes(2))
        assert [cell.status for cell in found] == ["done"] * 4


# In a process of its own, as submitit leaves pipes open.
JOBS = """
import json, sys
from bnnpost.sweeps import Cluster, run_grid
from bnnpost.sweeps.grid import grid_of
jobs = Cluster({"cluster": "local", "time": 10}, jobs=2, wait=True)
for _ in range(2):
    run_grid(grid_of(json.loads(sys.argv[1])), sys.argv[2], executor=jobs, say=print)
"""


@pytest.mark.slow
def test_jobs_through_submitit_give_what_one_process_gives(tmp_path, one):
    pytest.importorskip("submitit")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", JOBS, json.dumps(FOUR), tmp_path / "jobs"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0].startswith("2 jobs for 4 units, job ")
    assert said[-1] == "nothing is left to run"
    assert_same(load_results(tmp_path / "jobs"), one)


def test_options_of_jobs_are_those_of_submitit():
    found = parameters({"time": "1-02:30", "memory": "8GB", "cpus": "4", "reservation": "ours"})
    assert found == {
        "name": "bnnpost",
        "timeout_min": 26 * 60 + 30,
        "slurm_mem": "8GB",
        "cpus_per_task": 4,
        "slurm_additional_parameters": {"reservation": "ours"},
    }
    for name, value in (("time", "soon"), ("time", 0), ("cpus", "many")):
        with pytest.raises(ConfigError, match=f"slurm: expected {name}"):
            parameters({name: value})


def test_jobs_go_on_after_preemption():
    submitit = pytest.importorskip("submitit")
    from bnnpost.sweeps.cluster import Job
    from bnnpost.sweeps.work import Effort

    job = Job("out", Effort(share=(1, 2)), True)
    again = job.checkpoint()
    assert isinstance(again, submitit.helpers.DelayedSubmission) and again.function == job


def _pid(claim):
    try:
        return json.loads(claim.read_text())["pid"]
    except (OSError, ValueError):
        return None


def _is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _units(out):
    directory = GridDirectory.read(out)
    return [
        Unit(cell, width, directory.cell_directory(cell))
        for cell in directory.grid.cells
        for width in cell.config.widths
    ]


def test_results_of_a_grid_that_has_none_are_no_trees(tmp_path):
    with GridDirectory.begun(tmp_path / "out", grid_of(SEEDS)):
        pass
    found = load_results(tmp_path / "out")
    assert [cell.status for cell in found] == ["pending", "pending"]
    assert all(cell.tree is None for cell in found)
    with pytest.raises(ValueError, match="has results yet"):
        found.distances()
