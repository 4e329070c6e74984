"""Several workers of one run: each makes files of blocks, and the draws are the same."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bnnpost.parallel import Inline, Processes, WorkLeft
from bnnpost.runs.store import Run
from bnnpost.samplers import rejection_run
from bnnpost.samplers.plan import Goal, Plan
from bnnpost.samplers.rejection_run import StoredBlocks
from bnnpost.storage import DirectoryInUse, Lock, LockHeld, OtherRun
from tests.samplers import cases
from tests.samplers.cases import Case
from tests.samplers.small_blocks import (
    PER_FILE,
    assert_same,
    block_files,
    opened,
    sample,
    small_blocks,
)

NUM_SAMPLES = 300


@pytest.fixture(scope="module")
def whole():
    return sample(NUM_SAMPLES)


def plan(seed=0):
    options = {"space": "auto", "collapse": True, "bound": "strict", "cap": None}
    return Plan.make(cases.key(seed), Case().posterior(), precision="single", **options)


def spread_over(path, executor, num_samples=NUM_SAMPLES, max_proposals=None, seed=0):
    """A run by workers; the draws, gathered from the files."""
    goal, said = Goal(num_samples, max_proposals), []
    with small_blocks(), Run(path, Plan).claimed() as run:
        run.begin(plan(seed).begun, said.append)
        blocks = StoredBlocks(run)
        blocks.compute(goal, executor)
        return blocks.finish(goal, started=0.0)


@pytest.fixture
def threads():
    with ThreadPoolExecutor(3) as executor:
        yield executor


@pytest.mark.first
@pytest.mark.parametrize("limit", [None, 700, 1024])
def test_workers_draw_what_one_process_draws(tmp_path, threads, limit):
    expected = sample(NUM_SAMPLES, max_proposals=limit)
    assert_same(spread_over(tmp_path / "run", threads, max_proposals=limit), expected)
    blocks, goal = opened(tmp_path / "run"), Goal(NUM_SAMPLES, limit)
    with small_blocks():  # from the files alone
        stored = blocks.plan.gather(blocks.stored(goal), goal, started=0.0)
    if limit != 700:  # whose last block is cut short, and not kept
        assert_same(stored, expected)


@pytest.mark.slow
def test_workers_of_processes_draw_the_same(whole, tmp_path):
    with Processes(2) as executor:
        assert_same(spread_over(tmp_path / "run", executor), whole)


def test_files_that_are_missing_are_computed_and_no_others(whole, tmp_path):
    path = tmp_path / "run"
    assert_same(spread_over(path, Inline()), whole)
    missing, *others = block_files(path)
    missing.unlink()
    before = {file: file.stat().st_mtime_ns for file in others}
    assert_same(spread_over(path, Inline()), whole)
    assert missing.exists() and before == {file: file.stat().st_mtime_ns for file in others}


def test_workers_do_no_more_than_is_needed_and_may_come_for_more(tmp_path, threads):
    path = tmp_path / "run"
    spread_over(path, threads, num_samples=100)
    before = {file: file.stat().st_mtime_ns for file in block_files(path)}
    spread_over(path, threads, num_samples=100)
    assert before == {file: file.stat().st_mtime_ns for file in block_files(path)}
    assert_same(spread_over(path, threads, num_samples=400), sample(400))


def test_a_file_that_cannot_be_made_leaves_the_others(whole, tmp_path, monkeypatch):
    def fail(plan, starts, max_proposals):
        if starts[0] >= 2 * PER_FILE * 256:
            raise ValueError("a layer of the user's own")
        return computed(plan, starts, max_proposals)

    computed = rejection_run.computed
    monkeypatch.setattr(rejection_run, "computed", fail)
    with pytest.raises(WorkLeft, match=r"proposals from \d+ on: a layer of the user's own"):
        spread_over(tmp_path / "run", Inline())
    assert len(block_files(tmp_path / "run")) == 2
    monkeypatch.undo()
    assert_same(spread_over(tmp_path / "run", Inline()), whole)


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


def test_a_process_alone_keeps_others_out(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    with Lock(path / ".run.lock").hold():
        with pytest.raises(DirectoryInUse, match="another process"):
            sample(20, directory=path)
        with pytest.raises(DirectoryInUse, match="another process"):
            spread_over(path, Inline())


def test_workers_of_another_run_are_refused(tmp_path):
    sample(20, directory=tmp_path / "run", seed=1)
    with pytest.raises(OtherRun, match="another key"):
        spread_over(tmp_path / "run", Inline())


def test_blocks_are_taken_from_copies_of_a_run(whole, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    sample(10, directory=one)
    shutil.copytree(one, other)
    sample(NUM_SAMPLES, directory=other)
    blocks, had = opened(one), {file.name for file in block_files(one)}
    lacking = [file for file in block_files(other) if file.name not in had]
    # And the one whose first blocks were there already.
    assert blocks.take_from(other) == len(lacking) + 1
    goal = Goal(NUM_SAMPLES, None)
    stored = blocks.plan.gather(blocks.stored(goal), goal, started=0.0)
    assert_same(stored, whole)
    sample(10, directory=tmp_path / "third", seed=1)
    with pytest.raises(OtherRun, match="not the same run"):
        blocks.take_from(tmp_path / "third")
    with pytest.raises(FileNotFoundError, match="holds no run"):
        blocks.take_from(tmp_path)


def test_stored_blocks_end_at_the_first_gap(whole, tmp_path):
    sample(NUM_SAMPLES, directory=tmp_path / "run")
    block_files(tmp_path / "run")[2].unlink()
    blocks, goal = opened(tmp_path / "run"), Goal(NUM_SAMPLES, None)
    stored = blocks.plan.gather(blocks.stored(goal), goal, started=0.0)
    assert not stored.info.complete
    assert stored.info.num_proposals == 2 * PER_FILE * blocks.block
    count = len(stored)
    np.testing.assert_array_equal(stored.proposal_numbers, whole.proposal_numbers[:count])


def test_a_run_that_was_replaced_meanwhile_is_not_written_to(tmp_path):
    """Its lock went with the directory, so only what is in it can tell."""
    path, moved = tmp_path / "run", tmp_path / "moved"
    sample(50, directory=path)
    with small_blocks(), Run(path, Plan).claimed() as run:
        run.begin(plan().begun, print)
        old = StoredBlocks(run)
        held = old.read(0)
        path.rename(moved)
        with pytest.raises(OtherRun, match="removed or replaced"):
            old.finish(Goal(200, None), started=0.0)
        assert not path.exists()
        sample(60, directory=path, seed=1)
        before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
        with pytest.raises(OtherRun, match="another run"):
            old.finish(Goal(400, None), started=0.0)
        with pytest.raises(OtherRun, match="removed or replaced"):
            old.write(0, held)
    assert before == {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def none(*arguments):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    with pytest.raises(OSError, match=r"cannot be locked \(No locks available\)"):
        sample(20, directory=tmp_path / "run")


def test_locks(tmp_path):
    path = tmp_path / "lock"
    with Lock(path).hold(), pytest.raises(LockHeld):
        Lock(path).hold()
    Lock(path).hold().release()
