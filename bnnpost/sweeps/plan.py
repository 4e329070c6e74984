"""What a sweep would do and cost, worked out without running or writing anything."""

from dataclasses import dataclass

from bnnpost.comparison.distances import GRID
from bnnpost.samplers.advice import Option
from bnnpost.samplers.forecast import Forecast
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.directory import RunDirectory
from bnnpost.sweeps.problem import Problem, check_comparable
from bnnpost.sweeps.results import THEORY
from bnnpost.sweeps.run import expected_option, forecasts, refusal

_DOUBLE = 8
# Measured: four figures and the report; labels and attributes of results.nc, and of each width
# in both files.
_FIGURE_BYTES, _RESULTS_BYTES, _WIDTH_BYTES = 550_000, 50_000, 45_000


@dataclass(frozen=True)
class Plan:
    """What a sweep would do.

    forecasts: at each width that is still to be run. finished: the widths whose results are
    in the run's directory already. disk_bytes: the whole directory in the end. refusal: why
    the sweep would be refused, else empty.
    """

    config: SweepConfig
    num_outputs: int
    forecasts: dict[int, Forecast]
    finished: tuple[int, ...]
    disk_bytes: int
    refusal: str

    def option(self, width: int) -> Option:
        """How the sweep would draw at this width, and what that is expected to cost."""
        return expected_option(self.config, self.forecasts[width])


def make_plan(
    problem: Problem, directory: RunDirectory | None = None, progress: bool = False
) -> Plan:
    """The plan of a sweep, or of what is left of it in `directory`; writes nothing.

    progress: of its pilots, on stderr.

    A pilot and a short calibration are run at each width. Raises HopelessRun if draws could not
    be compared with a limit.
    """
    check_comparable(problem)
    config = problem.config
    finished = tuple(
        width
        for width in config.widths
        if directory is not None and directory.width_file(width).exists()
    )
    left = [width for width in config.widths if width not in finished]
    space = "functions" if config.space == "auto" else config.space
    found = forecasts(problem, left, (space,), progress)
    num_outputs = 1 if problem.y.ndim == 1 else problem.y.shape[1]
    return Plan(
        config=config,
        num_outputs=num_outputs,
        forecasts=found,
        finished=finished,
        disk_bytes=disk_bytes(config, num_outputs),
        refusal=refusal(config, found) if found else "",
    )


def disk_bytes(config: SweepConfig, num_outputs: int) -> int:
    """About how large the run's directory becomes.

    At each width f [sample, point, output] and proposal numbers, a density on a grid and each
    distance at every test input, once in the width's own file and once in results.nc, which
    adds the limit's density and its grid; and the figures.
    """
    values = config.num_test * num_outputs
    draws = config.num_samples * (values + 1)
    width = _DOUBLE * (draws + values * (len(GRID) + 2 * len(THEORY))) + _WIDTH_BYTES
    limit = 2 * _DOUBLE * values * len(GRID)
    return 2 * width * len(config.widths) + limit + _RESULTS_BYTES + _FIGURE_BYTES
