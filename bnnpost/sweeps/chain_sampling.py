"""One posterior of a configuration, sampled by chains into a directory."""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bnnpost.draws import Draws
from bnnpost.runs import Run
from bnnpost.samplers.chains.chain_draws import ConvergenceWarning
from bnnpost.samplers.chains.chain_run import StoredChains
from bnnpost.samplers.chains.run import Chains
from bnnpost.storage import Say
from bnnpost.sweeps.cell_directory import CONFIG
from bnnpost.sweeps.chain_config import ChainConfig
from bnnpost.sweeps.config import ConfigError
from bnnpost.sweeps.contents import located
from bnnpost.sweeps.problem import Problem
from bnnpost.sweeps.random_keys import keys
from bnnpost.sweeps.sampling import CHAIN, check_config, finished, only_width


def sample_chains(
    problem: Problem,
    chain: ChainConfig,
    path: str | Path,
    *,
    progress: bool = False,
    say: Say = lambda message: None,
) -> Draws:
    """Chains on the posterior at the configuration's one width, kept in a directory.

    Chains that are there already are gone on with. say: is told what the library warns of but
    that chains did not converge, which is in `info.chains` of the draws. Raises ConfigError or
    OtherRun if the directory holds another run, DirectoryInUse if another process works there.
    """
    config, started = problem.config, time.perf_counter()
    width = only_width(config)
    directory = Run(path, Chains)
    directory.notes = problem.data_attribute()
    check_config(directory, config)
    with warnings.catch_warnings(), directory.claimed():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.showwarning = _said(say)
        try:
            chains = Chains.make(
                keys(config, width).draws,
                problem.posterior(width),
                chain.made_kernel(),
                num_samples=config.num_samples,
                precision=config.precision,
                **chain.options(),
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
        directory.begin(lambda record: chains, say)
        written = {**located(config).as_dict(), CHAIN: chain.as_dict()}
        directory.write_noted(CONFIG, written)
        draws = StoredChains(directory, started).finish(progress)
        with directory.noting_failure():
            return finished(directory, problem, draws)


def _said(say: Say) -> Callable[..., None]:
    def show(message: Warning | str, *where: Any) -> None:
        del where
        say(str(message))

    return show
