"""A run of rejection in a directory: its blocks of proposals on disk, and those that are missing.

A file holds blocks of one unit, from its first on. Which proposals they are follows from the
unit's number alone, so any worker can compute them, and twice gives the same.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np

from bnnpost.draws import Draws
from bnnpost.numerics.weights import WeightSum
from bnnpost.parallel import Task, WorkLeft
from bnnpost.parallel import run as run_tasks
from bnnpost.parallel.coordinator import RETRIES
from bnnpost.parallel.failures import one_line
from bnnpost.runs.part_files import Arrays
from bnnpost.runs.store import BLOCKS, Run, made_with
from bnnpost.samplers.plan import Goal, Plan
from bnnpost.samplers.progress import Progress
from bnnpost.samplers.trials import Block
from bnnpost.storage import OtherRun

FORMAT = "bnnpost blocks 1"
# So many files in a folder.
_FILES_PER_FOLDER = 1000
# Log weights computed anew may differ from those on disk by so much, relative to 1 + their size:
# on the same processor with the same versions, and elsewhere, where single precision rounds
# otherwise. Another random stream, likelihood or layer changes them by more.
_SAME_HERE, _SAME_ELSEWHERE = 1e-6, 1e-4
# And elsewhere this part of the draws may be others: those within rounding of their thresholds.
_TIES = 0.02


class StoredBlocks:
    """The blocks of one run, on disk and computed as far as they are missing.

    block: proposals a block; per_file: blocks a unit.
    """

    def __init__(self, run: Run[Plan]):
        record = run.record()
        self.run, self.plan = run, run.prepared
        self.block, self.per_file = self.plan.shape.block, int(record["blocks_per_file"])
        self._parts = run.parts(BLOCKS, FORMAT, 9, per_folder=_FILES_PER_FOLDER)
        self._made_with = record["made_with"]
        self._accepted: dict[int, int] = {}
        self._checked = run.is_new

    def check_origin(self) -> None:
        """Say where what rounds numbers is not what it was when the run began.

        Raises OtherRun where code of the user's own comes to other draws than it did.
        """
        was, now = _flat(self._made_with), _flat(made_with())
        changed = [
            f"{name} {was[name]} → {now.get(name)}" for name in was if was[name] != now.get(name)
        ]
        if changed:
            self.run.say(
                f"the run in {self.run.path} was begun with other versions or on another processor "
                f"({', '.join(changed)}): draws within rounding of their threshold may differ"
            )
        if self.run.holds_code():
            self.check_code()

    @property
    def unit(self) -> int:
        """Proposals of a whole file."""
        return self.per_file * self.block

    def starts(self, number: int, held: int = 0) -> range:
        """First proposal numbers of the blocks of a unit, after the first `held`."""
        first = number * self.unit
        return range(first + held * self.block, first + self.unit, self.block)

    def read(self, number: int) -> list[Block]:
        """The blocks of a unit that are on disk; none if there is no file, or a damaged one.

        A damaged file is set aside under another name, so that its blocks are computed again.
        Raises OtherRun for a file of another run.
        """

        def parse(record: dict[str, Any], arrays: Arrays) -> list[Block]:
            blocks = _blocks(arrays)
            self._check_in_order(blocks, number)
            return blocks

        return self._parts.read(number, parse) or []

    def write(self, number: int, blocks: list[Block]) -> None:
        """Write the first blocks of a unit. Raises OSError if that cannot be done."""
        self._check_in_order(blocks, number)
        self._parts.write(number, _arrays(blocks), block=self.block)

    def _check_in_order(self, blocks: list[Block], number: int) -> None:
        """Raise ValueError unless they are the first blocks of this unit, whole and in order."""
        starts = [block.start for block in blocks]
        whole = all(block.count == self.block for block in blocks)
        if not whole or starts != list(self.starts(number))[: len(blocks)]:
            raise ValueError(f"it holds blocks {starts}")

    def stored(self, goal: Goal) -> Generator[Block, None, None]:
        """The blocks on disk, in order, up to the first gap."""
        for number in itertools.count():
            held = self.read(number)
            yield from itertools.takewhile(lambda block: _within(block, goal), held)
            if len(held) < self.per_file or not _within(held[-1], goal):
                return

    def blocks(self, goal: Goal) -> Generator[Block, None, None]:
        """All blocks in order: those on disk, and in every gap what is missing, computed."""
        start = 0
        while goal.max_proposals is None or start < goal.max_proposals:
            number, index = divmod(start // self.block, self.per_file)
            held = self.read(number)[index:]
            for block in itertools.takewhile(lambda block: _within(block, goal), held):
                start = block.start + block.count
                yield block
            if len(held) < self.per_file - index or not _within(held[-1], goal):
                with contextlib.closing(self._computed(self._gap(start), goal)) as fresh:
                    for block in fresh:
                        start = block.start + block.count
                        yield block

    def _gap(self, start: int) -> Iterator[int]:
        """Starts of blocks from here up to the next unit of which there is a file."""
        number = start // self.unit
        later = next((n for n in self._parts.numbers() if n > number), None)
        starts = itertools.count(start, self.block)
        if later is None:
            return starts
        return itertools.takewhile(lambda s: s < later * self.unit, starts)

    def _computed(self, starts: Iterator[int], goal: Goal) -> Generator[Block, None, None]:
        """Blocks from these proposal numbers, computed, and written as their units fill up.

        Also what there is at the end. A block cut short by a limit on proposals is not written.
        """
        first = next(starts, None)
        if first is None:
            return
        self.check_code()
        computed = self.plan.blocks(goal.max_proposals, itertools.chain([first], starts))
        held: list[Block] = []
        new = 0
        with contextlib.closing(computed):
            try:
                for block in computed:
                    if new == 0:
                        before = self.read(block.start // self.unit)
                        held = [b for b in before if b.start < block.start]
                    if block.count == self.block:
                        held.append(block)
                        new += 1
                    if len(held) == self.per_file:
                        self._write_held(held)
                        new = 0
                    yield block
            finally:
                if new:
                    self._write_held(held)

    def _write_held(self, held: list[Block]) -> None:
        self.write(held[0].start // self.unit, held)

    def check_code(self) -> None:
        """Raise OtherRun unless draws on disk come out the same again.

        Checked once, in the first block on disk that has draws.
        """
        held = None if self._checked else self._first_accepted()
        if held is None:
            return
        with contextlib.closing(self.plan.blocks(None, iter([held.start]))) as blocks:
            again = next(blocks)
        self.run.require_same(
            _are_same(held, again, here=self._made_with == made_with()),
            "the same proposals have other weights than when the run began",
        )
        self._checked = True

    def _first_accepted(self) -> Block | None:
        """The first block on disk that has draws, or else the first of all."""
        first = None
        for number in self._parts.numbers():
            for block in self.read(number):
                first = first or block
                if len(block.numbers):
                    return block
        return first

    def compute(
        self,
        goal: Goal,
        executor: Executor,
        *,
        retries: int = RETRIES,
        allow_nan: bool = False,
        progress: bool = False,
    ) -> None:
        """Let workers compute the units that a goal needs, as far as they are missing.

        The run's first draws in order are gathered from the files later. Raises WorkLeft for a file
        that cannot be made, besides what `parallel.run` raises.
        """
        self.check_code()
        tally = self.plan.tally(allow_nan)

        def task(number: int, held: list[Block]) -> Task:
            def take(blocks: list[Block], attempts: int) -> Iterable[Task]:
                for block in blocks:
                    tally.add(block)
                # A block cut short by a limit on proposals is computed again at the end.
                whole = [block for block in blocks if block.count == self.block]
                if whole:
                    self.write(number, [*held, *whole])
                bar.update(tally.num_accepted, tally.num_proposals)
                return ()

            def give_up(error: Exception, attempts: int) -> Iterable[Task]:
                raise WorkLeft(
                    f"proposals from {number * self.unit} on: {one_line(error)}; the blocks of "
                    "others are kept"
                ) from error

            starts = list(self.starts(number, len(held)))
            arguments = (self.plan, starts, goal.max_proposals)
            return Task(f"blocks of file {number}", computed, arguments, take, give_up)

        def tasks() -> Iterator[Task]:
            for number in itertools.count():
                if self._num_accepted_before(number) >= goal.num_samples:
                    return
                if goal.max_proposals is not None and number * self.unit >= goal.max_proposals:
                    return
                held = self.read(number)
                if len(held) < self.per_file:
                    yield task(number, held)

        with Progress(goal.num_samples, enabled=progress) as bar:
            run_tasks(tasks(), executor, retries=retries, say=self.run.say)

    def _num_accepted_before(self, number: int) -> int:
        """Accepted draws in the files of units before this one; whole ones are read once."""
        partial = 0
        for before in range(number):
            if before not in self._accepted:
                blocks = self.read(before)
                counted = sum(len(block.numbers) for block in blocks)
                if len(blocks) == self.per_file:
                    self._accepted[before] = counted
                else:  # it may grow
                    partial += counted
        return partial + sum(n for before, n in self._accepted.items() if before < number)

    def take_from(self, path: Path) -> int:
        """Copy blocks that another directory of this run has and this one lacks; how many files.

        Raises FileNotFoundError if there is no run, OtherRun if it is another.
        """
        if Run(path, Plan).record()["run"] != self.run.run:
            raise OtherRun(
                f"{path} and {self.run.path} are not the same run: begin it once, and copy the "
                "directory to where workers are to go on with it"
            )
        theirs = StoredBlocks(self.run)
        theirs._parts = dataclasses.replace(self._parts, folder=path / BLOCKS, check=None)
        taken = 0
        for number in theirs._parts.numbers():
            blocks = theirs.read(number)
            if len(blocks) > len(self.read(number)):
                self.write(number, blocks)
                taken += 1
        return taken

    def finish(
        self, goal: Goal, *, started: float, allow_nan: bool = False, progress: bool = False
    ) -> Draws:
        """The draws of the run, computed as far as they are missing, and written."""
        draws = self.plan.gather(
            self.blocks(goal), goal, started=started, allow_nan=allow_nan, progress=progress
        )
        self.keep(draws)
        return draws

    def keep(self, draws: Draws) -> None:
        """Write the draws, and how far the run is."""
        info = draws.info
        state = "done" if info.complete else "exhausted"
        self.run.keep(
            draws, state, "blocks", num_samples=len(draws), num_proposals=info.num_proposals
        )


def computed(plan: Plan, starts: Sequence[int], max_proposals: int | None) -> list[Block]:
    """The blocks from these proposal numbers on, in a worker."""
    with contextlib.closing(plan.blocks(max_proposals, iter(starts))) as blocks:
        return list(blocks)


def _within(block: Block, goal: Goal) -> bool:
    """Whether a block is over before the last proposal."""
    return goal.max_proposals is None or block.start + block.count <= goal.max_proposals


def _flat(made: Mapping[str, Any]) -> dict[str, Any]:
    """Versions, device and processor, side by side."""
    rest = {name: value for name, value in made.items() if name != "versions"}
    return {**made["versions"], **rest}


def _are_same(one: Block, other: Block, *, here: bool) -> bool:
    """Whether two computations of a block agree, here or on different machines."""
    tolerance = _SAME_HERE if here else _SAME_ELSEWHERE
    common, mine, others = np.intersect1d(
        one.numbers, other.numbers, assume_unique=True, return_indices=True
    )
    num_all = len(one.numbers) + len(other.numbers) - len(common)
    allowed = 0 if here else max(1, int(_TIES * num_all))
    evidence, again = (np.array(block.weights.log_mean().value) for block in (one, other))
    return (
        num_all - len(common) <= allowed
        and _are_close(one.log_weights[mine], other.log_weights[others], tolerance)
        and _are_close(evidence, again, tolerance)
    )


def _are_close(one: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    return bool(np.allclose(one, other, rtol=tolerance, atol=tolerance))


_SUMS = ("largest", "total", "total_square")


def _arrays(blocks: list[Block]) -> Arrays:
    """A row a block; what is of different length is put end to end, with the lengths beside."""

    def sums(weights: list[WeightSum]) -> np.ndarray:
        return np.array([[getattr(weight, name) for name in _SUMS] for weight in weights])

    return {
        "counts": np.array([(b.start, b.count, b.num_nan, b.first_nan) for b in blocks], np.uint64),
        "weights": sums([b.weights for b in blocks]),
        "clipped": sums([b.clipped for b in blocks]),
        "num_accepted": np.array([len(b.numbers) for b in blocks]),
        "numbers": np.concatenate([b.numbers for b in blocks]),
        "log_weights": np.concatenate([b.log_weights for b in blocks]),
        "num_kept": np.array([len(b.kept) for b in blocks]),
        "kept": np.concatenate([b.kept for b in blocks]),
    }


def _blocks(arrays: Arrays) -> list[Block]:
    """The inverse of `_arrays`."""

    def parts(name: str, lengths: str) -> list[np.ndarray]:
        return np.split(arrays[name], np.cumsum(arrays[lengths])[:-1])

    numbers, log_weights = (parts(n, "num_accepted") for n in ("numbers", "log_weights"))
    kept = parts("kept", "num_kept")
    blocks = []
    for i, (start, count, num_nan, first_nan) in enumerate(arrays["counts"].tolist()):
        weights, clipped = (_sum(arrays[name][i], count) for name in ("weights", "clipped"))
        accepted = numbers[i], log_weights[i]
        blocks.append(Block(start, count, weights, clipped, num_nan, first_nan, *accepted, kept[i]))
    return blocks


def _sum(row: np.ndarray, count: int) -> WeightSum:
    largest, total, total_square = row.tolist()
    return WeightSum(largest, total, total_square, count)
