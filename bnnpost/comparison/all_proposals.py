"""Sums over all proposals of whatever is asked of each, with control variates where they exist."""

import itertools
from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.comparison.differences import block_bounds
from bnnpost.comparison.moments import BlockSums, Functionals, block_sums
from bnnpost.numerics.weights import WeightSum
from bnnpost.samplers.importance import observations
from bnnpost.spaces import controls
from bnnpost.spaces.space import Observation, Space

# Fewer proposals than this for each control variate, and none is used.
_PROPOSALS_A_CONTROL = 20


def sums_over_proposals(
    key: Array,
    space: Space,
    points: Float[np.ndarray, "m *f"],
    num_proposals: int,
    log_reference: float,
    functionals: Functionals,
) -> tuple[BlockSums, dict[str, float]]:
    """Sums for each jackknife block, and effective_sample_size and controls (how many are used).

    Raises FloatingPointError where weights are NaN.
    """
    weights = _Tally()
    blocks = weights.watch(_blocks(space, key, points, num_proposals))
    posterior = space.posterior
    num_controls = controls.count(posterior.network, posterior.num_points + len(points))
    if num_controls * _PROPOSALS_A_CONTROL > num_proposals:
        num_controls = 0
    sums = block_sums(blocks, log_reference, functionals, num_controls > 0)
    effective = weights.total.effective_sample_size()
    return sums, {"effective_sample_size": effective, "controls": num_controls}


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
