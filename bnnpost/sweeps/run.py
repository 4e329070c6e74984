"""The sweep itself: at every width exact draws, and the distance to the limit."""

import math
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from bnnpost.comparison import compare
from bnnpost.draws import Draws
from bnnpost.samplers import rejection
from bnnpost.samplers.advice import Option, is_judged
from bnnpost.samplers.forecast import Forecast, forecast
from bnnpost.storage import DIGEST, dataset_digest, read_dataset
from bnnpost.sweeps import expectations, results
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.directory import DONE, RESULTS, RunDirectory, check_same_width
from bnnpost.sweeps.errors import BudgetExhausted, DamagedFile, HopelessRun
from bnnpost.sweeps.expectations import Expectation
from bnnpost.sweeps.made_with import mixed
from bnnpost.sweeps.problem import Problem, check_comparable

if TYPE_CHECKING:
    import xarray as xr

# A run expected to need more proposals than this is refused unless it is forced.
MOST_PROPOSALS = 1e10

Say = Callable[[str], None]


def run_sweep(
    problem: Problem,
    directory: RunDirectory,
    *,
    force: bool = False,
    progress: bool = False,
    say: Say = lambda message: None,
) -> "xr.DataTree":
    """Run (or go on with) a sweep and return its results, which are also in results.nc.

    Widths that are finished already are read back. `say` is told what happens, a line at a
    time. Raises HopelessRun before anything runs if draws could not be compared with a limit, or
    if the acceptance rate is too low and `force` is not given; BudgetExhausted at the end if
    max_proposals cut a width short.
    """
    check_comparable(problem)
    config = problem.config
    missing = [width for width in config.widths if not directory.width_file(width).exists()]
    if missing:
        expected = check_feasible(problem, missing, force, say, timed=True, progress=progress)
        expectations.record(directory, expected)
    directory.set_status("running")
    with directory.noting_failure():
        found = {
            width: one_width(problem, directory, width, progress, say) for width in config.widths
        }
    if several := mixed(found):
        say(several)
    tree, short = assembled(problem, directory, found)
    if short:
        raise BudgetExhausted(
            f"max_proposals={config.max_proposals} was reached before {config.num_samples} draws "
            f"at width(s) {', '.join(map(str, short))}; what was drawn is in {directory.path}",
            tree,
        )
    return tree


def assembled(
    problem: Problem, directory: RunDirectory, found: Mapping[int, "xr.Dataset"]
) -> tuple["xr.DataTree", list[int]]:
    """The results of all widths as one tree, written to results.nc; and the widths cut short."""
    tree = results.assemble(problem, found)
    directory.write_netcdf(RESULTS, tree)
    short = [width for width, one in found.items() if one.attrs["complete"] == "false"]
    directory.set_status(
        "exhausted" if short else "done", short=short, widths=list(problem.config.widths)
    )
    return tree, short


_RESAMPLE = 0x72657361


def _keys(problem: Problem, width: int) -> tuple[jax.Array, ...]:
    """Keys of the draws, the comparison, the forecast and resampling at one width."""
    key = jax.random.fold_in(jax.random.key(problem.config.seed), width)
    return (*jax.random.split(key, 3), jax.random.fold_in(key, _RESAMPLE))


def forecasts(
    problem: Problem,
    widths: Collection[int],
    calibrate: Collection[str] = (),
    progress: bool = False,
) -> dict[int, Forecast]:
    """What rejection is expected to cost at each width; time in the spaces of `calibrate`.

    progress: of each pilot, on stderr.
    """
    config = problem.config
    return {
        width: forecast(
            _keys(problem, width)[2],
            problem.posterior(width),
            collapse=config.collapse,
            precision=config.precision,
            cap=config.cap,
            calibrate=calibrate,
            progress=progress,
        )
        for width in widths
    }


def expected_option(config: SweepConfig, expected: Forecast) -> Option:
    """The option of a forecast that the sweep would use at that width."""
    strict = "collapsed" if config.collapse else "naive"
    return expected.option(config.space, "capped" if config.bound == "capped" else strict)


def expected_proposals(config: SweepConfig, expected: Forecast) -> float:
    """Expected proposals at one width, for the sweep's space and bound."""
    return expected_option(config, expected).proposals(config.num_samples)


def refusal(config: SweepConfig, found: Mapping[int, Forecast]) -> str:
    """Why a sweep with these forecasts would be refused, and what to do; empty if it is not."""
    needed = {width: expected_proposals(config, one) for width, one in found.items()}
    worst = max(needed, key=lambda width: needed[width])
    limit = min(MOST_PROPOSALS, config.max_proposals or MOST_PROPOSALS)
    if needed[worst] <= limit:
        return ""
    ways = ["use fewer training points or draws or more noise"]
    if config.max_proposals is not None:
        ways.append("raise max_proposals")
    if config.bound == "strict" and is_judged(found[worst]):
        ways.append("ask for weighted draws with --bound capped")
    return (
        f"width {worst} is expected to need {_spelled(needed[worst])} proposals for "
        f"{config.num_samples} draws, more than {_spelled(limit)}: {', '.join(ways)}, or run it "
        f"all the same with --force.\n{found[worst].advice(config.num_samples)}"
    )


def draws_key(problem: Problem, width: int) -> jax.Array:
    """The key of the draws at one width."""
    return _keys(problem, width)[0]


def check_feasible(
    problem: Problem,
    widths: list[int],
    force: bool,
    say: Say,
    *,
    timed: bool = False,
    progress: bool = False,
) -> dict[int, Expectation]:
    """Say what the draws will take, and raise HopelessRun if that is too much.

    By width what is expected, for the run's directory to keep; timed: its time as well, which
    takes half a second and the compilation that a run here needs in any case.
    """
    config = problem.config
    space = "functions" if config.space == "auto" else config.space
    found = forecasts(problem, widths, (space,) if timed else (), progress)
    needed = {width: expected_proposals(config, one) for width, one in found.items()}
    say(f"expected proposals: {', '.join(f'{n:.2g} at width {w}' for w, n in needed.items())}")
    for one in found.values():
        if one.prior_scale is not None and one.prior_scale.at_odds:
            say(one.prior_scale.sentence())
            break  # of the limit: the same at every width
    if not force and (reason := refusal(config, found)):
        raise HopelessRun(reason)
    return {
        width: expectations.of(expected_option(config, one), one, config.num_samples)
        for width, one in found.items()
    }


def _spelled(number: float) -> str:
    return f"{number:.2g}" if math.isfinite(number) else "more than 1e300"


def one_width(
    problem: Problem,
    directory: RunDirectory,
    width: int,
    progress: bool,
    say: Say,
    attempts: int = 1,
) -> "xr.Dataset":
    """Draws and distances at one width, from its file if there is one; else written to it.

    attempts: how often this width was begun, for its record. Raises as `read_width` does.
    """
    path = directory.width_file(width)
    if path.exists():
        say(f"width {width}: read from {path.name}")
        return read_width(path, problem.config.as_dict())
    draws_key, compare_key, _, resample_key = _keys(problem, width)
    start = time.perf_counter()
    draws = _draw(draws_key, problem, width, progress)
    drawn = time.perf_counter()
    distances = compare(
        compare_key,
        problem.posterior(width),
        problem.x_test,
        num_proposals=problem.config.num_proposals,
        precision=problem.config.precision,
    )
    found = results.width_results(draws, distances, problem, resample_key)
    found.attrs[DIGEST] = dataset_digest(found)
    seconds = time.perf_counter() - start
    # Before the file, which says that the width is done.
    directory.write_record(
        width, state=DONE, seconds=seconds, complete=draws.info.complete, attempts=attempts
    )
    directory.write_netcdf(path.name, found)
    message = (
        f"width {width}: {len(draws)} draws of {draws.info.num_proposals:,} proposals in "
        f"{drawn - start:.1f} s, compared in {seconds - drawn + start:.1f} s"
    )
    directory.log(message)
    say(message)
    return found


def _draw(key: jax.Array, problem: Problem, width: int, progress: bool) -> Draws:
    config = problem.config
    return rejection.sample(
        key,
        problem.posterior(width),
        num_samples=config.num_samples,
        space=config.space,
        collapse=config.collapse,
        bound=config.bound,
        cap=config.cap,
        max_proposals=config.max_proposals,
        precision=config.precision,
        progress=progress,
    )


def read_width(path: Path, config: Mapping[str, Any] | None = None) -> "xr.Dataset":
    """The results of one width.

    Raises DamagedFile if it does not hold what was written, ConfigError if it was made with
    another configuration than `config`, widths apart. What keeps it from being read at all is
    passed on: an OSError with a number (no permission, too many open files), MemoryError,
    ImportError.
    """
    try:
        found = read_dataset(path)
    except ValueError as error:
        raise DamagedFile(
            f"{path} is damaged ({error}): remove it, and the width is run again"
        ) from error
    if config is not None and "config" in found.attrs:
        check_same_width(path, found.attrs["config"], config)
    return found
