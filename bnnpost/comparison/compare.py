"""The distance of a finite network's posterior from its limit, with standard errors."""

from typing import TYPE_CHECKING

from jaxtyping import Array

from bnnpost.arguments import positive_integer
from bnnpost.comparison.closed_form import closed_form
from bnnpost.comparison.differences import NUM_BLOCKS
from bnnpost.comparison.sampled import sampled
from bnnpost.networks.limiting import require_one_process
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.samplers.importance import weighted_space

if TYPE_CHECKING:
    import xarray as xr


def compare(
    key: Array,
    posterior: Posterior,
    x_test: object,
    *,
    num_proposals: int = 20_000,
    space: str = "auto",
    precision: str = "single",
) -> "xr.Dataset":
    """How far the posterior is from its infinite-width limit at x_test, over all proposals.

    Returns scalars, averaged over test points and outputs, each with a jackknife standard
    error `*_se`, and the same per marginal as `*_by_point` [point, output]:
    tv, kl (KL(finite ‖ limit), nats), w1, w2 (units of f): of the marginal of each f*;
    mean_error, variance_error: root mean square over marginals of the difference of means
    and of variances (`*_by_point` are the signed differences, finite − limit);
    covariance_error: root mean square over entries of the difference of covariances;
    log_evidence_error: log evidence, finite − limit, nats. Estimates are corrected for bias
    by the same jackknife. The limit is in closed form under Gaussian noise of known size;
    under any other likelihood both sides are weighed on the same draws, and errors include
    the limit's. Control variates are used where they exist (attribute `controls`).
    Where the limit's kernel is sampled (see `nngp`) its error, the same at every width for
    the same key, is not in the standard errors.
    Standard errors hold where weights, and for moments of f weights times f², have a variance:
    attributes `pareto_k` and, under Gaussian noise, `pareto_k_squares` are the shapes of their
    tails; from 0.5 on they have none, and errors are too small.
    Raises ValueError where the readout cannot be collapsed, where the limit is not one Gaussian
    process (random scales), or for fewer than 200 proposals; FloatingPointError where weights
    are NaN.
    """
    require_key(key)
    num_proposals = positive_integer("num_proposals", num_proposals)
    if num_proposals < 10 * NUM_BLOCKS:
        raise ValueError(f"expected at least {10 * NUM_BLOCKS} proposals, got {num_proposals}")
    require_one_process(posterior.network)
    points = posterior.checked_test_points(x_test)
    chosen = weighted_space(posterior, space, precision)
    measure = sampled if posterior.likelihood.known_std is None else closed_form
    found = measure(key, chosen, points, num_proposals)
    return found.dataset().assign_attrs(num_proposals=num_proposals)
