"""Executors over workers that are killed, crash or leave work; units take no time here."""

import contextlib
import functools
import sys

import pytest

from bnnpost.sweeps import Processes, cluster, processes, run_grid
from bnnpost.sweeps.cluster import Cluster, parameters
from bnnpost.sweeps.errors import ConfigError, WorkLeft
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.work import Effort, work
from tests.cli.invocation import invoke
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
        return contextlib.nullcontext()


def test_a_worker_killed_while_it_puts_results_together_has_a_successor(unassembled, monkeypatch):
    commands = [KILLED, WELL]
    monkeypatch.setattr(processes.worker, "arguments", lambda *given: commands.pop(0)[1:])
    held, said = GridDirectory.read(unassembled), []
    crew = processes._Crew(Processes(1), held, Effort(), said.append)
    crew.run()
    assert not commands and any("was killed (SIGKILL)" in line for line in said)


def test_workers_that_end_in_errors_leave_work(unassembled, monkeypatch):
    wrong = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    monkeypatch.setattr(processes.worker, "arguments", lambda *given: wrong[1:])
    said = []
    with pytest.raises(WorkLeft, match="2 of 2 workers ended in an error, and work is left"):
        processes._Crew(Processes(2), GridDirectory.read(unassembled), Effort(), said.append).run()
    assert said == ["no such thing"] * 2


def test_a_job_is_submitted_for_results_that_are_to_be_put_together(unassembled, monkeypatch):
    monkeypatch.setattr(cluster, "_executor", lambda *given: FakeExecutor())
    said = []
    found = run_grid(grid(), unassembled, executor=Cluster({}), say=said.append)
    assert said[0].startswith("1 jobs for the results of 1 cells, job 7")
    assert [cell.status for cell in found] == ["done", "done"]
    run_grid(grid(), unassembled, executor=Cluster({}), say=said.append)
    assert said[-1] == "nothing is left to run"


TRACE = """Job (task=0) failed during processing with trace:
----------------------
Traceback (most recent call last):
  File "x.py", line 1, in <module>
ModuleNotFoundError: No module named 'bnnpost'
----------------------
You can check full logs with 'job.stderr(0)'
"""


KILLED_JOB = """Job 7 (task: 0) with path /out/jobs/7_0_result.pkl
has not produced any output (state: FAILED)
No error stream produced. Look at stdout: /out/jobs/7_0_log.out
----------------------------------------
seed=0: expected proposals: 32 at width 4
"""


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (TRACE, r"\(ModuleNotFoundError: No module named 'bnnpost'\)"),
        (KILLED_JOB, r"\(has not produced any output \(state: FAILED\)\)"),
        ("", r"\(no reason is known\)"),
    ],
)
def test_how_a_job_failed_is_said_in_a_line(fake, tmp_path, monkeypatch, told, reason):
    monkeypatch.setattr(cluster, "_executor", lambda *given: FakeExecutor(RuntimeError(told)))
    with pytest.raises(WorkLeft, match=f"1 of 1 jobs failed {reason}; logs are in"):
        run_grid(grid(), tmp_path / "out", executor=Cluster({}, jobs=1, wait=True))


def test_jobs_that_crash_are_an_error_for_who_waits(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_executor", lambda *given: FakeExecutor(RuntimeError(TRACE)))
    out = tmp_path / "out"
    with pytest.raises(WorkLeft, match=r"4 units are not done: 4 of 4 jobs failed .ModuleNotFound"):
        run_grid(grid(), out, executor=Cluster({}, wait=True))
    # Who does not wait is told by the status.
    found = run_grid(grid(), out, executor=Cluster({}))
    assert [cell.status for cell in found] == ["pending", "pending"]
    options = ("--executor", "slurm", "--wait", "--num-train", 2, "--widths", 4)
    done = invoke("sweep", *options, "--out", tmp_path / "single")
    assert done.exit_code == 5, done.output
    assert "1 units are not done" in done.stderr and "goes on from what is in" in done.stderr


def test_a_job_knows_its_time(fake, tmp_path, monkeypatch):
    submitted, executor = [], FakeExecutor()
    executor.submit = lambda job: submitted.append(job) or FakeJob(job)
    monkeypatch.setattr(cluster, "_executor", lambda *given: executor)
    run_grid(grid(), tmp_path / "out", executor=Cluster({"time": "2:00:00"}))
    assert [job.minutes for job in submitted] == [120] * 4


def test_jobs_that_do_it_all_end_well(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_executor", lambda *given: FakeExecutor())
    found = run_grid(grid(), tmp_path / "out", executor=Cluster({}, wait=True))
    assert [cell.status for cell in found] == ["done", "done"]


@pytest.mark.parametrize(
    ("time", "minutes"),
    [
        (90, 90),
        ("90", 90),
        ("30:00", 30),
        ("0:20", 1),
        ("1:30:01", 91),
        ("1-12", 36 * 60),
        ("1-02:30", 26 * 60 + 30),
        ("1-00:00:00", 24 * 60),
    ],
)
def test_times_are_those_of_sbatch(time, minutes):
    assert parameters({"time": time})["timeout_min"] == minutes


@pytest.mark.parametrize("time", ["0", "0:00", "-5", "1:2:3:4", "1h", "1-", "", 1.5])
def test_other_times_are_refused(time):
    with pytest.raises(ConfigError, match="as sbatch has it"):
        parameters({"time": time})


def test_a_line_of_setup_is_a_list_of_one():
    assert parameters({"setup": "module load x"})["slurm_setup"] == ["module load x"]
    assert parameters({"setup": ["a", "b"]})["slurm_setup"] == ["a", "b"]
