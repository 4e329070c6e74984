"""One posterior of a configuration, sampled into a directory by one process or several."""

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnpost.draws import Draws
from bnnpost.parallel.coordinator import RETRIES
from bnnpost.runs import Run
from bnnpost.samplers.plan import Goal, Plan
from bnnpost.samplers.rejection_run import StoredBlocks
from bnnpost.storage import (
    DIGEST,
    PREDICTIONS,
    RUN_ID,
    Say,
    as_path,
    dataset_digest,
    read_dataset,
    read_noted,
    write_netcdf,
)
from bnnpost.sweeps import expectations
from bnnpost.sweeps.cell_directory import CONFIG
from bnnpost.sweeps.code import not_imported
from bnnpost.sweeps.config import ConfigError, SweepConfig, load_config
from bnnpost.sweeps.contents import located
from bnnpost.sweeps.data_paths import as_recorded
from bnnpost.sweeps.kept_settings import check_same_config
from bnnpost.sweeps.planning import check_feasible
from bnnpost.sweeps.problem import Problem, load_problem
from bnnpost.sweeps.random_keys import keys
from bnnpost.sweeps.results import point_scores

if TYPE_CHECKING:
    import xarray as xr

_FORMAT = "bnnpost predictions 1"
_PREDICTED = ("f", "log_weight", "proposal_number", "x_test", "y_test")
# The key of a configuration file under which chains have their own.
CHAIN = "chain"
# What may change when a run is gone on with: how far it goes, and what plays no part in it.
_GOALS = ("num_samples", "max_proposals", "num_proposals")


def sample(
    problem: Problem,
    path: str | Path,
    *,
    executor: Executor | None = None,
    retries: int = RETRIES,
    force: bool = False,
    progress: bool = False,
    say: Say = lambda message: None,
) -> Draws:
    """Draws from the posterior at the configuration's one width, kept in a directory.

    A run that is there already is gone on with; its draws are those of one call, whoever makes
    them. executor: see `run_grid`. Raises HopelessRun if the acceptance rate is too low and
    `force` is not given, ConfigError or OtherRun if the directory holds another run,
    DirectoryInUse if another process works there.
    """
    config, started = problem.config, time.perf_counter()
    width, goal = only_width(config), _goal(config)
    directory, expected = Run(path, Plan), {}
    directory.notes = problem.data_attribute()
    check_config(directory, config)
    with directory.claimed():
        check_config(directory, config)
        if not directory.has_begun():
            expected = check_feasible(problem, width, force, say, progress=progress)
        directory.begin(_plan(problem, width).begun, say)
        blocks = StoredBlocks(directory)
        blocks.check_origin()
        directory.write_noted(CONFIG, located(config).as_dict())
        expectations.write_expected(directory, expected)
        directory.set_status("running")
        with directory.noting_failure():
            if executor is not None:
                blocks.compute(goal, executor, retries=retries, progress=progress)
            draws = blocks.finish(goal, started=started, progress=progress)
            return finished(directory, problem, draws)


def merge(
    path: str | Path,
    sources: Sequence[str | Path] = (),
    *,
    num_samples: int | None = None,
    compute: bool = True,
    progress: bool = False,
    say: Say = lambda message: None,
    trust_code: bool = False,
) -> tuple[Draws, Problem]:
    """The draws of a run whose blocks are there, or in other directories of the same run.

    num_samples: by default as many as the run was asked for. compute: what blocks are missing
    are computed; otherwise draws come from those before the first gap. trust_code: code that the
    run names may be run. Raises FileNotFoundError where there is no run, OtherRun where one is
    another, DirectoryInUse if processes work there, ConfigError for code that is not trusted.
    """
    started = time.perf_counter()
    config = read_config(path, trust_code)
    if num_samples is not None:
        config = load_config(None, {**config.as_dict(), "num_samples": num_samples})
    problem, goal = load_problem(config), _goal(config)
    with Run(path, Plan).claimed() as directory:
        directory.notes = problem.data_attribute()
        directory.resume(Plan.from_contents, problem.posterior(only_width(config)), say)
        blocks = StoredBlocks(directory)
        blocks.check_origin()
        for source in sources:
            say(f"{source}: {blocks.take_from(as_path(source))} block files taken")
        if compute:
            draws = blocks.finish(goal, started=started, progress=progress)
        else:
            draws = blocks.plan.gather(blocks.stored(goal), goal, started=started)
            blocks.keep(draws)
        return finished(directory, problem, draws), problem


def only_width(config: SweepConfig) -> int:
    """The width of a configuration that must have one. Raises ConfigError."""
    if len(config.widths) != 1:
        raise ConfigError(f"expected one width, got {len(config.widths)}: choose one with --width")
    return config.widths[0]


def read_config(path: str | Path, trust_code: bool = False) -> SweepConfig:
    """The configuration in a run's directory. Raises FileNotFoundError, ConfigError.

    trust_code: code that it names may be run.
    """
    held = as_path(path) / CONFIG
    if not held.exists():
        raise FileNotFoundError(
            f"{path} holds no run of bnnpost sample: there is no {CONFIG} (a run of the library is "
            "gone on with by rejection.sample(…, directory=…))"
        )
    try:
        values = read_noted(held)
    except ValueError as error:
        raise ConfigError(f"{error}; the same bnnpost sample command writes it again") from None
    if CHAIN in values:
        raise ConfigError(
            f"{path} holds chains, of which there is nothing to merge: the same bnnpost sample "
            "command goes on with them"
        )
    with contextlib.nullcontext() if trust_code else not_imported(held):
        return load_config(None, as_recorded(values))


def _plan(problem: Problem, width: int) -> Plan:
    config = problem.config
    return Plan.make(
        keys(config, width).draws,
        problem.posterior(width),
        space=config.space,
        collapse=config.collapse,
        bound=config.bound,
        cap=config.cap,
        precision=config.precision,
    )


def _goal(config: SweepConfig) -> Goal:
    return Goal(config.num_samples, config.max_proposals)


def check_config(directory: Run[Any], config: SweepConfig) -> None:
    """Raise ConfigError or OtherRun if a directory holds a run of another configuration."""
    held = directory.path / CONFIG
    if held.exists() and not directory.has_begun():  # which is written down before it
        raise ConfigError(
            f"{directory.path} was made for a sweep, and holds no draws of one posterior: "
            "choose another --out"
        )
    directory.check_vacant()
    if held.exists():
        check_same_config(held, config, but_for=(*_GOALS, CHAIN))


def finished(directory: Run[Any], problem: Problem, draws: Draws) -> Draws:
    """Write predictions, and a line in the log."""
    found = predictions(draws, problem).assign_attrs({"format": _FORMAT, RUN_ID: directory.run})
    found.attrs[DIGEST] = dataset_digest(found)
    write_netcdf(directory.path / PREDICTIONS, found)
    info = draws.info
    directory.log(f"{info.num_samples} draws of {info.num_proposals} proposals")
    return draws


def predictions(draws: Draws, problem: Problem) -> "xr.Dataset":
    """Function values at the test inputs, [sample, point, output], with each draw's weight."""
    import xarray as xr

    scores = {name: (("point",), one) for name, one in point_scores(draws, problem).items()}
    variables = {
        **scores,
        "f": (("sample", "point", "output"), draws.predict(problem.x_test)),
        "log_weight": (("sample",), draws.log_weights),
        "proposal_number": (("sample",), draws.proposal_numbers),
        "x_test": (("point", "feature"), problem.x_test),
        "y_test": (("point", "output"), problem.targets(problem.y_test)),
    }
    return xr.Dataset(variables, attrs=draws.info.as_attributes() | problem.attributes())


def read_predictions(path: Path) -> "xr.Dataset":
    """What was written of `predictions`. Raises FileNotFoundError, ValueError for anything else."""
    found = read_dataset(path)
    missing = [name for name in _PREDICTED if name not in found]
    if missing:
        raise ValueError(f"{path} holds no predictions: there is no {', '.join(missing)} in it")
    return found
