"""One posterior of a configuration, sampled by chains into a directory."""

import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bnnpost.draws import Draws
from bnnpost.parallel.coordinator import Say
from bnnpost.samplers import elliptical_slice, hmc, pcn
from bnnpost.samplers.chain_directory import ChainDirectory
from bnnpost.samplers.chain_draws import ConvergenceWarning
from bnnpost.samplers.recorded_run import OtherRun
from bnnpost.sweeps.chain_config import ChainConfig
from bnnpost.sweeps.config import ConfigError
from bnnpost.sweeps.contents import located
from bnnpost.sweeps.directory import CONFIG
from bnnpost.sweeps.problem import Problem
from bnnpost.sweeps.random_keys import keys
from bnnpost.sweeps.sampling import CHAIN, check_config, finished, only_width

_SAMPLERS: dict[str, Callable[..., Draws]] = {
    "hmc": functools.partial(hmc.sample, method="hmc"),
    "nuts": functools.partial(hmc.sample, method="nuts"),
    "pcn": pcn.sample,
    "slice": elliptical_slice.sample,
}


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
    config = problem.config
    width, directory = only_width(config), ChainDirectory(path)
    check_config(directory, config)
    directory.beside = {CONFIG: {**located(config).as_dict(), CHAIN: chain.as_dict()}}
    directory.after = lambda draws: finished(directory, problem, draws)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.showwarning = _said(say)
            return _SAMPLERS[chain.method](
                keys(config, width).draws,
                problem.posterior(width),
                num_samples=config.num_samples,
                precision=config.precision,
                directory=directory,
                progress=progress,
                **chain.arguments(),
            )
    except ValueError as error:
        if directory.begun or isinstance(error, OtherRun):
            raise
        raise ConfigError(str(error)) from None  # found before anything was run


def _said(say: Say) -> Callable[..., None]:
    def show(message: Warning | str, *where: Any) -> None:
        del where
        say(str(message))

    return show
