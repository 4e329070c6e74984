"""Who works in a run's directory: one process alone, or several, each on block files of its own.

Workers need no word of each other. Worker i of k owns the files i, i + k, i + 2k, …; it stops
when the files before its next one hold enough, whoever made them. The last to leave, or anyone
who merges, computes what a lost worker has left out, and takes the first draws in order.
"""

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bnnpost.samplers.plan import Goal
from bnnpost.samplers.progress import Progress
from bnnpost.samplers.recorded_run import Say
from bnnpost.samplers.run_directory import RunDirectory
from bnnpost.storage import DirectoryInUse, Lock, LockHeld

_BEGIN_LOCK = ".begin.lock"
_SECONDS_BETWEEN_TRIES = 0.5


@dataclass(frozen=True)
class Share:
    """Worker `index` (from 0) of `count`."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(
                f"expected a worker from 0/{self.count} to {self.count - 1}/{self.count}, "
                f"got {self.index}/{self.count}"
            )


@contextlib.contextmanager
def alone_if_last(path: str | os.PathLike[str]) -> Iterator[RunDirectory | None]:
    """A run's directory, held against all other processes, or None while others go on there.

    Raises OtherRun if it holds other files.
    """
    with contextlib.ExitStack() as stack:
        directory = None
        # Without locks nobody can tell who is the last.
        if Lock.available:
            with contextlib.suppress(DirectoryInUse):
                directory = stack.enter_context(RunDirectory.alone(path))
        yield directory


def work(
    path: str | os.PathLike[str],
    begin: Callable[[RunDirectory], None],
    goal: Goal,
    share: Share,
    *,
    say: Say,
    allow_nan: bool = False,
    progress: bool = False,
) -> None:
    """Do one worker's part of a run.

    begin: begins the run or goes on with it, while no other worker does. Raises
    DirectoryInUse if this very worker is running already, and what `begin` raises.
    """
    directory = RunDirectory(path)
    directory.check_vacant()
    directory.path.mkdir(parents=True, exist_ok=True)
    own = directory.path / f".worker-{share.index}-of-{share.count}.lock"
    with directory.lock as lock, Lock(own) as own_lock:
        busy = f"another process works alone in {directory.path}: waiting for it"
        _wait(lock.hold_shared, lambda: say(busy))
        try:
            own_lock.hold_alone()
        except LockHeld:
            raise DirectoryInUse(
                f"worker {share.index}/{share.count} is running in {directory.path} already"
            ) from None
        with Lock(directory.path / _BEGIN_LOCK) as begin_lock:
            _wait(begin_lock.hold_alone, lambda: say("another worker begins: waiting for it"))
            begin(directory)
        _compute(directory, goal, share, allow_nan, progress)


def _wait(hold: Callable[[], object], say: Callable[[], None]) -> None:
    """Try to hold a lock until it is free; `say` so if it is not at once."""
    for attempt in itertools.count():
        try:
            hold()
            return
        except LockHeld:
            if attempt == 0:
                say()
            time.sleep(_SECONDS_BETWEEN_TRIES)


def _compute(
    directory: RunDirectory, goal: Goal, share: Share, allow_nan: bool, progress: bool
) -> None:
    tally = directory.plan.tally(allow_nan)
    blocks = directory.computed(_own_starts(directory, goal, share), goal)
    with (
        contextlib.closing(blocks),
        Progress(goal.num_samples, enabled=progress, label=f"worker {share.index}") as bar,
    ):
        for block in blocks:
            tally.add(block)
            bar.update(tally.num_accepted, tally.num_proposals)


def _own_starts(directory: RunDirectory, goal: Goal, share: Share) -> Iterator[int]:
    """Starts of the blocks of this worker that are not on disk, while they are needed."""
    files = directory.files
    for number in itertools.count(share.index, share.count):
        if files.num_accepted_before(number) >= goal.num_samples:
            return
        if goal.max_proposals is not None and number * files.unit >= goal.max_proposals:
            return
        held = files.read(number)
        if len(held) < files.per_file:
            yield from files.starts(number, len(held))
