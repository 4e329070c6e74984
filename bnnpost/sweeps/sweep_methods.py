"""What goes together with the method of a sweep, and what does not."""

from collections.abc import Callable

from bnnpost.likelihoods import Likelihood
from bnnpost.sweeps.keys import REJECTION, SweepKeys
from bnnpost.sweeps.refusals import ConfigError

# The method and its settings, which say nothing of a sweep by rejection.
OF_PAIRS = ["method", "kernel", "tolerance", "lag", "max_steps"]
# Of these the comparison makes blocks.
_FEWEST = 200
_OF_REJECTION = ("bound", "cap", "max_proposals", "collapse")


def check_method(config: SweepKeys, likelihood: Callable[[], Likelihood]) -> None:
    """Raise ConfigError for settings, or a likelihood, that do not go with the method."""
    of_others = OF_PAIRS[1:] if config.method == REJECTION else _OF_REJECTION
    other = "coupled" if config.method == REJECTION else REJECTION
    for name in of_others:
        if getattr(config, name) != getattr(SweepKeys, name):
            raise ConfigError(f'{name}: only with method = "{other}"')
    if config.method != REJECTION:
        _check_pairs(config, likelihood())


def _check_pairs(config: SweepKeys, likelihood: Likelihood) -> None:
    from bnnpost.samplers.coupled.bounds import checked_goal

    try:
        checked_goal(config.num_samples, config.tolerance)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if config.num_samples < _FEWEST:
        raise ConfigError(
            f"num_samples: expected at least {_FEWEST} for the standard errors of a comparison by "
            f"the draws alone, got {config.num_samples}"
        )
    if likelihood.known_std is None:
        raise ConfigError(
            "likelihood: a sweep by coupled chains is compared by its draws with a limit in closed "
            "form, which there is under Gaussian noise of known size; bnnpost sample --method "
            "coupled takes any likelihood"
        )
