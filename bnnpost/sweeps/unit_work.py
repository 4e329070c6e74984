"""What workers do for a sweep: pure functions of data that are sent, on any machine."""

import json
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bnnpost.comparison.by_draws import compare_draws
from bnnpost.comparison.compare import compare
from bnnpost.draws import Draws, draws_files
from bnnpost.parallel.failures import ExecutorError, one_line
from bnnpost.plots import write_figures
from bnnpost.samplers.cost import Expectation, HopelessRun
from bnnpost.samplers.coupled.pair_draws import NotMetWarning
from bnnpost.samplers.methods import COUPLED
from bnnpost.stopping import is_interruption
from bnnpost.storage import DRAWS, FILE, RUN_ID
from bnnpost.sweeps import results
from bnnpost.sweeps.cell_directory import draws_name
from bnnpost.sweeps.identity import code_digest
from bnnpost.sweeps.planning import make_plan, require_collapse
from bnnpost.sweeps.problem import Problem, check_comparable
from bnnpost.sweeps.programs import forget_programs

if TYPE_CHECKING:
    import xarray as xr


def draws_of_width(problem: Problem, width: int, progress: bool) -> Draws:
    """By the configuration's method. Raises NotMet where pairs of a pilot do not meet."""
    config, posterior = problem.config, problem.posterior(width)
    require_collapse(config.method, posterior)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotMetWarning)  # which `info.complete` says
        key = problem.keys(width).draws
        return config.method.sample(key, posterior, config.num_samples, progress=progress)


def distances_of_width(
    problem: Problem, width: int, draws: Draws, progress: bool = False
) -> "xr.Dataset":
    """From the limit: over proposals of their own, or of coupled chains by the draws."""
    config, key = problem.config, problem.keys(width).compare
    if not config.method.by_proposals:
        return compare_draws(key, draws, problem.x_test)
    return compare(
        key,
        problem.posterior(width),
        problem.x_test,
        num_proposals=config.num_proposals,
        precision=config.method.precision,
        progress=progress,
    )


# What a sweep keeps of the draws of a width, at most.
_MOST_BYTES = 2**28


@dataclass(frozen=True)
class Sent:
    """A cell as it is sent: its data, the hash of its network's code, or "", and its own id."""

    problem: Problem
    code: str
    run: str

    def opened(self) -> Problem:
        """The problem. Raises ExecutorError where this machine has other code for the network."""
        forget_programs()
        config = self.problem.config
        if self.code and code_digest(config) != self.code:
            raise ExecutorError(
                f"the code of {config.network} is another on the worker than here: install there "
                "what is here"
            )
        return self.problem


@dataclass(frozen=True)
class Feasible:
    """What was found of a cell before it runs: by width what is expected, and what to say of it."""

    expected: Mapping[int, Expectation]
    sentences: Sequence[str]


@dataclass(frozen=True)
class Width:
    """A cell at one width. seconds: of the draws, and of all. draws: their file; empty if huge."""

    results: "xr.Dataset"
    complete: bool
    drawn: float
    seconds: float
    draws: bytes = b""

    @property
    def sentence(self) -> str:
        found = self.results.attrs
        source = f"of {int(found['num_proposals']):,} proposals"
        if found.get("kind") == COUPLED:
            pairs = json.loads(found["coupled"])
            source = (
                f"of pairs of chains after {pairs['step']:,} steps, at most "
                f"{pairs['tv_upper']:.2g} from the posterior,"
            )
        return (
            f"{found['num_samples']} draws {source} in {self.drawn:.1f} s, compared in "
            f"{self.seconds - self.drawn:.1f} s"
        )


@dataclass(frozen=True)
class Whole:
    """A cell's results. figures: files by name. missing: why there are none, in a line."""

    tree: "xr.DataTree"
    short: tuple[int, ...]
    figures: Mapping[str, bytes]
    missing: str


def feasible(
    sent: Sent, widths: Sequence[int], timed: bool, force: bool, progress: bool
) -> Feasible:
    """Whether a cell may be run at these widths. Raises HopelessRun where it is not `force`."""
    problem = sent.opened()
    if not problem.config.method.by_proposals:
        # Whether pairs meet is found by the run's own pilots, width by width.
        check_comparable(problem)
        return Feasible({}, ())
    plan = make_plan(problem, widths, timed=timed, progress=progress)
    if plan.refusal and not force:
        raise HopelessRun(plan.refusal)
    return Feasible(plan.expected, plan.sentences())


def one_width(sent: Sent, width: int, progress: bool) -> Width:
    """Draws and distances at one width."""
    problem, start = sent.opened(), time.perf_counter()
    draws = draws_of_width(problem, width, progress)
    drawn = time.perf_counter()
    distances = distances_of_width(problem, width, draws, progress)
    resample = problem.keys(width).resample
    found = results.width_results(draws, distances, problem, resample)
    seconds = time.perf_counter() - start
    complete = draws.info.complete
    own = {**problem.data_attribute(), FILE: draws_name(width), RUN_ID: sent.run}
    return Width(found.load(), complete, drawn - start, seconds, _held(draws, own))


def _held(draws: Draws, attributes: Mapping[str, str]) -> bytes:
    """The file of draws; none where chains have more to say of them than is worth keeping."""
    if sum(one.nbytes for one in draws.given.values()) > _MOST_BYTES:
        return b""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / DRAWS
        draws_files.write(path, draws.contents(), attributes)
        return path.read_bytes()


def put_together(sent: Sent, found: Mapping[int, "xr.Dataset"]) -> Whole:
    """The results of all widths as one tree, and the figures of them."""
    tree = results.assemble(sent.opened(), found)
    short = tuple(width for width, one in found.items() if one.attrs["complete"] == "false")
    figures, missing = _figures(tree)
    return Whole(tree, short, figures, missing)


def _figures(tree: "xr.DataTree") -> tuple[dict[str, bytes], str]:
    """The figures as files, or why there are none: whatever goes wrong, the results are there."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_figures(tree, Path(folder))
            return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}, ""
    except Exception as error:
        if is_interruption(error):
            raise
        return {}, f"no figures were made: {type(error).__name__}: {one_line(error)}"
