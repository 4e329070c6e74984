"""Whether a cell may be run: found out once, by one process, before any of its widths is."""

from bnnpost.storage import LockHeld
from bnnpost.sweeps import expectations
from bnnpost.sweeps.cells import Cell
from bnnpost.sweeps.contents import content_digest
from bnnpost.sweeps.errors import ConfigError, HopelessRun
from bnnpost.sweeps.grid_directory import GridDirectory, Say
from bnnpost.sweeps.judgement import Judgement, judgement, judging
from bnnpost.sweeps.problem import check_comparable, load_problem
from bnnpost.sweeps.run import check_feasible
from bnnpost.sweeps.units import ends_all, may_pass, one_line


def judged_cell(directory: GridDirectory, cell: Cell, retries: int, say: Say) -> Judgement | None:
    """What is thought of a cell's chances; None while another process finds out.

    retries: further attempts where a process was killed, or where that may help. say: is told
    what is found, a line at a time. Raises OSError if the disk is full.
    """
    run = directory.prepared(cell)
    missing = tuple(width for width in cell.widths if not run.is_done(width))
    if judgement(run).covers(missing):
        return judgement(run)
    try:
        with judging(run).held() as died:
            if not judgement(run).covers(missing):
                _judge(directory, cell, missing, died, retries, say).write(run)
    except LockHeld:
        return None
    return judgement(run)


def _judge(
    directory: GridDirectory,
    cell: Cell,
    missing: tuple[int, ...],
    died: int,
    retries: int,
    say: Say,
) -> Judgement:
    """Judge as often as it may be tried; died: how many processes were killed at it before."""
    prefix = f"{cell.name}: " if cell.name else ""
    reason = judging(directory.cell_directory(cell)).killed(died)
    for attempt in range(died + 1, retries + 2):
        try:
            _check(directory, cell, missing, lambda text: say(prefix + text))
            return Judgement(missing)
        except HopelessRun as error:
            say(f"{prefix}refused: {one_line(error)}")
            return Judgement(missing, one_line(error))
        except Exception as error:  # of one cell; the others go on
            if ends_all(error):
                raise
            reason = one_line(error)
            if not (may_pass(error) and attempt <= retries):
                break
            say(f"{prefix}failed, and is tried again: {reason}")
    say(f"{prefix}failed: {reason}")
    return Judgement(missing, reason, hopeless=False)


def _check(directory: GridDirectory, cell: Cell, missing: tuple[int, ...], say: Say) -> None:
    """Raise what keeps a cell from being run; write down what its draws are expected to take."""
    check_unchanged(directory, cell)
    problem = load_problem(cell.config)
    check_comparable(problem)
    expected = check_feasible(problem, list(missing), False, say)
    expectations.record(directory.cell_directory(cell), expected)


def check_unchanged(directory: GridDirectory, cell: Cell) -> None:
    """Raise ConfigError if files that a cell stands for have changed since the grid was begun."""
    if not directory.grid.varying:
        directory.cell_directory(cell).check_same_contents(cell.config)
    elif content_digest(cell.config) != cell.digest:
        what = cell.config.data if cell.config.network is None else "data or the network's code"
        raise ConfigError(
            f"{what} has changed since the grid was begun: run its configuration again, and what "
            "depends on it is run anew"
        )
