"""Sums over all proposals of whatever is asked of each, with control variates where they exist."""

import itertools
from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.comparison.differences import block_bounds
from bnnpost.comparison.moments import BlockSums, Functionals, block_sums
from bnnpost.draws.arviz_view import pareto_k
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
    """Sums for each jackknife block, and what to know of them.

    effective_sample_size; controls: how many are used; pareto_k, pareto_k_squares: of the weights,
    and of weights times the largest second moment of f at a test input: from 0.5 on these have no
    variance, and standard errors are too small; NaN where there is no tail.
    Raises FloatingPointError where weights are NaN.
    """
    weights = _Tally()
    blocks = weights.watch(_blocks(space, key, points, num_proposals))
    posterior = space.posterior
    num_controls = controls.count(posterior.network, posterior.num_points + len(points))
    if num_controls * _PROPOSALS_A_CONTROL > num_proposals:
        num_controls = 0
    sums = block_sums(blocks, log_reference, functionals, num_controls > 0)
    return sums, {**weights.attributes(), "controls": num_controls}


class _Tally:
    """Sees the weights of every block as it passes."""

    def __init__(self) -> None:
        self.total = WeightSum()
        self._logs: list[np.ndarray] = []
        self._squares: list[np.ndarray] = []

    def attributes(self) -> dict[str, float]:
        return {
            "effective_sample_size": self.total.effective_sample_size(),
            "pareto_k": pareto_k(np.concatenate(self._logs)),
            "pareto_k_squares": pareto_k(np.concatenate(self._squares)),
        }

    def watch(self, blocks: Iterator[Observation]) -> Iterator[Observation]:
        for block in blocks:
            if np.isnan(block.log_weight).any():
                raise FloatingPointError(
                    "log weights are NaN: a covariance is not positive definite in double "
                    "precision; a larger noise_std makes it so"
                )
            logs = np.asarray(block.log_weight)
            self.total = self.total.add(logs)
            self._logs.append(logs)
            self._squares.append(logs + np.log(_largest_square(block)))
            yield block


def _largest_square(block: Observation) -> Float[np.ndarray, " b"]:
    """E[f²] of each proposal, at the test input and output where it is largest."""
    mean, covariance = (np.asarray(a) for a in (block.predictive.mean, block.predictive.covariance))
    variances = np.diagonal(covariance, axis1=-2, axis2=-1)
    squares = np.max(mean**2, axis=(1, 2)) + np.max(variances.reshape(len(mean), -1), axis=1)
    return np.maximum(squares, np.finfo(float).tiny)  # type: ignore[no-any-return]


def _blocks(
    space: Space, key: Array, points: np.ndarray, num_proposals: int
) -> Iterator[Observation]:
    """Observations regrouped into equal jackknife blocks."""
    for start, stop in itertools.pairwise(block_bounds(num_proposals)):
        parts = list(observations(space, key, points, np.arange(start, stop, dtype=np.uint64)))
        yield jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)
