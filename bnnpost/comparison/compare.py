"""The distance of a finite network's posterior from its limit, with standard errors."""

from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.comparison.differences import (
    Difference,
    Found,
    block_bounds,
    check_num_blocks,
    jackknife,
)
from bnnpost.comparison.distances import GRID, between, to_gaussian
from bnnpost.comparison.given_kernel import Asked
from bnnpost.comparison.moments import (
    Expectations,
    Marginals,
    Seen,
    sums_over_proposals,
    unseen,
)
from bnnpost.comparison.paired import paired_sums
from bnnpost.draws.arviz_view import pareto_k
from bnnpost.kernels import nngp
from bnnpost.networks.limiting import require_one_process
from bnnpost.numerics.linalg import pivot_order
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.numerics.weights import WeightSum
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers.importance import weighted_space
from bnnpost.samplers.progress import Progress
from bnnpost.spaces import controls, limit
from bnnpost.spaces.limit import Limit
from bnnpost.spaces.space import Space

if TYPE_CHECKING:
    import xarray as xr

# The limit's mean and std, in which the grid is laid out and nothing else, from so many draws;
# folded into the key for them.
_PILOT_DRAWS, _PILOT = 4096, 0x70696C6F
# Where each edge of a bin costs a likelihood, every second of the grid: bins of 0.1 of the
# limit's std change the TV of two smooth densities by about 5e-4 of itself, the KL by 3e-3.
_COARSE = 2


def compare(
    key: Array,
    posterior: Posterior,
    x_test: object,
    *,
    num_proposals: int = 20_000,
    space: str = "auto",
    precision: str = "single",
    progress: bool = False,
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
    tails; from 0.5 on they have none, and errors are too small. progress: a bar on stderr.
    Raises ValueError where the readout cannot be collapsed, where the limit is not one Gaussian
    process (random scales), or for fewer than 200 proposals; FloatingPointError where weights
    are NaN.
    """
    require_key(key)
    require_posterior(posterior)
    num_proposals = check_num_blocks("num_proposals", num_proposals)
    require_one_process(posterior.network)
    points = posterior.checked_test_points(x_test)
    chosen = weighted_space(posterior, space, precision)
    with Progress(num_proposals, enabled=progress, label="compared", unit="proposal") as bar:
        found = found_over_proposals(key, chosen, points, num_proposals, bar.show)
    return found.dataset().assign_attrs(num_proposals=num_proposals)


def found_over_proposals(
    key: Array,
    space: Space,
    points: Float[np.ndarray, "m *f"],
    num_proposals: int,
    seen: Seen = unseen,
) -> Found:
    """Differences from the limit by the likelihood's way of comparing. seen: see `Seen`."""
    measure = by_pairs if space.posterior.likelihood.known_std is None else by_limit
    return measure(key, space, points, num_proposals, seen)


def by_limit(
    key: Array,
    space: Space,
    points: Float[np.ndarray, "m *f"],
    num_proposals: int,
    seen: Seen = unseen,
) -> Found:
    """Differences from a limit without error of its own."""
    limiting = limit(space.posterior, key=key)
    assert isinstance(limiting, Limit)
    mean, covariance = limiting.mean(points), limiting.covariance(points)
    asked = Marginals(mean, np.sqrt(np.diagonal(covariance)))
    sums, attributes = sums_over_proposals(
        key, space, points, num_proposals, limiting.log_evidence, asked, seen
    )
    std = np.broadcast_to(asked.std[:, None], mean.shape)

    def difference(found: Expectations) -> Difference:
        return Difference(
            to_gaussian(found.cdf, std),
            found.mean - mean,
            found.covariance() - covariance,
            np.log(found.relative_evidence),
        )

    replicates = [difference(asked.split(row)) for row in sums.replicates()]
    return Found(replicates, {**attributes, "limit_log_evidence": limiting.log_evidence})


class DistanceSummary(NamedTuple):
    """A posterior at the test inputs: evidence relative to the reference, bins, and moments."""

    evidence: Float[np.ndarray, ""]
    masses: Float[np.ndarray, "m k g+1"]
    mean: Float[np.ndarray, "m k"]
    covariance: Float[np.ndarray, "k m m"]

    @classmethod
    def of(cls, law: Float[np.ndarray, " q"], m: int, k: int) -> "DistanceSummary":
        """Of the numbers of a `Law` in one vector; each marginal by its own total, all unbiased."""
        masses, first, second = np.split(law, [len(law) - m * k * (1 + m), len(law) - m * k * m])
        masses, first = masses.reshape(m, k, -1), first.reshape(m, k)
        totals = masses.sum(axis=-1)
        mean = first / totals
        second = second.reshape(k, m, m) / totals.T[:, :, None]
        second = 0.5 * (second + np.swapaxes(second, 1, 2))
        outer = np.einsum("ik,jk->kij", mean, mean)
        return cls(totals.mean(), masses / totals[:, :, None], mean, second - outer)


def by_pairs(
    key: Array,
    space: Space,
    points: Float[np.ndarray, "m *f"],
    num_proposals: int,
    seen: Seen = unseen,
) -> Found:
    """Differences with the errors of both sides in them."""
    grid, std, problem = _problem(key, space, points)
    sums = paired_sums(problem, space, key, points, block_bounds(num_proposals), seen)
    pairs = [
        tuple(DistanceSummary.of(law, *std.shape) for law in pair) for pair in sums.replicates()
    ]
    replicates = [_difference(finite, limiting, grid, std) for finite, limiting in pairs]
    evidences = np.stack([limiting.evidence for _, limiting in pairs])
    log_evidence = float(problem.log_reference) + np.log(evidences)
    value, error = jackknife(log_evidence[0], log_evidence[1:])
    attributes = {
        "effective_sample_size": WeightSum().add(sums.log_weights).effective_sample_size(),
        "pareto_k": pareto_k(sums.log_weights),
        "controls": int(controls.available(space.posterior.network)),
        "limit_log_evidence": float(value),
        "limit_log_evidence_se": float(error),
    }
    return Found(replicates, attributes)


@in_double_precision
def _problem(
    key: Array, space: Space, points: Float[np.ndarray, "m *f"]
) -> tuple[Float[np.ndarray, " g"], Float[np.ndarray, "m k"], Asked]:
    """The grid in standard deviations, those, and what every proposal is asked."""
    posterior = space.posterior
    pilot = limit(posterior, key=jax.random.fold_in(key, _PILOT), num_proposals=_PILOT_DRAWS)
    mean = pilot.mean(points)
    variances = np.diagonal(np.atleast_3d(pilot.covariance(points).T).T, axis1=1, axis2=2).T
    std = np.broadcast_to(np.sqrt(np.maximum(variances, 0.0)), mean.shape)
    exact = space.guide is not None and space.guide.exact
    grid = GRID if exact else GRID[::_COARSE]
    edges = mean[:, :, None] + std[:, :, None] * grid
    kernel = np.asarray(nngp(posterior.network, np.concatenate([posterior.x, points]), key=key))
    order = pivot_order(kernel, posterior.num_points)
    return grid, std, Asked(posterior, space.guide, edges, order, pilot.log_evidence)


def _difference(
    finite: DistanceSummary,
    limiting: DistanceSummary,
    grid: Float[np.ndarray, " g"],
    std: Float[np.ndarray, "m k"],
) -> Difference:
    return Difference(
        between(finite.masses, limiting.masses, grid, std),
        finite.mean - limiting.mean,
        finite.covariance - limiting.covariance,
        np.log(finite.evidence / limiting.evidence),
    )
