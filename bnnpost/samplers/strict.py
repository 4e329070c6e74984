"""Which strict bound exact draws are made with: the likelihood's, or auxiliary rejection."""

import math

import jax
from jaxtyping import Array

from bnnpost.networks.limiting import scale_places
from bnnpost.posterior import Posterior
from bnnpost.spaces import engine, limit
from bnnpost.spaces.auxiliary.for_posterior import one_hidden_layer
from bnnpost.spaces.making import auxiliary_of, make_space, with_auxiliary
from bnnpost.spaces.network_parts import num_first_inputs, split_readout
from bnnpost.spaces.scaled_kernels import is_single
from bnnpost.spaces.space import Space

# A draw of so many numbers takes a millisecond or so, and need not be cheaper.
_LOG_CHEAP = math.log(1e5)
# By so much auxiliary rejection must be cheaper to be chosen: costs are known roughly.
_LOG_CLEARLY = math.log(4.0)


def strict_space(
    posterior: Posterior, *, space: str = "auto", collapse: bool = True, precision: str = "single"
) -> Space:
    """The space for exact draws, by auxiliary rejection where that is clearly cheaper.

    By what the limit's evidence says of both. Raises ValueError where there is no bound.
    """
    made = make_space(posterior, space=space, collapse=collapse, precision=precision)
    if not made.collapse:
        return made
    try:
        one_hidden_layer(posterior)
        evidence = limit_log_evidence(posterior, jax.random.key(0))
        log_cost = made.log_bound() - evidence + math.log(_steps(made))
        if not log_cost > _LOG_CHEAP:
            return made
        auxiliary = auxiliary_of(made)
    except ValueError:  # it is not for this network, or hopeless
        return made
    if auxiliary.log_cost(evidence) + _LOG_CLEARLY < log_cost:
        return with_auxiliary(made, auxiliary)
    return made


def _steps(space: Space) -> int:
    """Numbers that a proposal takes: normals, and those of elimination."""
    return space.posterior.num_points**3 + sum(engine.num_normals(space))


def limit_log_evidence(posterior: Posterior, key: Array) -> float:
    """NaN where it has no closed form or the network no limit. key: as in `nngp`."""
    linear = split_readout(posterior.network)[1] is not None
    if not (linear and posterior.likelihood.known_std is not None):
        return math.nan
    single = is_single(
        posterior.network, num_first_inputs(posterior.network, posterior.x.shape[1:])
    )
    if scale_places(posterior.network) and not single:
        return math.nan
    try:
        return float(limit(posterior, key=key).log_evidence)
    except (NotImplementedError, ValueError):  # no kernel, or none that is finite
        return math.nan
