"""What a sweep would do and cost, worked out without running or writing anything."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bnnpost.comparison.distances import GRID
from bnnpost.comparison.timing import comparison_seconds
from bnnpost.datasets import DataError, DataRecord
from bnnpost.parallel.failures import one_line
from bnnpost.posterior import Posterior
from bnnpost.samplers.cost import Cost, Expectation, HopelessRun, NoDraws
from bnnpost.samplers.methods import Method
from bnnpost.samplers.progress import Progress
from bnnpost.settings import ConfigError
from bnnpost.spaces.making import make_space
from bnnpost.storage import Say
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.grid_cells import Cell, Grid
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.problem import Problem, check_comparable, load_problem
from bnnpost.sweeps.programs import forget_programs
from bnnpost.sweeps.results import THEORY

_DOUBLE = 8
# Seconds in which a plan of one width is mostly over.
_DELAY = 3.0
# Measured: four figures and the report; labels and attributes of results.nc, and of each width
# in both files.
_FIGURE_BYTES, _RESULTS_BYTES, _WIDTH_BYTES = 550_000, 50_000, 45_000


@dataclass(frozen=True)
class CostPlan:
    """What one configuration would do.

    costs: of the draws at each width that is still to be run. comparisons: seconds of each
    comparison with the limit that was timed. finished: the other widths. record: of the data.
    """

    config: SweepConfig
    num_outputs: int
    costs: Mapping[int, Cost]
    finished: tuple[int, ...] = ()
    record: DataRecord | None = None
    comparisons: Mapping[int, float] = dataclasses.field(default_factory=dict)

    @property
    def proposals(self) -> float:
        """Of the draws that are still to be made, expected; NaN where the method makes none."""
        return sum(_or_nan(one.proposals) for one in self.costs.values())

    @property
    def total_seconds(self) -> float:
        """Of all draws and timed comparisons, once all is compiled; NaN where it is not known."""
        drawn = sum(_or_nan(one.seconds) for one in self.costs.values())
        return drawn + sum(self.comparisons.values())

    @property
    def expected(self) -> dict[int, Expectation]:
        """By width what is expected, for the directory of the run to keep."""
        found = {width: one.expectation for width, one in self.costs.items()}
        return {width: one for width, one in found.items() if one is not None}

    @property
    def failures(self) -> dict[int, str]:
        """By width why there can be no draws there."""
        return {width: one.failure for width, one in self.costs.items() if one.failure}

    @property
    def refusal(self) -> str:
        """Why it would be refused; empty if it would not."""
        refused = [width for width, one in self.costs.items() if one.refusal]
        if not refused:
            return ""
        worst = max(refused, key=lambda width: _or_nan(self.costs[width].proposals))
        return f"width {worst} {self.costs[worst].refusal}"

    @property
    def disk_bytes(self) -> int:
        """The whole directory in the end; see `disk_bytes`."""
        num_test = 0 if self.record is None else len(self.record.test_rows)
        return disk_bytes(self.config, self.num_outputs, num_test)

    def sentences(self) -> list[str]:
        """How many proposals are expected, and what is odd about the posterior: a line each."""
        needed = [
            f"{one.proposals:.2g} at width {width}"
            for width, one in self.costs.items()
            if one.proposals is not None
        ]
        # Of the limit: the same at every width.
        odd = [one.oddity for one in self.costs.values() if one.oddity][:1]
        return [f"expected proposals: {', '.join(needed)}", *odd]


def _or_nan(number: float | None) -> float:
    return math.nan if number is None else number


def make_plan(
    problem: Problem,
    widths: Sequence[int],
    *,
    finished: Sequence[int] = (),
    timed: bool = True,
    progress: bool = False,
    compared: bool = False,
) -> CostPlan:
    """The plan of a configuration at widths that are still to be run; writes nothing.

    A pilot is run at each width, and a short calibration of half a second if timed; the plan of a
    run that is not to follow at once (`compared`) times the comparison too. progress: of these, on
    stderr. Raises HopelessRun if draws could not be compared with a limit, ConfigError if not by
    this method.
    """
    check_comparable(problem)
    for width in widths:
        require_collapse(problem.config.method, problem.posterior(width))
    return _planned(problem, widths, finished, timed, progress, compared)


def require_collapse(method: Method, posterior: Posterior) -> None:
    """Raise ConfigError, before anything is drawn, where draws could not be compared."""
    if method.by_proposals:
        return
    options = {"space": "functions", "collapse": True, **method.options()}
    made = make_space(
        posterior, space=options["space"], collapse=options["collapse"], strict=False, alone=True
    )
    if not made.collapse:
        raise ConfigError(
            f"a sweep by {method.name} chains is compared by the Gaussian of f* given the hidden "
            "layers: expected a network that ends in a Dense layer with a normal prior, and "
            "collapse"
        )


def _planned(
    problem: Problem,
    widths: Sequence[int],
    finished: Sequence[int],
    timed: bool,
    progress: bool,
    compared: bool = False,
) -> CostPlan:
    config = problem.config
    found: dict[int, Cost] = {}
    times: dict[int, float] = {}
    with Progress(
        len(widths), enabled=progress, label="planned", unit="width", delay=_DELAY
    ) as bar:
        for number, width in enumerate(widths):
            bar.show(number, f"width {width}")
            [found[width]] = costs_at(problem, width, timed=timed, progress=progress)
            if compared and config.method.by_proposals:
                times[width] = _comparison(problem, width)
    outputs, done = problem.num_outputs, tuple(finished)
    return CostPlan(config, outputs, found, done, problem.record, times)


def costs_at(
    problem: Problem, width: int, *, every: bool = False, timed: bool = True, progress: bool = False
) -> list[Cost]:
    """What the draws at one width are expected to cost: `Method.forecast`, failures among them."""
    config, purposes = problem.config, problem.keys(width)
    method = config.method
    try:
        return method.forecast(
            # Pilots of chains are those of the run.
            purposes.forecast if method.by_proposals else purposes.draws,
            problem.posterior(width),
            config.num_samples,
            every=every,
            timed=timed,
            progress=progress,
        )
    except NoDraws as error:
        return [Cost.of_failure(str(error))]


def _comparison(problem: Problem, width: int) -> float:
    config = problem.config
    return comparison_seconds(
        problem.keys(width).forecast,
        problem.posterior(width),
        problem.x_test,
        num_proposals=config.num_proposals,
        precision=config.method.precision,
    )


def check_feasible(
    problem: Problem, width: int, force: bool, say: Say, *, progress: bool = False
) -> dict[int, Expectation]:
    """Say what the draws at one width will take, and raise HopelessRun if that is too much.

    What is expected, for the run's directory to keep.
    """
    say(f"pilot and timing at width {width}")
    plan = _planned(problem, [width], (), True, progress)
    for sentence in plan.sentences():
        say(sentence)
    if plan.refusal and not force:
        raise HopelessRun(plan.refusal)
    return plan.expected


@dataclass(frozen=True)
class CellPlan:
    """What one cell would do: its plan (None where it cannot be run at all), or why it would not.

    refusal: empty if it would run.
    """

    cell: Cell
    plan: CostPlan | None
    refusal: str

    @property
    def left(self) -> tuple[int, ...]:
        """Widths that are still to be run."""
        return () if self.plan is None else tuple(self.plan.costs)

    @property
    def proposals(self) -> float:
        """Of the draws that are still to be made, expected; NaN where it cannot be told."""
        return math.nan if self.plan is None else self.plan.proposals

    @property
    def seconds(self) -> float:
        """Of these draws and their comparisons; NaN where it cannot be told."""
        return math.nan if self.plan is None else self.plan.total_seconds

    @property
    def disk_bytes(self) -> int:
        """The run directory in the end."""
        return 0 if self.plan is None else self.plan.disk_bytes


def plan_grid(
    directory: GridDirectory | None, grid: Grid, progress: bool = False
) -> Iterator[CellPlan]:
    """The plan of each cell in turn, or of what is left of it in a directory.

    progress: of their pilots, on stderr. Raises ConfigError if the directory holds something else,
    and of a single cell what keeps it from being run.
    """
    if directory is not None:
        directory.check_vacant()
    for cell in grid.cells:
        forget_programs()
        held = None if directory is None else directory.cell_directory(cell)
        finished = [width for width in cell.widths if held is not None and held.is_done(width)]
        left = [width for width in cell.widths if width not in finished]
        try:
            problem = load_problem(cell.config)
            plan = make_plan(problem, left, finished=finished, progress=progress, compared=True)
            refusal = plan.refusal
        except (DataError, ValueError) as error:
            if not grid.varying:
                raise
            yield CellPlan(cell, None, one_line(error))
        else:
            yield CellPlan(cell, plan, refusal)


def disk_bytes(config: SweepConfig, num_outputs: int, num_test: int) -> int:
    """About how large the run's directory becomes.

    At each width f [sample, point, output] and proposal numbers, a density on a grid and each
    distance at every test input, once in the width's own file and once in results.nc, which
    adds the limit's density and its grid; and the figures.
    """
    values = num_test * num_outputs
    draws = config.num_samples * (values + 1)
    width = _DOUBLE * (draws + values * (len(GRID) + 2 * len(THEORY))) + _WIDTH_BYTES
    limit = 2 * _DOUBLE * values * len(GRID)
    return 2 * width * len(config.widths) + limit + _RESULTS_BYTES + _FIGURE_BYTES
