"""A run's blocks made by several workers: each task is a file of them, and one process writes."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor

from bnnpost.parallel import Task, WorkLeft, run
from bnnpost.parallel.coordinator import RETRIES
from bnnpost.parallel.failures import one_line
from bnnpost.samplers.plan import Goal, Plan
from bnnpost.samplers.progress import Progress
from bnnpost.samplers.run_directory import RunDirectory
from bnnpost.samplers.trials import Block


def compute(
    directory: RunDirectory,
    goal: Goal,
    executor: Executor,
    *,
    retries: int = RETRIES,
    allow_nan: bool = False,
    progress: bool = False,
) -> None:
    """Compute and write the block files that a goal needs, as far as they are missing.

    Which proposals a file holds follows from its number, so that draws are the same whoever
    makes it; the run's first draws in order are gathered from the files later. Raises WorkLeft for
    a file that cannot be made, besides what `parallel.run` raises.
    """
    directory.check_code()
    files, tally = directory.files, directory.plan.tally(allow_nan)

    def task(number: int, held: list[Block]) -> Task:
        def take(blocks: list[Block], attempts: int) -> Iterable[Task]:
            for block in blocks:
                tally.add(block)
            # A block cut short by a limit on proposals is computed again at the end.
            whole = [block for block in blocks if block.count == files.block]
            if whole:
                files.write(number, [*held, *whole])
            bar.update(tally.num_accepted, tally.num_proposals)
            return ()

        def give_up(error: Exception, attempts: int) -> Iterable[Task]:
            raise WorkLeft(
                f"proposals from {number * files.unit} on: {one_line(error)}; the blocks of others "
                "are kept"
            ) from error

        starts = list(files.starts(number, len(held)))
        arguments = (directory.plan, starts, goal.max_proposals)
        return Task(f"blocks of file {number}", computed, arguments, take, give_up)

    def tasks() -> Iterator[Task]:
        for number in itertools.count():
            if files.num_accepted_before(number) >= goal.num_samples:
                return
            if goal.max_proposals is not None and number * files.unit >= goal.max_proposals:
                return
            held = files.read(number)
            if len(held) < files.per_file:
                yield task(number, held)

    with Progress(goal.num_samples, enabled=progress) as bar:
        run(tasks(), executor, retries=retries, say=files.say)


def computed(plan: Plan, starts: Sequence[int], max_proposals: int | None) -> list[Block]:
    """The blocks from these proposal numbers on."""
    with contextlib.closing(plan.blocks(max_proposals, iter(starts))) as blocks:
        return list(blocks)
