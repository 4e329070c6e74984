"""The documentation's recipe for SLURM, with stand-ins for sbatch and scancel."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from bnnpost.sweeps import load_results
from tests import processes
from tests.docs.blocks import ROOT, blocks, environment

pytest.importorskip("dask_jobqueue", reason="dask-jobqueue, of the recipe, is not installed")

PAGE = ROOT / "docs" / "how-to" / "cluster.md"
BROUGHT = ROOT / "tests" / "docs" / "brought" / "cluster"
GRID = """
num_train = 2
num_test = 1
depth = 1
num_samples = 20
num_proposals = 400
noise_std = 0.5
widths = [4]

[grid]
seed = [0, 1]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the page's script is, as it stands there but for the number of jobs, and a grid."""
    folder = tmp_path / "page"
    shutil.copytree(BROUGHT, folder)
    page = blocks(PAGE.read_text(encoding="utf-8"))
    (script,) = (block.text for block in page if block.file_name == "slurm_sweep.py")
    assert script.count("_jobs=4") == 2
    (folder / "slurm_sweep.py").write_text(script.replace("_jobs=4", "_jobs=2"))
    (folder / "grid.toml").write_text(GRID)
    for name, value in environment(folder).items():
        monkeypatch.setenv(name, value)
    return folder


def begun(folder):
    """Jobs, by the sessions that their processes are in, as sbatch began them."""
    path = folder / "jobs" / "begun"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def of_job(job, word=""):
    """Processes of a job that have loaded a library with this word in its name."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getsid(int(entry)) == job and word in Path("/proc", entry, "maps").read_text():
                found.append(int(entry))
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_a_grid_is_done_though_a_job_is_killed_and_jobs_end_with_it(folder):
    with processes.start("slurm_sweep.py", cwd=folder) as program:
        try:
            while not (at_work := [job for job in begun(folder) if of_job(job, "jaxlib")]):
                assert program.poll() is None, program.communicate()
                time.sleep(0.05)
            os.killpg(at_work[0], signal.SIGKILL)
            _, errors = program.communicate(timeout=400)
        except BaseException:
            program.terminate()
            raise
    assert program.returncode == 0, errors
    assert [cell.status for cell in load_results(folder / "runs" / "grid")] == ["done"] * 2
    assert "2 of 2 units done" in errors
    script = next((folder / "jobs").glob("*.sh")).read_text()
    for words in ("--cpus-per-task=2", "--mem=8G", "-t 4:00:00", "--constraint=icelake"):
        assert f"#SBATCH {words}\n" in script
    limit = time.monotonic() + 30
    while any(map(of_job, begun(folder))) and time.monotonic() < limit:
        time.sleep(0.1)
    assert not any(map(of_job, begun(folder)))
