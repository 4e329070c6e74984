"""One posterior of a configuration, sampled into a directory by one process or several."""

import contextlib
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from bnnpost.draws import Draws
from bnnpost.numerics.weights import normalised
from bnnpost.parallel.coordinator import RETRIES
from bnnpost.runs.store import Run
from bnnpost.samplers.chains.chain_draws import ConvergenceWarning
from bnnpost.samplers.coupled.pair_draws import NotMetWarning
from bnnpost.samplers.methods import Rejection, settings_of_all
from bnnpost.samplers.plan import Plan
from bnnpost.samplers.rejection_run import StoredBlocks
from bnnpost.settings import meanings
from bnnpost.storage import (
    DIGEST,
    FORMAT,
    PREDICTIONS,
    PREDICTIONS_FORMAT,
    RUN_ID,
    OtherRun,
    Say,
    as_path,
    check_format,
    dataset_digest,
    read_dataset,
    read_record,
    write_netcdf,
)
from bnnpost.sweeps import cell_directory
from bnnpost.sweeps.cell_directory import CONFIG
from bnnpost.sweeps.code import not_imported
from bnnpost.sweeps.config import ConfigError, SweepConfig, load_config
from bnnpost.sweeps.identity import check_same_config, located
from bnnpost.sweeps.planning import check_feasible
from bnnpost.sweeps.problem import Problem, load_problem
from bnnpost.sweeps.results import point_scores

if TYPE_CHECKING:
    import xarray as xr

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
    them. executor: see `run_grid`; of proposals. say: is told what the library warns of, but that
    chains did not converge or meet, which is in `info` of the draws. Raises HopelessRun if the
    acceptance rate is too low and `force` is not given, NotMet where pairs of a pilot do not meet,
    ConfigError or OtherRun if the directory holds another run, DirectoryInUse if another process
    works there.
    """
    config, started = problem.config, time.perf_counter()
    method, width = config.method, only_width(config)
    key, posterior = problem.keys(width).draws, problem.posterior(width)
    run, expected = method.run(path), {}
    run.notes = problem.data_attribute()
    check_config(run, config)
    with run.claimed(), _warnings_said(say):
        check_config(run, config)
        if method.by_proposals and not run.has_begun():
            expected = check_feasible(problem, width, force, say, progress=progress)
        try:
            stored = method.begin(run, key, posterior, config.num_samples, say)
        except OtherRun:
            raise
        except ValueError as error:
            raise ConfigError(str(error)) from None
        run.write_bound(CONFIG, located(config).as_dict())
        cell_directory.write_expected(run, expected)
        if method.by_proposals:
            run.set_status("running")
        with run.noting_failure():
            draws = method.finish(
                stored,
                config.num_samples,
                started=started,
                progress=progress,
                executor=executor,
                retries=retries,
            )
            return finished(run, problem, draws)


@contextlib.contextmanager
def _warnings_said(say: Say) -> Iterator[None]:
    """Let `say` say what the library warns of, but for what the record of draws has as well."""

    def show(message: Warning | str, *where: Any, **more: Any) -> None:
        say(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", NotMetWarning)
        warnings.showwarning = show
        yield


def merge(
    path: str | Path,
    sources: Sequence[str | Path] = (),
    *,
    num_samples: int | None = None,
    compute: bool = True,
    progress: bool = False,
    say: Say = lambda message: None,
    trust_code: bool = False,
) -> Draws:
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
    if not isinstance(config.method, Rejection):
        raise ConfigError(
            f"{path} holds chains, of which there is nothing to merge: the same bnnpost sample "
            "command goes on with them"
        )
    problem, goal = load_problem(config), config.method.goal(config.num_samples)
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
        return finished(directory, problem, draws)


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
        values = read_record(held)
    except ValueError as error:
        raise ConfigError(f"{error}; the same bnnpost sample command writes it again") from None
    with contextlib.nullcontext() if trust_code else not_imported(held):
        return load_config(None, values)


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
        # Chains hold their settings against those of their run themselves.
        of_runs = set(settings_of_all()) - set(meanings(Rejection))
        check_same_config(held, config, but_for=(*_GOALS, "method", *of_runs))


def finished(directory: Run[Any], problem: Problem, draws: Draws) -> Draws:
    """Write predictions, and a line in the log."""
    values = predictions(draws, problem).assign_attrs({RUN_ID: directory.run})
    values.attrs[DIGEST] = dataset_digest(values)
    write_netcdf(directory.path / PREDICTIONS, values)
    info = draws.info
    directory.log(f"{info.num_samples} draws of {info.num_proposals} proposals")
    return draws


def predictions(draws: Draws, problem: Problem) -> "xr.Dataset":
    """Function values at the test inputs, [sample, point, output], with each draw's weight."""
    import xarray as xr

    scores = {name: (("point",), one) for name, one in point_scores(draws, problem).items()}
    f = draws.predict(problem.x_test)
    variables: dict[str, Any] = {
        **scores,
        "f": (("sample", "point", "output"), f),
        "log_weight": (("sample",), draws.log_weights),
        "proposal_number": (("sample",), draws.proposal_numbers),
        "x_test": (("point", "feature"), problem.x_test),
        "y_test": (("point", "output"), problem.targets(problem.y_test)),
        **_probabilities(draws, f, problem),
    }
    attributes = {FORMAT: PREDICTIONS_FORMAT, **draws.info.as_attributes(), **problem.attributes()}
    return xr.Dataset(variables, attrs=attributes)


def _probabilities(draws: Draws, f: np.ndarray, problem: Problem) -> dict[str, Any]:
    """Of each class at each test point, where targets are classes: means over the posterior."""
    if not (len(draws) and problem.likelihood.defines("probabilities")):
        return {}
    chances = np.asarray(problem.likelihood.probabilities(jnp.asarray(f)))
    mean = np.tensordot(normalised(draws.log_weights), chances, axes=1)
    return {"probability": (("point", "output"), mean)}


def read_predictions(path: Path) -> "xr.Dataset":
    """What was written of `predictions`. Raises FileNotFoundError, ValueError for anything else."""
    found = read_dataset(path)
    again = "the same bnnpost sample command writes the predictions of a run"
    check_format(path, found.attrs, PREDICTIONS_FORMAT, again)
    return found
