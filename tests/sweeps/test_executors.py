"""Executors over workers that are killed, crash or leave work; units take no time here."""

import functools
import sys

import pytest

from bnnpost.sweeps import Processes, load_results, run_grid
from bnnpost.sweeps import cluster, processes
from bnnpost.sweeps.cluster import Cluster
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.work import Effort, work
from tests.sweeps.fake_work import Fake, grid

# A worker that does nothing but end by a signal, and one that ends well.
KILLED = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
WELL = [sys.executable, "-c", ""]


@pytest.fixture
def fake(monkeypatch):
    return Fake().install(monkeypatch)


@pytest.fixture
def unassembled(fake, tmp_path):
    """A grid of which the first cell's results are yet to be put together."""
    found = run_grid(grid(), tmp_path / "out")
    (found.cells[0].path / "results.nc").unlink()
    return tmp_path / "out"


class FakeJob:
    """One that has ended: having done its work in this process, or with an error."""

    job_id = "7_0"

    def __init__(self, function, error=None):
        self.error = error
        if error is None:
            with GridDirectory.begun(function.path, grid()) as held:
                work(held, function.effort, say=lambda line: None)

    def done(self):
        return True

    def exception(self):
        return self.error


class FakeExecutor:
    folder = "logs"

    def __init__(self, error=None):
        self.submit = functools.partial(FakeJob, error=error)

    def batch(self):
        return __import__("contextlib").nullcontext()


def test_a_worker_killed_while_it_puts_results_together_has_a_successor(unassembled, monkeypatch):
    commands = [KILLED, WELL]
    monkeypatch.setattr(
        processes.worker, "arguments", lambda *given: commands.pop(0)[1:]
    )
    held, said = GridDirectory.read(unassembled), []
    crew = processes._Crew(Processes(1), held, Effort(), said.append)
    crew.run()
    assert not commands and any("was killed (SIGKILL)" in line for line in said)


def test_a_job_is_submitted_for_results_that_are_to_be_put_together(unassembled, monkeypatch):
    monkeypatch.setattr(cluster, "_executor", lambda *given: FakeExecutor())
    said = []
    found = run_grid(grid(), unassembled, executor=Cluster({}), say=said.append)
    assert said[0].startswith("1 jobs for the results of 1 cells, job 7")
    assert [cell.status for cell in found] == ["done", "done"]
    run_grid(grid(), unassembled, executor=Cluster({}), say=said.append)
    assert said[-1] == "nothing is left to run"
