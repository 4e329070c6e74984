"""Gaussian noise of known size: each proposal's predictive against the limit's closed form."""

import itertools
from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.comparison.differences import Difference, Found, block_bounds
from bnnpost.comparison.distances import to_gaussian
from bnnpost.comparison.moments import Expectations, Layout, block_sums
from bnnpost.numerics.weights import WeightSum
from bnnpost.samplers.importance import observations
from bnnpost.spaces import controls, limit
from bnnpost.spaces.limit import Limit
from bnnpost.spaces.space import Observation, Space

# Fewer proposals than this for each control variate, and none is used.
_PROPOSALS_A_CONTROL = 20


def closed_form(
    key: Array, space: Space, points: Float[np.ndarray, "m *f"], num_proposals: int
) -> Found:
    """Differences from a limit without error of its own."""
    posterior = space.posterior
    limiting = limit(posterior, key=key)
    assert isinstance(limiting, Limit)
    weights = _Tally()
    blocks = weights.watch(_blocks(space, key, points, num_proposals))
    mean, covariance = limiting.mean(points), limiting.covariance(points)
    std = np.sqrt(np.diagonal(covariance))
    num_controls = controls.count(posterior.network, posterior.num_points + len(points))
    if num_controls * _PROPOSALS_A_CONTROL > num_proposals:
        num_controls = 0
    sums = block_sums(blocks, limiting.log_evidence, mean, std, num_controls > 0)
    layout = Layout(*mean.shape)
    replicates = [_difference(layout.split(row), mean, covariance) for row in sums.replicates()]
    attributes = {
        "effective_sample_size": weights.total.effective_sample_size(),
        "controls": num_controls,
        "limit_log_evidence": limiting.log_evidence,
    }
    return Found(replicates, attributes)


class _Tally:
    """Sees the weights of every block as it passes."""

    def __init__(self) -> None:
        self.total = WeightSum()

    def watch(self, blocks: Iterator[Observation]) -> Iterator[Observation]:
        for block in blocks:
            if np.isnan(block.log_weight).any():
                raise FloatingPointError(
                    "log weights are NaN: a covariance is not positive definite in double "
                    "precision; a larger noise_std makes it so"
                )
            self.total = self.total.add(np.asarray(block.log_weight))
            yield block


def _blocks(
    space: Space, key: Array, points: np.ndarray, num_proposals: int
) -> Iterator[Observation]:
    """Observations regrouped into equal jackknife blocks."""
    for start, stop in itertools.pairwise(block_bounds(num_proposals)):
        parts = list(observations(space, key, points, np.arange(start, stop, dtype=np.uint64)))
        yield jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


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
