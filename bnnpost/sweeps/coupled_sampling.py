"""One posterior of a configuration, sampled by pairs of coupled chains into a directory."""

import functools
import time
import warnings
from pathlib import Path

from bnnpost.draws import Draws
from bnnpost.runs import Run
from bnnpost.samplers.coupled.bounds import TOLERANCE, checked_goal
from bnnpost.samplers.coupled.pair_draws import NotMetWarning, Pairing
from bnnpost.samplers.coupled.pair_run import StoredPairs
from bnnpost.storage import OtherRun, Say
from bnnpost.sweeps.cell_directory import CONFIG
from bnnpost.sweeps.chain_config import ChainConfig
from bnnpost.sweeps.config import ConfigError
from bnnpost.sweeps.contents import located
from bnnpost.sweeps.problem import Problem
from bnnpost.sweeps.random_keys import keys
from bnnpost.sweeps.sampling import CHAIN, check_config, finished, only_width


def sample_pairs(
    problem: Problem,
    chain: ChainConfig,
    path: str | Path,
    *,
    progress: bool = False,
    say: Say = lambda message: None,
) -> Draws:
    """Draws by pairs of chains at the configuration's one width, kept in a directory.

    Pairs that are there already are not run again. say: is told what was damaged or is missing;
    that pairs did not meet is in `info.coupled` of the draws. Raises NotMet where those of the
    pilot do not; ConfigError or OtherRun if the directory holds another run, DirectoryInUse if
    another process works there.
    """
    config, started = problem.config, time.perf_counter()
    width, directory = only_width(config), Run(path, Pairing)
    directory.notes = problem.data_attribute()
    tolerance = TOLERANCE if chain.tolerance is None else chain.tolerance
    options = {**chain.options(), "precision": config.precision}
    check_config(directory, config)
    with warnings.catch_warnings(), directory.claimed():
        warnings.simplefilter("ignore", NotMetWarning)
        try:
            checked_goal(config.num_samples, tolerance)
            key, posterior = keys(config, width).draws, problem.posterior(width)
            make = functools.partial(Pairing.make, key, posterior, config.num_samples, options)
            directory.begin(make, say)
        except OtherRun:
            raise
        except ValueError as error:
            raise ConfigError(str(error)) from None
        written = {**located(config).as_dict(), CHAIN: chain.as_dict()}
        directory.write_noted(CONFIG, written)
        draws = StoredPairs(directory, started).finish(config.num_samples, tolerance, progress)
        with directory.noting_failure():
            return finished(directory, problem, draws)
