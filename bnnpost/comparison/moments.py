"""Weighted sums over all proposals, kept in blocks so that errors come from a jackknife.

Everything compared is a smooth function of posterior expectations E[h]: of f, of ffᵀ, of the
predictive's CDF on a grid, of its density at a target. For proposals i with weights w_i and
control variates D_i (mean zero under the prior), E[h] = Σ w_i u_i h_i / Σ w_i u_i with
regression weights u_i = 1 − D̄ᵀS⁻¹(D_i − D̄), S the covariance of D: those make the sample mean
of D exactly zero. Because u is affine in D, the sums Σ w h [1, D] and Σ [1, D][1, D]ᵀ of each
block are all that the estimate and every leave-one-block-out replicate need.
"""

import abc
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.comparison.differences import block_bounds
from bnnpost.comparison.distances import GRID
from bnnpost.draws.arviz_view import pareto_k
from bnnpost.numerics.weights import WeightSum
from bnnpost.samplers.importance import observations
from bnnpost.spaces import controls
from bnnpost.spaces.space import Observation, Space

# A control variate direction whose variance is below this fraction of the largest is rounding.
_NEGLIGIBLE = 1e-10
# So is one whose own variance is below this fraction of the largest, as of ReLUs at x and −x.
_ROUNDING = 1e-26
# Functionals of proposals held at once (2^22 doubles are 32 MiB).
_NUMBERS_AT_ONCE = 2**22
# Fewer proposals than this for each control variate, and none is used.
_PROPOSALS_A_CONTROL = 20


# Told how many proposals are done.
Seen = Callable[[int], None]


def unseen(done: int) -> None:
    """Tell nobody."""


class Functionals(eqx.Module):
    """What is asked of each proposal: numbers whose posterior expectations are wanted."""

    @abc.abstractmethod
    def __call__(self, proposal: Observation) -> Float[Array, " f"]:
        """The functionals of one proposal, the constant 1 first."""


class Marginals(Functionals):
    """1, f, f fᵀ and the CDF on the grid centre + std·GRID, given the hidden layers.

    centre [point, output]; std [point].
    """

    centre: Float[np.ndarray, "m k"]
    std: Float[np.ndarray, " m"]

    def __call__(self, proposal: Observation) -> Float[Array, " f"]:
        mean, covariance = proposal.predictive.mean, proposal.predictive.covariance
        second = covariance + jnp.einsum("ik,jk->kij", mean, mean)
        own_var = jnp.diagonal(covariance, axis1=1, axis2=2).T
        own_std = jnp.sqrt(jnp.maximum(own_var, jnp.finfo(covariance.dtype).tiny))
        edges = jnp.asarray(self.centre)[:, :, None] + jnp.asarray(self.std)[:, None, None] * GRID
        cdf = jax.scipy.special.ndtr((edges - mean[:, :, None]) / own_std[:, :, None])
        return jnp.concatenate([jnp.ones(1), mean.ravel(), second.ravel(), cdf.ravel()])

    def split(self, values: Float[np.ndarray, " q"]) -> "Expectations":
        """Expectations of these, in a vector, by what they are of."""
        m, k = self.centre.shape
        one, mean, second, cdf = np.split(values, np.cumsum([1, m * k, k * m * m]))
        shapes = (m, k), (k, m, m), (m, k, GRID.size)
        return Expectations(one[0], *map(np.reshape, (mean, second, cdf), shapes))


class Expectations(NamedTuple):
    """Posterior expectations: evidence over the reference; of f, of f fᵀ; the CDF on the grid."""

    relative_evidence: Float[np.ndarray, ""]
    mean: Float[np.ndarray, "m k"]
    second: Float[np.ndarray, "k m m"]
    cdf: Float[np.ndarray, "m k g"]

    def covariance(self) -> Float[np.ndarray, "k m m"]:
        """Posterior covariance, one for each output."""
        return self.second - self.mean.T[:, :, None] * self.mean.T[:, None, :]


@dataclass(frozen=True)
class BlockSums:
    """For each block: Σ w h [1, D]ᵀ [block, functional, 1+q] and Σ [1, D][1, D]ᵀ."""

    weighted: Float[np.ndarray, "b f 1+q"]
    controls: Float[np.ndarray, "b 1+q 1+q"]

    def replicates(self) -> Float[np.ndarray, "1+b f"]:
        """Estimates from all blocks, then from all but each one; functional 0 is the evidence."""
        all_blocks = self._estimate(self.weighted.sum(0), self.controls.sum(0))
        without = [
            self._estimate(self.weighted.sum(0) - w, self.controls.sum(0) - c)
            for w, c in zip(self.weighted, self.controls, strict=True)
        ]
        return np.stack([all_blocks, *without])

    @staticmethod
    def _estimate(
        weighted: Float[np.ndarray, "f 1+q"], controls: Float[np.ndarray, "1+q 1+q"]
    ) -> Float[np.ndarray, " f"]:
        count = controls[0, 0]
        mean = controls[0, 1:] / count
        slope = -_solve(controls[1:, 1:] / count - np.outer(mean, mean), mean)
        coefficients = np.concatenate([[1 - slope @ mean], slope])
        sums = weighted @ coefficients
        return np.concatenate([[sums[0] / count], sums[1:] / sums[0]])


def _solve(covariance: Float[np.ndarray, "q q"], mean: Float[np.ndarray, " q"]) -> np.ndarray:
    """covariance⁻¹ mean in the directions that vary at all."""
    variances = np.diagonal(covariance)
    varies = variances > _ROUNDING * np.max(variances, initial=0.0)
    stds = np.sqrt(np.where(varies, variances, 1.0))
    values, vectors = np.linalg.eigh(covariance / np.outer(stds, stds))
    keep = values > _NEGLIGIBLE * max(values[-1] if values.size else 0.0, 1.0)
    vectors = vectors[:, keep] / stds[:, None]
    return vectors @ ((vectors.T @ mean) / values[keep])


def block_sums(
    blocks: Iterable[Observation],
    log_reference: float,
    functionals: Functionals,
    use_controls: bool,
) -> BlockSums:
    """Sums of each block of proposals; weights relative to exp(log_reference)."""
    weighted, controls = [], []
    for block in blocks:
        if not use_controls:
            block = block._replace(controls=jnp.zeros((len(block.log_weight), 0)))
        sums = [
            _chunk_sums(part, log_reference, functionals) for part in _chunks(block, functionals)
        ]
        weighted.append(sum(s[0] for s in sums))
        controls.append(sum(s[1] for s in sums))
    return BlockSums(np.stack(weighted), np.stack(controls))


def _chunks(block: Observation, functionals: Functionals) -> Iterable[Observation]:
    """The block in parts of equal size (the last may be smaller) that bound the memory used."""
    one = jax.tree.map(lambda a: a[0], block)
    count, num_proposals = jax.eval_shape(functionals, one).size, len(block.log_weight)
    size = max(1, min(num_proposals, _NUMBERS_AT_ONCE // count))
    for start in range(0, num_proposals, size):
        yield jax.tree.map(lambda a: a[start : start + size], block)  # noqa: B023


def _chunk_sums(
    block: Observation, log_reference: float, functionals: Functionals
) -> tuple[np.ndarray, np.ndarray]:
    with jax.enable_x64(True):
        weighted, controls = _sums(block, log_reference, functionals)
        return np.asarray(weighted), np.asarray(controls)


@jax.jit
def _sums(
    block: Observation, log_reference: Array, functionals: Functionals
) -> tuple[Array, Array]:
    weights = jnp.exp(block.log_weight - log_reference)
    values = jax.vmap(functionals)(block)
    ones = jnp.ones((weights.shape[0], 1))
    regressors = jnp.concatenate([ones, block.controls], axis=1)
    weighted = (weights[:, None] * values).T @ regressors
    return weighted, regressors.T @ regressors


def sums_over_proposals(
    key: Array,
    space: Space,
    points: Float[np.ndarray, "m *f"],
    num_proposals: int,
    log_reference: float,
    functionals: Functionals,
    seen: Seen = unseen,
) -> tuple[BlockSums, dict[str, float]]:
    """Sums for each jackknife block, and what to know of them.

    effective_sample_size; controls: how many are used; pareto_k, pareto_k_squares: of the weights,
    and of weights times the largest second moment of f at a test input: from 0.5 on these have no
    variance, and standard errors are too small; NaN where there is no tail.
    Raises FloatingPointError where weights are NaN.
    """
    weights = _Tally()
    blocks = weights.watch(_blocks(space, key, points, num_proposals), seen)
    posterior = space.posterior
    num_controls = controls.num_controls(posterior.network, posterior.num_points + len(points))
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

    def watch(self, blocks: Iterator[Observation], seen: Seen) -> Iterator[Observation]:
        done = 0
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
            done += len(logs)
            seen(done)


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
