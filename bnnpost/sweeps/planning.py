"""What a sweep would do and cost, worked out without running or writing anything."""

import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bnnpost.comparison.distances import GRID
from bnnpost.comparison.timing import comparison_seconds
from bnnpost.datasets import DataError, DataRecord
from bnnpost.parallel.failures import one_line
from bnnpost.samplers.forecast import Forecast, Option, forecast, is_judged
from bnnpost.samplers.methods import Rejection
from bnnpost.samplers.progress import Progress
from bnnpost.storage import Say
from bnnpost.sweeps import cell_directory
from bnnpost.sweeps.cell_directory import Expectation
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.grid_cells import Cell, Grid
from bnnpost.sweeps.grid_directory import GridDirectory
from bnnpost.sweeps.problem import Problem, check_comparable, load_problem
from bnnpost.sweeps.programs import forget_programs
from bnnpost.sweeps.random_keys import keys
from bnnpost.sweeps.refusals import HopelessRun
from bnnpost.sweeps.results import THEORY

# A run expected to need more proposals than this is refused unless it is forced.
MOST_PROPOSALS = 1e10
_DOUBLE = 8
# Seconds in which a plan of one width is mostly over.
_DELAY = 3.0
# Measured: four figures and the report; labels and attributes of results.nc, and of each width
# in both files.
_FIGURE_BYTES, _RESULTS_BYTES, _WIDTH_BYTES = 550_000, 50_000, 45_000


@dataclass(frozen=True)
class CostPlan:
    """What one configuration would do.

    forecasts: at each width that is still to be run. comparisons: seconds of each comparison with
    the limit, if they were timed. finished: the other widths. record: of the data.
    """

    config: SweepConfig
    num_outputs: int
    forecasts: Mapping[int, Forecast]
    finished: tuple[int, ...] = ()
    record: DataRecord | None = None
    comparisons: Mapping[int, float] = dataclasses.field(default_factory=dict)

    def option(self, width: int) -> Option:
        """How draws would be made at this width, and what that is expected to cost."""
        return expected_option(self.config, self.forecasts[width])

    def proposals(self, width: int) -> float:
        """Expected at this width."""
        return self.option(width).proposals(self.config.num_samples)

    def seconds(self, width: int) -> float:
        """Expected for the draws at this width; NaN where that is not known."""
        found = self.option(width).seconds(self.config.num_samples)
        return math.nan if found is None else found

    @property
    def total_seconds(self) -> float:
        """Of all draws and comparisons, once all is compiled; NaN where that is not known."""
        drawn = sum(map(self.seconds, self.forecasts))
        return drawn + sum(self.comparisons.get(width, math.nan) for width in self.forecasts)

    @property
    def expected(self) -> dict[int, Expectation]:
        """By width what is expected, for the directory of the run to keep."""
        return {
            width: cell_directory.expected_of(self.option(width), one, self.config.num_samples)
            for width, one in self.forecasts.items()
        }

    @property
    def refusal(self) -> str:
        """Why it would be refused; empty if it would not."""
        return refusal(self.config, self.forecasts) if self.forecasts else ""

    @property
    def disk_bytes(self) -> int:
        """The whole directory in the end; see `disk_bytes`."""
        num_test = 0 if self.record is None else len(self.record.test_rows)
        return disk_bytes(self.config, self.num_outputs, num_test)

    def sentences(self) -> list[str]:
        """What is expected, and what is odd about the prior's scale: a line each."""
        needed = [f"{self.proposals(width):.2g} at width {width}" for width in self.forecasts]
        scales = [one.prior_scale for one in self.forecasts.values()]
        # Of the limit: the same at every width.
        odd = [one.sentence() for one in scales if one is not None and one.at_odds][:1]
        return [f"expected proposals: {', '.join(needed)}", *odd]


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
    stderr. Raises HopelessRun if draws could not be compared with a limit.
    """
    check_comparable(problem)
    return _planned(problem, widths, finished, timed, progress, compared)


def _planned(
    problem: Problem,
    widths: Sequence[int],
    finished: Sequence[int],
    timed: bool,
    progress: bool,
    compared: bool = False,
) -> CostPlan:
    config = problem.config
    space = "functions" if config.method.space == "auto" else config.method.space
    found: dict[int, Forecast] = {}
    times: dict[int, float] = {}
    with Progress(
        len(widths), enabled=progress, label="planned", unit="width", delay=_DELAY
    ) as bar:
        for number, width in enumerate(widths):
            bar.show(number, f"width {width}")
            found |= forecasts(problem, [width], (space,) if timed else (), progress)
            if compared:
                times[width] = _comparison(problem, width)
    outputs, done = problem.num_outputs, tuple(finished)
    return CostPlan(config, outputs, found, done, problem.record, times)


def _comparison(problem: Problem, width: int) -> float:
    config = problem.config
    return comparison_seconds(
        keys(config, width).forecast,
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
        return () if self.plan is None else tuple(self.plan.forecasts)

    @property
    def proposals(self) -> float:
        """Of the draws that are still to be made, expected."""
        return math.nan if self.plan is None else sum(map(self.plan.proposals, self.left))

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
        except (DataError, ValueError) as error:
            if not grid.varying:
                raise
            yield CellPlan(cell, None, one_line(error))
        else:
            yield CellPlan(cell, plan, plan.refusal)


def forecasts(
    problem: Problem,
    widths: Collection[int],
    calibrate: Collection[str] = (),
    progress: bool = False,
) -> dict[int, Forecast]:
    """What rejection is expected to cost at each width; time in the spaces of `calibrate`.

    progress: of each pilot, on stderr.
    """
    config, method = problem.config, rejection_of(problem.config)
    return {
        width: forecast(
            keys(config, width).forecast,
            problem.posterior(width),
            collapse=method.collapse is not False,
            precision=method.precision,
            cap=method.cap,
            calibrate=calibrate,
            progress=progress,
        )
        for width in widths
    }


def expected_option(config: SweepConfig, expected: Forecast) -> Option:
    """The option of a forecast that a sweep would use at that width."""
    method = rejection_of(config)
    if method.bound == "strict":
        return expected.strict(method.space, method.collapse is not False)
    return expected.option(method.space, method.bound)


def rejection_of(config: SweepConfig) -> Rejection:
    """The settings of rejection, of a configuration that may be of another method."""
    method = config.method
    return method if isinstance(method, Rejection) else Rejection(precision=method.precision)


def refusal(config: SweepConfig, found: Mapping[int, Forecast]) -> str:
    """Why a sweep with these forecasts would be refused, and what to do; empty if it is not."""
    needed = {
        width: expected_option(config, one).proposals(config.num_samples)
        for width, one in found.items()
    }
    worst, method = max(needed, key=lambda width: needed[width]), rejection_of(config)
    limit = min(MOST_PROPOSALS, method.max_proposals or MOST_PROPOSALS)
    if needed[worst] <= limit:
        return ""
    ways = ["use fewer training points or draws or more noise"]
    if method.max_proposals is not None:
        ways.append("raise max_proposals")
    if method.bound != "capped" and is_judged(found[worst]):
        ways.append("ask for weighted draws with --bound capped")
    return (
        f"width {worst} is expected to need {_spelled(needed[worst])} proposals for "
        f"{config.num_samples} draws, more than {_spelled(limit)}: {', '.join(ways)}, or run it "
        f"all the same with --force.\n{found[worst].advice(config.num_samples)}"
    )


def _spelled(number: float) -> str:
    return f"{number:.2g}" if math.isfinite(number) else "more than 1e300"


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
