"""A run of rejection in a directory: frozen before it starts, gone on with after any end.

Besides the files of every run: blocks/, what each block of proposals came to.
"""

import contextlib
import itertools
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bnnpost.draws import Draws, draws_files
from bnnpost.posterior import Posterior
from bnnpost.samplers.block_files import BlockFiles
from bnnpost.samplers.plan import Goal, Plan
from bnnpost.samplers.recorded_run import (
    BLOCKS,
    Check,
    OtherRun,
    RecordedRun,
    Say,
    made_with,
)
from bnnpost.samplers.trials import Block

# On two cores a file of so many blocks is a few seconds' work, which is what a kill can cost.
BLOCKS_PER_FILE = 32
_MOST_BLOCKS_PER_FILE = 1_000_000
# Log weights computed anew may differ from those on disk by so much, relative to 1 + their size:
# on the same processor with the same versions, and elsewhere, where single precision rounds
# otherwise. Another random stream, likelihood or layer changes them by more.
_SAME_HERE, _SAME_ELSEWHERE = 1e-6, 1e-4
# And elsewhere this part of the draws may be others: those within rounding of their thresholds.
_TIES = 0.02


class RunDirectory(RecordedRun):
    """The directory of one run.

    plan: what is sampled, as it was written down when the run began. files: its blocks.
    """

    format = "bnnpost run 1"
    details: ClassVar[Mapping[str, Check]] = {
        "blocks_per_file": (
            f"a whole number from 1 to {_MOST_BLOCKS_PER_FILE:,}",
            lambda found: type(found) is int and 1 <= found <= _MOST_BLOCKS_PER_FILE,
        )
    }
    plan: Plan
    files: BlockFiles
    _checked = False

    def folders(self) -> list[Path]:
        return [self.path, *self.path.glob(f"{BLOCKS}/*/")]

    def begin(self, plan: Plan, say: Say) -> None:
        """Write down what is sampled, or find that it is what the run here samples.

        Raises OtherRun if the directory holds another run, or files that are none of a run's.
        """
        if self.has_begun():
            self.resume(plan.space.posterior, say)
            self.check_settings(self.plan.settings(), plan.settings())
            return
        self.check_vacant()
        self.plan = plan.settled()
        contents = self.plan.contents()
        record = self.write_record(contents, blocks_per_file=BLOCKS_PER_FILE)
        self.files = self._block_files(record, say)

    def resume(self, posterior: Posterior | None, say: Say) -> None:
        """Go on with the run that is here.

        posterior: needed where the network or likelihood holds code of the user's own. Raises
        FileNotFoundError if there is no run, OtherRun if it samples another posterior.
        """
        record = self.read_record()
        self.tell_made_with(record, say)
        self.plan = Plan.from_contents(self.read_contents(record, posterior))
        self.files = self._block_files(record, say)
        if draws_files.holds_code(self.plan.space.posterior):
            self.check_code()

    def _block_files(self, record: dict[str, Any], say: Say) -> BlockFiles:
        return BlockFiles(
            self.path / BLOCKS,
            str(record["run"]),
            self.plan.shape.block,
            int(record["blocks_per_file"]),
            say=say,
            check=self.check_still_there,
        )

    def computed(self, starts: Iterator[int], goal: Goal) -> Generator[Block, None, None]:
        """Blocks from these proposal numbers, computed and written."""
        first = next(starts, None)
        if first is not None:
            self.check_code()
            wanted = itertools.chain([first], starts)
            yield from self.files.recorded(self.plan.blocks(goal.max_proposals, wanted))

    def check_code(self) -> None:
        """Raise OtherRun unless draws on disk come out the same again.

        Checked once, in the first block on disk that has draws: by it code, libraries or data
        that have changed since it was made are told.
        """
        held = None if self._checked else self._first_accepted()
        if held is None:
            return
        with contextlib.closing(self.plan.blocks(None, iter([held.start]))) as blocks:
            again = next(blocks)
        if not _are_same(held, again, here=self.read_record()["made_with"] == made_with()):
            raise OtherRun(
                f"{self.path}: the same proposals have other weights than when the run began: a "
                "likelihood, a layer or the version of jax has changed; choose another directory"
            )
        self._checked = True

    def _first_accepted(self) -> Block | None:
        """The first block on disk that has draws, or else the first of all."""
        first = None
        for number in self.files.numbers():
            for block in self.files.read(number):
                first = first or block
                if len(block.numbers):
                    return block
        return first

    def stored(self, goal: Goal) -> Generator[Block, None, None]:
        """The blocks on disk, in order, up to the first gap."""
        for number in itertools.count():
            held = self.files.read(number)
            yield from itertools.takewhile(lambda block: _within(block, goal), held)
            if len(held) < self.files.per_file or not _within(held[-1], goal):
                return

    def blocks(self, goal: Goal) -> Generator[Block, None, None]:
        """All blocks in order: those on disk, and in every gap what is missing, computed."""
        start = 0
        while goal.max_proposals is None or start < goal.max_proposals:
            number, index = divmod(start // self.files.block, self.files.per_file)
            held = self.files.read(number)[index:]
            for block in itertools.takewhile(lambda block: _within(block, goal), held):
                start = block.start + block.count
                yield block
            if len(held) < self.files.per_file - index or not _within(held[-1], goal):
                with contextlib.closing(self.computed(self._gap(start), goal)) as fresh:
                    for block in fresh:
                        start = block.start + block.count
                        yield block

    def _gap(self, start: int) -> Iterator[int]:
        """Starts of blocks from here up to the next unit of which there is a file."""
        number = start // self.files.unit
        later = next((n for n in self.files.numbers() if n > number), None)
        starts = itertools.count(start, self.files.block)
        if later is None:
            return starts
        return itertools.takewhile(lambda s: s < later * self.files.unit, starts)

    def take_from(self, other: "RunDirectory", say: Say) -> int:
        """Copy blocks that another directory of this run has and this one lacks; how many files.

        Raises FileNotFoundError if there is no run, OtherRun if it is another.
        """
        record = other.read_record()
        if record["run"] != self.files.run:
            raise OtherRun(
                f"{other.path} and {self.path} are not the same run: begin it once, and copy the "
                "directory to where workers are to go on with it"
            )
        mine = self.files
        theirs = BlockFiles(other.path / BLOCKS, mine.run, mine.block, mine.per_file, say=say)
        taken = 0
        for number in theirs.numbers():
            blocks = theirs.read(number)
            if len(blocks) > len(self.files.read(number)):
                self.files.write(number, blocks)
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
        self.check_still_there()
        self.write_draws(draws, self.files.say, "blocks")
        state = "done" if draws.info.complete else "exhausted"
        self.set_status(state, num_samples=len(draws), num_proposals=draws.info.num_proposals)


def _within(block: Block, goal: Goal) -> bool:
    """Whether a block is over before the last proposal."""
    return goal.max_proposals is None or block.start + block.count <= goal.max_proposals


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
