"""Any other likelihood: both posteriors weighed on the same inner draws, and their differences."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.comparison.differences import Difference, Found, block_bounds, jackknife
from bnnpost.comparison.distances import GRID, between
from bnnpost.comparison.given_kernel import Problem
from bnnpost.comparison.paired import paired_sums
from bnnpost.draws.arviz_view import pareto_k
from bnnpost.kernels import nngp
from bnnpost.numerics.linalg import pivot_order
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.weights import WeightSum
from bnnpost.spaces import controls, limit
from bnnpost.spaces.space import Space

# The limit's mean and std, in which the grid is laid out and nothing else, from so many draws;
# folded into the key for them.
_PILOT_DRAWS, _PILOT = 4096, 0x70696C6F
# Where each edge of a bin costs a likelihood, every second of the grid: bins of 0.1 of the
# limit's std change the TV of two smooth densities by about 5e-4 of itself, the KL by 3e-3.
_COARSE = 2


class Moments(NamedTuple):
    """A posterior at the test inputs: evidence relative to the reference, bins, and moments."""

    evidence: Float[np.ndarray, ""]
    masses: Float[np.ndarray, "m k g+1"]
    mean: Float[np.ndarray, "m k"]
    covariance: Float[np.ndarray, "k m m"]

    @classmethod
    def of(cls, law: Float[np.ndarray, " q"], m: int, k: int) -> "Moments":
        """Of the numbers of a `Law` in one vector; each marginal by its own total, all unbiased."""
        masses, first, second = np.split(law, [len(law) - m * k * (1 + m), len(law) - m * k * m])
        masses, first = masses.reshape(m, k, -1), first.reshape(m, k)
        totals = masses.sum(axis=-1)
        mean = first / totals
        second = second.reshape(k, m, m) / totals.T[:, :, None]
        second = 0.5 * (second + np.swapaxes(second, 1, 2))
        outer = np.einsum("ik,jk->kij", mean, mean)
        return cls(totals.mean(), masses / totals[:, :, None], mean, second - outer)


def sampled(
    key: Array, space: Space, points: Float[np.ndarray, "m *f"], num_proposals: int
) -> Found:
    """Differences with the errors of both sides in them."""
    grid, std, problem = _problem(key, space, points)
    sums = paired_sums(problem, space, key, points, block_bounds(num_proposals))
    pairs = [tuple(Moments.of(law, *std.shape) for law in pair) for pair in sums.replicates()]
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
) -> tuple[Float[np.ndarray, " g"], Float[np.ndarray, "m k"], Problem]:
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
    return grid, std, Problem(posterior, space.guide, edges, order, pilot.log_evidence)


def _difference(
    finite: Moments,
    limiting: Moments,
    grid: Float[np.ndarray, " g"],
    std: Float[np.ndarray, "m k"],
) -> Difference:
    return Difference(
        between(finite.masses, limiting.masses, grid, std),
        finite.mean - limiting.mean,
        finite.covariance - limiting.covariance,
        np.log(finite.evidence / limiting.evidence),
    )
