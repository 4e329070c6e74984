"""Several workers in one directory: each makes its own block files, and the draws are the same."""

import json
import shutil
import threading

import numpy as np
import pytest

from bnnpost.samplers import workers
from bnnpost.samplers.block_files import BlockFiles
from bnnpost.samplers.plan import Goal, Plan
from bnnpost.samplers.run_directory import OtherRun, RunDirectory
from bnnpost.samplers.workers import Share
from bnnpost.storage import DirectoryInUse, Lock, LockHeld
from tests.samplers import cases
from tests.samplers.cases import Case
from tests.samplers.small_blocks import (
    PER_FILE,
    assert_same,
    block_files,
    sample,
    small_blocks,
    start_python,
)

NUM_SAMPLES = 300


@pytest.fixture(scope="module")
def whole():
    return sample(NUM_SAMPLES)


def plan(seed=0):
    options = {"space": "auto", "collapse": True, "bound": "strict", "cap": None}
    return Plan.make(cases.key(seed), Case().posterior(), precision="single", **options)


def work(path, index, count, num_samples=NUM_SAMPLES, said=None, max_proposals=None):
    """One worker's part; the draws if it was the last to leave."""
    said = [] if said is None else said
    goal = Goal(num_samples, max_proposals)
    with small_blocks():

        def begin(directory):
            directory.begin(plan(), said.append)

        workers.work(path, begin, goal, Share(index, count), say=said.append)
        with workers.alone_if_last(path) as directory:
            if directory is None:
                return None
            begin(directory)
            return directory.finish(goal, started=0.0)


class Elsewhere:
    """Stands for a worker that is alive in another process."""

    def __init__(self, path):
        path.mkdir(exist_ok=True)
        self.lock = Lock(path / ".run.lock").hold_shared()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.lock.release()


def test_workers_make_files_of_their_own_and_the_last_one_merges(whole, tmp_path):
    path = tmp_path / "run"
    with Elsewhere(path):
        for index in (2, 0):
            assert work(path, index, 3) is None
    units = {int(file.stem) for file in block_files(path)}
    assert {unit % 3 for unit in units} == {0, 2}
    assert not (path / "draws.nc").exists()
    assert_same(work(path, 1, 3), whole)
    assert (path / "draws.nc").exists()


def test_the_blocks_of_a_lost_worker_are_computed_by_the_last_one(whole, tmp_path):
    path = tmp_path / "run"
    with Elsewhere(path):
        work(path, 2, 3)
        work(path, 0, 3)
    # Worker 1 never came.
    assert_same(work(path, 0, 3), whole)


@pytest.mark.parametrize("limit", [700, 1024])
def test_workers_keep_a_limit_on_proposals(tmp_path, limit):
    path = tmp_path / "run"
    with Elsewhere(path):
        work(path, 1, 2, max_proposals=limit)
    draws = work(path, 0, 2, max_proposals=limit)
    assert_same(draws, sample(NUM_SAMPLES, max_proposals=limit))


def test_a_worker_does_no_more_than_is_needed(tmp_path):
    path = tmp_path / "run"
    work(path, 0, 2)
    before = {file: file.stat().st_mtime_ns for file in block_files(path)}
    work(path, 1, 2)
    work(path, 0, 5)
    assert before == {file: file.stat().st_mtime_ns for file in block_files(path)}


def test_workers_may_come_for_more_draws(tmp_path):
    path = tmp_path / "run"
    work(path, 0, 2, num_samples=100)
    assert_same(work(path, 1, 2, num_samples=400), sample(400))


def test_a_file_that_another_process_writes_meanwhile(whole, tmp_path, monkeypatch):
    """After this worker has seen that it is not there, and before it writes its own."""
    path, other = tmp_path / "run", tmp_path / "other"
    with Elsewhere(other):
        work(other, 0, 5)
    recorded = BlockFiles.recorded

    def later(files, computed):
        for file in block_files(other):
            target = path / file.relative_to(other)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        return recorded(files, computed)

    monkeypatch.setattr(BlockFiles, "recorded", later)
    with Elsewhere(path):
        work(path, 0, 2)
    monkeypatch.undo()
    assert_same(work(path, 1, 2), whole)


def test_a_block_keeps_only_what_was_accepted():
    """Long runs hold many: none may hold on to the arrays of all its proposals."""
    with small_blocks():
        block = next(plan().blocks(None))
    assert len(block.numbers) > 0
    for array in (block.numbers, block.log_weights, block.kept):
        assert array.base is None


def test_blocks_out_of_order_are_refused():
    """What would give draws twice, or leave some out, is an error whoever made it."""
    with small_blocks():
        chosen, goal = plan(), Goal(10**6, 2000)
        for starts in ([0, 0], [0, 512], [256]):
            blocks = chosen.blocks(None, iter(starts))
            with pytest.raises(RuntimeError, match="missing or twice there"):
                chosen.gather(blocks, goal, started=0.0)


def test_the_same_worker_twice_is_refused(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    with (
        Lock(path / ".worker-1-of-2.lock").hold_alone(),
        pytest.raises(DirectoryInUse, match="worker 1/2 is running"),
    ):
        work(path, 1, 2)


def test_a_process_alone_and_workers_keep_out_of_each_others_way(tmp_path):
    path, said = tmp_path / "run", []
    with Elsewhere(path), pytest.raises(DirectoryInUse, match="another process"):
        sample(20, directory=path)
    lock = Lock(path / ".run.lock").hold_alone()
    threading.Timer(1.0, lock.release).start()
    assert work(path, 0, 2, num_samples=20, said=said) is not None
    assert "waiting for it" in said[0]


def test_a_worker_of_another_run_is_refused(tmp_path):
    sample(20, directory=tmp_path / "run", seed=1)
    with pytest.raises(OtherRun, match="another key"):
        work(tmp_path / "run", 0, 2)


@pytest.mark.parametrize(("index", "count"), [(2, 2), (-1, 3), (0, 0)])
def test_a_share_that_cannot_be(index, count):
    with pytest.raises(ValueError, match="expected a worker from 0/"):
        Share(index, count)


def resumed(path):
    directory = RunDirectory(path)
    directory.resume(None, print)
    return directory


def test_blocks_are_taken_from_copies_of_a_run(whole, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    sample(10, directory=one)
    shutil.copytree(one, other)
    sample(NUM_SAMPLES, directory=other)
    directory, had = resumed(one), {file.name for file in block_files(one)}
    lacking = [file for file in block_files(other) if file.name not in had]
    # And the one whose first blocks were there already.
    assert directory.take_from(RunDirectory(other), print) == len(lacking) + 1
    goal = Goal(NUM_SAMPLES, None)
    stored = directory.plan.gather(directory.stored(goal), goal, started=0.0)
    assert_same(stored, whole)
    sample(10, directory=tmp_path / "third", seed=1)
    with pytest.raises(OtherRun, match="not the same run"):
        directory.take_from(RunDirectory(tmp_path / "third"), print)
    with pytest.raises(FileNotFoundError, match="holds no run"):
        directory.take_from(RunDirectory(tmp_path), print)


def test_stored_blocks_end_at_the_first_gap(whole, tmp_path):
    sample(NUM_SAMPLES, directory=tmp_path / "run")
    block_files(tmp_path / "run")[2].unlink()
    directory, goal = resumed(tmp_path / "run"), Goal(NUM_SAMPLES, None)
    stored = directory.plan.gather(directory.stored(goal), goal, started=0.0)
    assert not stored.info.complete
    assert stored.info.num_proposals == 2 * PER_FILE * directory.files.block
    count = len(stored)
    np.testing.assert_array_equal(stored.proposal_numbers, whole.proposal_numbers[:count])


CONCURRENT = """
import sys
from pathlib import Path
from tests.samplers import test_workers
draws = test_workers.work(Path(sys.argv[1]), int(sys.argv[2]), 2)
print("merged" if draws is not None else "left")
"""


def test_two_processes_at_once(whole, tmp_path):
    path = tmp_path / "run"
    processes = [
        start_python(
            CONCURRENT.replace("sys.argv[1]", repr(str(path))).replace("sys.argv[2]", str(index))
        )
        for index in (0, 1)
    ]
    said = [process.communicate(timeout=120) for process in processes]
    # Both, if one was done before the other came.
    assert {"merged"} <= {out.strip() for out, _ in said} <= {"left", "merged"}, said
    assert_same(sample(NUM_SAMPLES, directory=path), whole)
    assert json.loads((path / "status.json").read_text())["state"] == "done"


def test_a_run_that_was_replaced_meanwhile_is_not_written_to(tmp_path):
    """Its lock went with the directory, so only what is in it can tell."""
    path, moved = tmp_path / "run", tmp_path / "moved"
    sample(50, directory=path)
    with small_blocks(), RunDirectory.alone(path) as old:
        old.begin(plan(), print)
        path.rename(moved)
        with pytest.raises(OtherRun, match="removed or replaced"):
            old.finish(Goal(200, None), started=0.0)
        assert not path.exists()
        sample(60, directory=path, seed=1)
        before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
        with pytest.raises(OtherRun, match="another run"):
            old.finish(Goal(400, None), started=0.0)
        with pytest.raises(OtherRun, match="removed or replaced"):
            old.files.write(7, [])
    assert before == {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def none(*arguments):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    with pytest.raises(OSError, match=r"cannot be locked \(No locks available\)"):
        sample(20, directory=tmp_path / "run")


def test_locks(tmp_path):
    path = tmp_path / "lock"
    with Lock(path).hold_shared(), Lock(path).hold_shared() as second:
        with pytest.raises(LockHeld):
            Lock(path).hold_alone()
        with pytest.raises(LockHeld):
            second.hold_alone()
        with pytest.raises(LockHeld):
            # Giving up one's own to hold it alone has lost it: others may have come between.
            second.hold_alone()
    with Lock(path).hold_alone(), pytest.raises(LockHeld):
        Lock(path).hold_shared()
    Lock(path).hold_alone().release()
