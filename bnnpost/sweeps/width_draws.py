"""The draws of a sweep at one width and their comparison with the limit, by its method."""

import warnings
from typing import TYPE_CHECKING

from bnnpost.comparison import compare
from bnnpost.comparison.by_draws import compare_draws
from bnnpost.draws import Draws
from bnnpost.samplers import rejection
from bnnpost.samplers.coupled import coupled
from bnnpost.samplers.coupled.pair_draws import NotMetWarning
from bnnpost.spaces.making import make_space
from bnnpost.sweeps.keys import COUPLED
from bnnpost.sweeps.problem import Problem
from bnnpost.sweeps.random_keys import keys
from bnnpost.sweeps.refusals import ConfigError

if TYPE_CHECKING:
    import xarray as xr


def draws_of_width(problem: Problem, width: int, progress: bool) -> Draws:
    """By rejection or by coupled chains. Raises NotMet where those of a pilot do not meet."""
    config, key = problem.config, keys(problem.config, width).draws
    if config.method == COUPLED:
        _require_collapse(problem, width)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotMetWarning)  # which `info.complete` says
            return coupled.sample(
                key,
                problem.posterior(width),
                num_samples=config.num_samples,
                tolerance=config.tolerance,
                lag=config.lag,
                kernel=config.kernel,
                max_steps=config.max_steps,
                space="functions" if config.space == "auto" else config.space,
                precision=config.precision,
                progress=progress,
            )
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


def _require_collapse(problem: Problem, width: int) -> None:
    """Raise ConfigError, before anything is drawn, where draws could not be compared."""
    config = problem.config
    form = "functions" if config.space == "auto" else config.space
    made = make_space(problem.posterior(width), space=form, strict=False, alone=True)
    if not made.collapse:
        raise ConfigError(
            "a sweep by coupled chains is compared by the Gaussian of f* given the hidden layers: "
            "expected a network that ends in a Dense layer with a normal prior"
        )


def distances_of_width(
    problem: Problem, width: int, draws: Draws, progress: bool = False
) -> "xr.Dataset":
    """From the limit: over proposals of their own, or of coupled chains by the draws."""
    config, key = problem.config, keys(problem.config, width).compare
    if config.method == COUPLED:
        return compare_draws(key, draws, problem.x_test)
    return compare(
        key,
        problem.posterior(width),
        problem.x_test,
        num_proposals=config.num_proposals,
        precision=config.precision,
        progress=progress,
    )
