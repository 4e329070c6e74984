"""What a grid would do and cost, worked out without running or writing anything."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from bnnpost.datasets import DataError
from bnnpost.sweeps.cells import Cell, Grid
from bnnpost.sweeps.directory import RunDirectory
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.plan import Plan, make_plan
from bnnpost.sweeps.problem import load_problem
from bnnpost.sweeps.units import one_line
from bnnpost.sweeps.work import forget_programs


@dataclass(frozen=True)
class CellPlan:
    """What one cell would do: its plan (None where it cannot be run at all), or why it would not.

    refusal: in a line; empty if it would run. proposals, seconds: of the draws that are still to
    be made, expected; seconds NaN where they cannot be told.
    """

    cell: Cell
    plan: Plan | None
    refusal: str
    proposals: float
    seconds: float

    @property
    def left(self) -> tuple[int, ...]:
        """Widths that are still to be run."""
        return () if self.plan is None else tuple(self.plan.forecasts)

    @property
    def disk_bytes(self) -> int:
        """The run directory in the end."""
        return 0 if self.plan is None else self.plan.disk_bytes


def plan_grid(
    grid: Grid, directory: GridDirectory | None = None, progress: bool = False
) -> Iterator[CellPlan]:
    """The plan of each cell in turn, or of what is left of it in `directory`.

    A pilot and a short calibration are run at each width. progress: of these, on stderr. Raises
    ConfigError if the directory holds something else.
    """
    if directory is not None:
        directory.check_vacant()
    for cell in grid.cells:
        forget_programs()
        held = None if directory is None else directory.cell_directory(cell)
        yield _planned(cell, held, progress)


def _planned(cell: Cell, directory: RunDirectory | None, progress: bool) -> CellPlan:
    try:
        plan = make_plan(load_problem(cell.config), directory, progress)
    except (DataError, ValueError) as error:
        return CellPlan(cell, None, one_line(error), math.nan, math.nan)
    options = [plan.option(width) for width in plan.forecasts]
    count = cell.config.num_samples
    seconds = [option.seconds(count) for option in options]
    return CellPlan(
        cell=cell,
        plan=plan,
        refusal=plan.refusal.partition("\n")[0],
        proposals=sum(option.proposals(count) for option in options),
        seconds=sum(math.nan if one is None else one for one in seconds),
    )
