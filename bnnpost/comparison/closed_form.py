"""Gaussian noise of known size: each proposal's predictive against the limit's closed form."""

import numpy as np
from jaxtyping import Array, Float

from bnnpost.comparison.all_proposals import sums_over_proposals
from bnnpost.comparison.differences import Difference, Found
from bnnpost.comparison.distances import to_gaussian
from bnnpost.comparison.moments import Expectations, Layout, Marginals
from bnnpost.spaces import limit
from bnnpost.spaces.limit import Limit
from bnnpost.spaces.space import Space


def closed_form(
    key: Array, space: Space, points: Float[np.ndarray, "m *f"], num_proposals: int
) -> Found:
    """Differences from a limit without error of its own."""
    limiting = limit(space.posterior, key=key)
    assert isinstance(limiting, Limit)
    mean, covariance = limiting.mean(points), limiting.covariance(points)
    asked = Marginals(mean, np.sqrt(np.diagonal(covariance)))
    sums, attributes = sums_over_proposals(
        key, space, points, num_proposals, limiting.log_evidence, asked
    )
    layout = Layout(*mean.shape)
    replicates = [_difference(layout.split(row), mean, covariance) for row in sums.replicates()]
    return Found(replicates, {**attributes, "limit_log_evidence": limiting.log_evidence})


def _difference(
    found: Expectations, mean: Float[np.ndarray, "m k"], covariance: Float[np.ndarray, "m m"]
) -> Difference:
    std = np.sqrt(np.diagonal(covariance))
    return Difference(
        to_gaussian(found.cdf, np.broadcast_to(std[:, None], mean.shape)),
        found.mean - mean,
        found.covariance() - covariance,
        np.log(found.relative_evidence),
    )
