"""Work on a grid: one process does units that nobody else does, until none is left."""

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jax

from bnnpost.storage import Lock, LockHeld
from bnnpost.sweeps.cells import Cell
from bnnpost.sweeps.directory import RunDirectory
from bnnpost.sweeps.errors import DamagedFile
from bnnpost.sweeps.grid_directory import GridDirectory, Say
from bnnpost.sweeps.judgement import forget_judgement, judgement
from bnnpost.sweeps.judging import check_unchanged, judged_cell
from bnnpost.sweeps.made_with import mixed
from bnnpost.sweeps.problem import check_comparable, load_problem
from bnnpost.sweeps.report import figures_missing
from bnnpost.sweeps.run import assembled, one_width, read_width
from bnnpost.sweeps.units import Unit, ends_all, may_pass, one_line

if TYPE_CHECKING:
    import xarray as xr

# How often a unit is tried again where that may help.
RETRIES = 1
_SECONDS_BETWEEN_LOOKS = 0.3
# Who only looks whether a unit is claimed holds its lock for less than this.
_SECONDS_OF_A_GLANCE = 0.05
# Every compiled program takes dozens of memory maps, of which Linux allows a process 65,530.
_MEMORY_MAPS, _MANY_MAPS = Path("/proc/self/maps"), 40_000
# Settings that are arguments of the compiled programs, or play no part in them.
_LEAVES = (
    "data", "target", "standardise", "split_seed", "seed", "noise_std",
    "w_std", "b_std", "readout_w_std", "readout_b_std",
    "num_samples", "num_proposals", "max_proposals", "cap", "widths",
)  # fmt: skip
# What a damaged file is called from then on, after its name.
_DAMAGED = ".damaged"


@dataclass(frozen=True)
class Effort:
    """How hard to try. retries: further attempts where that may help. force: hopeless cells too.

    share: (index, count) of one process among several, by which they begin at different places;
    each goes on to what the others have left.
    """

    retries: int = RETRIES
    force: bool = False
    share: tuple[int, int] = (0, 1)


def units(directory: GridDirectory) -> list[Unit]:
    """All units of a grid; those that run the same compiled programs follow each other."""
    found: dict[str, list[Unit]] = {}
    for cell in directory.grid.cells:
        kind = {k: v for k, v in cell.config.as_dict().items() if k not in _LEAVES}
        for width in cell.widths:
            unit = Unit(cell, width, directory.cell_directory(cell))
            found.setdefault(f"{kind}{width}", []).append(unit)
    return [unit for alike in found.values() for unit in alike]


def is_settled(unit: Unit) -> bool:
    """Whether nothing is to be done about a unit: it is done, or was given up or refused."""
    return unit.is_done or unit.has_failed or bool(judgement(unit.directory).refusal)


def unassembled(directory: GridDirectory) -> list[Cell]:
    """Cells whose widths are all there, but not their results put together."""
    return [
        cell
        for cell in directory.grid.cells
        for run in (directory.cell_directory(cell),)
        if all(map(run.is_done, cell.widths)) and not run.is_assembled(cell.widths)
    ]


def forget_failures(directory: GridDirectory) -> None:
    """Let what has failed be tried again."""
    for unit in units(directory):
        unit.forget()
    for cell in directory.grid.cells:
        forget_judgement(directory.cell_directory(cell))


def work(directory: GridDirectory, effort: Effort, *, say: Say, progress: bool = False) -> None:
    """Do what is missing and nobody else does; returns when there is nothing of it left.

    A unit that fails is written down and the others go on. Raises OSError if the disk is full,
    and passes on interruptions.
    """
    _Worker(directory, effort, say, progress).run()


class _Worker:
    def __init__(self, directory: GridDirectory, effort: Effort, say: Say, progress: bool):
        self._directory, self._effort = directory, effort
        self._say, self._progress = say, progress
        self._units = units(directory)
        self._settled: set[tuple[str, int]] = set()
        # Units whose file was found damaged, and cells whose results cannot be put together.
        self._run_again: set[tuple[str, int]] = set()
        self._given_up: set[str] = set()

    def run(self) -> None:
        """Pass over all units until a pass finds nothing to do or to wait for."""
        while True:
            states = [self._turn(unit) for unit in self._in_turn()]
            states += [self._assemble(cell) for cell in self._directory.grid.cells]
            if "waiting" in states:
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            elif "worked" not in states:
                break

    def _in_turn(self) -> Iterator[Unit]:
        index, count = self._effort.share
        start = len(self._units) * index // count
        for unit in self._units[start:] + self._units[:start]:
            if (unit.cell.digest, unit.width) not in self._settled:
                yield unit

    def _turn(self, unit: Unit) -> str:
        """Do one unit: "worked", or "settled" already, "busy" elsewhere, "waiting" for a check."""
        if not (unit.is_done or unit.has_failed):
            if self._effort.force:
                self._directory.prepared(unit.cell)
                return self._claim(unit)
            judged = judged_cell(self._directory, unit.cell, self._effort.retries, self._say)
            if judged is None:
                return "waiting"
            if not judged.refusal:
                return self._claim(unit)
        self._settle(unit)
        return "settled"

    def _claim(self, unit: Unit) -> str:
        for last_try in (False, True):
            try:
                with unit.claim.held() as died:
                    worked = not (unit.is_done or unit.has_failed)
                    if worked:
                        self._attempt(unit, died)
                self._settle(unit)
                if worked:
                    self._assemble(unit.cell)
                return "worked" if worked else "settled"
            except LockHeld:
                if last_try:
                    return "busy"
                time.sleep(_SECONDS_OF_A_GLANCE)
        raise AssertionError("unreachable")

    def _settle(self, unit: Unit) -> None:
        self._settled.add((unit.cell.digest, unit.width))

    def _attempt(self, unit: Unit, died: int) -> None:
        """Run a unit, as often as it may be tried, and write down how it ended."""
        if died > self._effort.retries:
            self._tell(unit, f"failed: {unit.write_failure(None, died)}")
            return
        for attempt in range(died + 1, self._effort.retries + 2):
            try:
                self._run(unit, attempt)
                return
            except Exception as error:
                if ends_all(error):
                    raise
                if may_pass(error) and attempt <= self._effort.retries:
                    self._say(f"{unit.name}: failed, and is tried again: {one_line(error)}")
                    continue
                self._tell(unit, f"failed: {unit.write_failure(error, attempt)}")
                return

    def _run(self, unit: Unit, attempt: int) -> None:
        forget_programs()
        said: list[str] = []
        directory = self._directory.prepared(unit.cell)
        check_unchanged(self._directory, unit.cell)
        problem = load_problem(unit.cell.config)
        check_comparable(problem)  # a cell that is forced was not judged
        one_width(
            problem,
            directory,
            unit.width,
            self._progress,
            said.append,
            attempt,
        )
        self._tell(unit, ", ".join(said).removeprefix(f"width {unit.width}: "))

    def _tell(self, unit: Unit, message: str) -> None:
        left = sum(
            not (one.is_done or one.has_failed)
            for one in self._units
            if (one.cell.digest, one.width) not in self._settled and one is not unit
        )
        self._say(f"[{len(self._units) - left}/{len(self._units)}] {unit.name}: {message}")

    def _assemble(self, cell: Cell) -> str:
        """Put a cell's results together once all its widths are there."""
        directory = self._directory.cell_directory(cell)
        whole = all(map(directory.is_done, cell.widths))
        if not whole or cell.digest in self._given_up or directory.is_assembled(cell.widths):
            return "settled"
        with Lock(directory.path / ".results.lock") as lock:
            try:
                lock.hold_alone()
            except LockHeld:
                return "busy"
            if directory.is_assembled(cell.widths):
                return "settled"
            return self._put_together(cell, directory)

    def _put_together(self, cell: Cell, directory: RunDirectory) -> str:
        try:
            with directory.noting_failure():
                check_unchanged(self._directory, cell)
                found = self._found(cell, directory)
                if found is None:
                    return "worked"
                if several := mixed(found):
                    self._say(f"{_prefix(cell)}{several}")
                tree, _ = assembled(load_problem(cell.config), directory, found)
        except Exception as error:
            if ends_all(error):
                raise
            self._given_up.add(cell.digest)
            self._say(f"{_prefix(cell)}results cannot be put together: {one_line(error)}")
            return "worked"
        if missing := figures_missing(tree, directory):
            self._say(f"{_prefix(cell)}{missing}")
        return "worked"

    def _found(self, cell: Cell, directory: RunDirectory) -> "dict[int, xr.Dataset] | None":
        """The results at each width; None if a file was damaged, whose width is run again."""
        found = {}
        for width in cell.widths:
            path = directory.width_file(width)
            try:
                found[width] = read_width(path, cell.config.as_dict())
            except DamagedFile as error:
                if (cell.digest, width) in self._run_again:
                    raise
                kept = path.rename(path.with_name(f"{path.name}{_DAMAGED}"))
                told = str(error).partition(": remove")[0]
                self._say(f"{told}: it is kept as {kept.name}, and its width is run again")
                self._run_again.add((cell.digest, width))
                self._settled.discard((cell.digest, width))
                return None
        return found


def _prefix(cell: Cell) -> str:
    return f"{cell.name}: " if cell.name else ""


def forget_programs() -> None:
    """Drop compiled programs before there are more than a process may hold."""
    if _MEMORY_MAPS.exists() and _MEMORY_MAPS.read_bytes().count(b"\n") > _MANY_MAPS:
        jax.clear_caches()
        gc.collect()
