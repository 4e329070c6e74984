"""Commands on a disk that is full at each file in turn: told in words, no crash, and all go on.

A limit on the size of files stands for the disk: a byte less than a file takes. In a process of its
own, which a crash would end.
"""

import resource
import signal
from pathlib import Path

import pytest

import bnnpost
from bnnpost.sweeps import load_results
from tests import processes
from tests.cli.corruptions import is_clear
from tests.cli.fault_matrix import files
from tests.cli.invocation import invoke
from tests.cli.small_runs import DRAWS, GRID, PROBLEM, SWEEP, compute_once

pytestmark = pytest.mark.slow

# Sizes of files nearer to each other than that are taken for one: a run's own vary by a few bytes.
NEAR = 1.05
COMMANDS = {
    **{kind: ("sample", *PROBLEM, "--width", 8, *how) for kind, how in DRAWS.items()},
    "sweep": ("sweep", "one.toml"),
    "grid": ("sweep", "grid.toml"),
}
RUN = """
import sys
from tests.cli import test_small_disks
test_small_disks.all_sizes(sys.argv[1])
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
    """One byte, and one less than each file takes, of the smallest of those of about a size."""
    found = [1]
    for size in sorted((run / name).stat().st_size for name in files(run)):
        if size - 1 > NEAR * found[-1]:
            found.append(size - 1)
    return found


def all_sizes(kind):
    """In the working directory: with every size of the disk, then with room enough."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    Path("one.toml").write_text(SWEEP)
    Path("grid.toml").write_text(SWEEP + GRID)
    whole = Path("whole")
    with pytest.MonkeyPatch.context() as patch:
        compute_once(patch)
        assert invoke(*COMMANDS[kind], "--out", whole).exit_code == 0
        for size in sizes(whole):
            path = Path(f"of{size}")
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            done = invoke(*COMMANDS[kind], "--out", path)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            # 5: a file that does not fit elsewhere, in the folder of temporary ones, fails a width.
            assert done.exit_code in (1, 5), (size, done.exit_code)
            assert is_clear(done.stderr, path), (size, done.stderr)
            again = invoke(*COMMANDS[kind], "--out", path)
            assert again.exit_code == 0, (size, again.stderr)
            assert result(kind, path) == result(kind, whole), size
    print(f"{kind}: {len(sizes(whole))} sizes")


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_full_disk_is_told_and_the_same_command_goes_on(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    process = processes.start("-c", RUN, kind)
    out, said = process.communicate(timeout=900)
    print(out)
    assert process.returncode == 0, said[-4000:]
