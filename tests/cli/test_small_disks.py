"""Commands on a disk that is full at each file in turn: told in words, no crash, and all go on.

A limit on the size of files stands for the disk: a byte less than a file takes. In a process of its
own, which a crash would end.
"""

import contextlib
import resource
import signal
from pathlib import Path

import pytest

import bnnpost
from bnnpost import storage
from bnnpost.storage import netcdf
from bnnpost.sweeps import load_results
from tests import processes
from tests.cli.fault_matrix import files
from tests.cli.invocation import invoke
from tests.cli.looks import is_clear
from tests.cli.small_runs import DRAWS, GRID, PROBLEM, SWEEP, compute_once

pytestmark = pytest.mark.slow

# Sizes of files nearer to each other than that are taken for one: a run's own vary by a few bytes.
NEAR = 1.05
FIGURELESS = "no figures were made: OSError"
COMMANDS = {
    **{kind: ("sample", *PROBLEM, "--width", 8, *how) for kind, how in DRAWS.items()},
    "sweep": ("sweep", "one.toml"),
    "grid": ("sweep", "grid.toml"),
}
RUN = """
import sys
from tests.cli import test_small_disks
test_small_disks.all_sizes(sys.argv[1], sys.argv[2])
"""


def result(kind, path):
    """What a finished run comes to."""
    if kind in ("sweep", "grid"):
        found = load_results(path)
        assert all(cell.status == "done" for cell in found)
        return [str(cell.tree["distances"].to_dataset().to_dict()["data_vars"]) for cell in found]
    draws = bnnpost.load(path / "draws.nc")
    return draws.proposal_numbers.tolist(), draws.predict(draws.posterior.x).tolist()


def sizes(run):
    """One byte, and one less than each file takes, of the smallest of those of about a size.

    Of a grid those of its own files, as those of its cells are written as a sweep's are.
    """
    found, is_grid = [1], (run / "runs").exists()
    names = [name for name in files(run) if not (is_grid and name.startswith("runs/"))]
    for size in sorted((run / name).stat().st_size for name in names):
        if size - 1 > NEAR * found[-1]:
            found.append(size - 1)
    return found


@contextlib.contextmanager
def silent(path):
    """As `whole`, but that a file which does not fit is left out without a word."""
    with contextlib.suppress(OSError), storage.whole(path) as temporary:
        yield temporary


def all_sizes(kind, how):
    """In the working directory: with every size of the disk, then with room enough."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    Path("one.toml").write_text(SWEEP)
    Path("grid.toml").write_text(SWEEP + GRID)
    whole = Path("whole")
    with pytest.MonkeyPatch.context() as patch:
        compute_once(patch)
        assert invoke(*COMMANDS[kind], "--out", whole).exit_code == 0
        if how == "silent":
            patch.setattr(netcdf, "whole", silent)
        for size in reversed(sizes(whole)):
            path = Path(f"of{size}")
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            done = invoke(*COMMANDS[kind], "--out", path)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            # 5: a file that does not fit elsewhere, in the folder of temporary ones, fails a width.
            is_error = done.exit_code in (1, 5) and is_clear(done.stderr, path)
            # Results are there without figures, which is said.
            is_told = is_error or (done.exit_code == 0 and FIGURELESS in done.stderr)
            assert is_told, (size, done.exit_code, done.stderr)
            again = invoke(*COMMANDS[kind], "--out", path)
            assert again.exit_code == 0, (size, again.stderr)
            assert result(kind, path) == result(kind, whole), size
    print(f"{kind}: {len(sizes(whole))} sizes")


def ended(kind, how):
    """The exit code of a process that does that, and what it said."""
    process = processes.start("-c", RUN, kind, how)
    out, said = process.communicate(timeout=900)
    print(out)
    return process.returncode, said[-4000:]


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_full_disk_is_told_and_the_same_command_goes_on(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = ended(kind, "whole")
    assert code == 0, said


def test_files_that_are_left_out_without_a_word_are_found(tmp_path, monkeypatch):
    """Known-wrong twin."""
    monkeypatch.chdir(tmp_path)
    code, said = ended("coupled", "silent")
    assert code == 1 and "AssertionError" in said
