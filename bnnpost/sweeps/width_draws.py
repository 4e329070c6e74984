"""The draws of a sweep at one width and their comparison with the limit, by its method."""

import warnings
from typing import TYPE_CHECKING

from bnnpost.comparison.by_draws import compare_draws
from bnnpost.comparison.compare import compare
from bnnpost.draws import Draws
from bnnpost.posterior import Posterior
from bnnpost.samplers.coupled.pair_draws import NotMetWarning
from bnnpost.samplers.methods import Method
from bnnpost.spaces.making import make_space
from bnnpost.sweeps.problem import Problem
from bnnpost.sweeps.random_keys import keys
from bnnpost.sweeps.refusals import ConfigError

if TYPE_CHECKING:
    import xarray as xr


def draws_of_width(problem: Problem, width: int, progress: bool) -> Draws:
    """By the configuration's method. Raises NotMet where pairs of a pilot do not meet."""
    config, posterior = problem.config, problem.posterior(width)
    _require_collapse(config.method, posterior)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotMetWarning)  # which `info.complete` says
        key = keys(config, width).draws
        return config.method.sample(key, posterior, config.num_samples, progress=progress)


def _require_collapse(method: Method, posterior: Posterior) -> None:
    """Raise ConfigError, before anything is drawn, where draws could not be compared."""
    if method.by_proposals:
        return
    options = {"space": "functions", "collapse": True, **method.options()}
    made = make_space(
        posterior, space=options["space"], collapse=options["collapse"], strict=False, alone=True
    )
    if not made.collapse:
        raise ConfigError(
            f"a sweep by {method.name} chains is compared by the Gaussian of f* given the hidden "
            "layers: expected a network that ends in a Dense layer with a normal prior, and "
            "collapse"
        )


def distances_of_width(
    problem: Problem, width: int, draws: Draws, progress: bool = False
) -> "xr.Dataset":
    """From the limit: over proposals of their own, or of coupled chains by the draws."""
    config, key = problem.config, keys(problem.config, width).compare
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
