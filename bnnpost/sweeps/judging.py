"""Whether a cell may be run: found out once, by one process, before any of its widths is."""

import dataclasses
import json
from collections.abc import Collection
from dataclasses import dataclass

from bnnpost.storage import Lock, LockHeld
from bnnpost.sweeps import expectations
from bnnpost.sweeps.config import ConfigError
from bnnpost.sweeps.contents import content_digest
from bnnpost.sweeps.directory import RunDirectory
from bnnpost.sweeps.errors import HopelessRun
from bnnpost.sweeps.grid import Cell
from bnnpost.sweeps.grid_directory import GridDirectory, Say
from bnnpost.sweeps.problem import check_comparable, load_problem
from bnnpost.sweeps.run import check_feasible
from bnnpost.sweeps.units import one_line

FEASIBLE = "feasible.json"


@dataclass(frozen=True)
class Judgement:
    """Whether a cell may be run, found out once for these widths.

    refusal: why not, in a line. hopeless: because draws would take too long, or could not be
    compared with a limit; else because of an error.
    """

    widths: tuple[int, ...] = ()
    refusal: str = ""
    hopeless: bool = True

    def covers(self, widths: Collection[int]) -> bool:
        """Whether nothing has to be found out for these widths."""
        return set(widths) <= set(self.widths)

    def write(self, directory: RunDirectory) -> None:
        """Into the cell's directory."""
        directory.write_text(FEASIBLE, json.dumps(dataclasses.asdict(self), indent=2) + "\n")


def judgement(directory: RunDirectory) -> Judgement:
    """What was found out about a cell; of no widths if nothing was."""
    try:
        found = json.loads((directory.path / FEASIBLE).read_text(encoding="utf-8"))
        return Judgement(tuple(found["widths"]), str(found["refusal"]), bool(found["hopeless"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Judgement()


def judged_cell(directory: GridDirectory, cell: Cell, say: Say) -> Judgement | None:
    """What is thought of a cell's chances; None while another process finds out.

    say: is told what is found, a line at a time.
    """
    run = directory.prepared(cell)
    missing = tuple(width for width in cell.config.widths if not run.is_done(width))
    if judgement(run).covers(missing):
        return judgement(run)
    with Lock(run.path / ".feasible.lock") as lock:
        try:
            lock.hold_alone()
        except LockHeld:
            return None
        if not judgement(run).covers(missing):
            _judge(directory, cell, missing, say).write(run)
    return judgement(run)


def _judge(directory: GridDirectory, cell: Cell, missing: tuple[int, ...], say: Say) -> Judgement:
    prefix = f"{cell.name}: " if cell.name else ""
    try:
        check_unchanged(directory, cell)
        problem = load_problem(cell.config)
        check_comparable(problem)
        expected = check_feasible(problem, list(missing), False, lambda text: say(prefix + text))
        expectations.record(directory.cell_directory(cell), expected)
    except HopelessRun as error:
        say(f"{prefix}refused: {one_line(error)}")
        return Judgement(missing, one_line(error))
    except Exception as error:  # of one cell; the others go on
        say(f"{prefix}failed: {one_line(error)}")
        return Judgement(missing, one_line(error), hopeless=False)
    return Judgement(missing)


def check_unchanged(directory: GridDirectory, cell: Cell) -> None:
    """Raise ConfigError if files that a cell stands for have changed since the grid was begun."""
    if directory.grid.varying and content_digest(cell.config) != cell.digest:
        what = cell.config.data if cell.config.network is None else "data or the network's code"
        raise ConfigError(
            f"{what} has changed since the grid was begun: run its configuration again, and what "
            "depends on it is run anew"
        )
