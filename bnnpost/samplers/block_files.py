"""Blocks of a run on disk: a file for every few of them, written whole and checked when read.

A file holds blocks of one unit, from its first on. Which proposals they are follows from the
unit's number alone, so any process can compute them, and twice gives the same.
"""

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np

from bnnpost.numerics.weights import WeightSum
from bnnpost.samplers.trials import Block
from bnnpost.storage import PartFiles, Say

FORMAT = "bnnpost blocks 1"
# So many files in a folder.
_FILES_PER_FOLDER = 1000

_Arrays = dict[str, np.ndarray]


class BlockFiles:
    """The block files of one run.

    run: the digest of what is sampled, which every file carries. block: proposals a block;
    per_file: blocks a unit. say: is told of damaged files. check: raises if this run must not be
    written to; without it nothing is written or set aside.
    """

    def __init__(
        self,
        folder: Path,
        run: str,
        block: int,
        per_file: int,
        *,
        say: Say,
        check: Callable[[], None] | None = None,
    ):
        self.run, self.block, self.per_file, self.say = run, block, per_file, say
        self._parts = PartFiles(
            folder, "{:09d}.npz", FORMAT, run, say, check, per_folder=_FILES_PER_FOLDER
        )
        self._accepted: dict[int, int] = {}

    @property
    def unit(self) -> int:
        """Proposals of a whole file."""
        return self.per_file * self.block

    def numbers(self) -> list[int]:
        """Units of which there is a file, in order."""
        return self._parts.numbers()

    def num_accepted_before(self, number: int) -> int:
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

    def starts(self, number: int, held: int = 0) -> range:
        """First proposal numbers of the blocks of a unit, after the first `held`."""
        first = number * self.unit
        return range(first + held * self.block, first + self.unit, self.block)

    def read(self, number: int) -> list[Block]:
        """The blocks of a unit that are on disk; none if there is no file, or a damaged one.

        A damaged file is set aside under another name, so that its blocks are computed again.
        Raises OtherRun for a file of another run.
        """

        def parse(record: dict[str, Any], arrays: _Arrays) -> list[Block]:
            blocks = _blocks(arrays)
            self._check_in_order(record["unit"], blocks, number)
            return blocks

        return self._parts.read(number, parse) or []

    def _check_in_order(self, unit: int, blocks: list[Block], number: int) -> None:
        """Raise ValueError unless they are the first blocks of this unit, whole and in order."""
        starts = [block.start for block in blocks]
        whole = all(block.count == self.block for block in blocks)
        if unit != number or not whole or starts != list(self.starts(number))[: len(blocks)]:
            raise ValueError(f"it holds blocks {starts} of unit {unit}")

    def write(self, number: int, blocks: list[Block]) -> None:
        """Write the first blocks of a unit. Raises OSError if that cannot be done."""
        self._check_in_order(number, blocks, number)
        self._parts.write(number, _arrays(blocks), unit=number, block=self.block)

    def recorded(self, computed: Generator[Block, None, None]) -> Generator[Block, None, None]:
        """Pass blocks on, and write them as their units fill up; also what there is at the end.

        The blocks of a unit come in order and without a gap after those on disk. A block cut
        short by a limit on proposals is passed on and not written.
        """
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


_SUMS = ("largest", "total", "total_square")


def _arrays(blocks: list[Block]) -> _Arrays:
    """A row a block; what is of different length is put end to end, with the lengths beside."""

    def sums(weights: list[WeightSum]) -> np.ndarray:
        return np.array([[getattr(one, name) for name in _SUMS] for one in weights])

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


def _blocks(arrays: _Arrays) -> list[Block]:
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
