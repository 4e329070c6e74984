"""Finite network and limit on the same inner draws, so that what they share is not noise.

The finite side is the mean over kernels K̂ of F(K̂, ω), the limit's F(K∞, ω) averaged over the
same ω (see `given_kernel`); the network's distance from it is O(1/width), the noise of either
side is not. With R the linear response of K̂ (see `spaces.controls`), whose mean is zero given ω,

    Δ = F(K̂, ω) − F(K∞, ω) − ∂F(K∞, ω)[R]

has the mean of the difference and, R being K̂ − K∞ but for O(1/width), noise of that size too:
distances have errors of relative size 1/√proposals at any width. The weighing of the limit
enters only as a factor close to one.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int

from bnnpost.comparison.given_kernel import Asked, Inner, Law, law
from bnnpost.comparison.moments import Seen, unseen
from bnnpost.kernels import nngp
from bnnpost.numerics.precision import in_double_precision
from bnnpost.spaces import controls, engine
from bnnpost.spaces.completions import Completion, jointly
from bnnpost.spaces.space import Space

# Likelihoods of single observations evaluated at once (2^22 doubles are 32 MiB).
_NUMBERS_AT_ONCE = 2**22


class Proposal(NamedTuple):
    """One network's kernel, its linear response, and the inner draw ω that goes with it."""

    kernel: Float[Array, "n+m n+m"]
    response: Float[Array, "n+m n+m"]
    inner: Inner


@dataclass(frozen=True)
class PairedSums:
    """Means over each block of proposals of F(K∞, ω) and of Δ, in one vector each.

    log_weights [proposal]: log F(K̂, ω) of h = 1, relative to the reference, in nats.
    """

    limit: Float[np.ndarray, "b q"]
    difference: Float[np.ndarray, "b q"]
    counts: Float[np.ndarray, " b"]
    log_weights: Float[np.ndarray, " p"]

    def replicates(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Finite F and limit F from all blocks, then from all but each one."""
        shares = [self.counts, *(self.counts * row for row in 1 - np.eye(len(self.counts)))]
        found = []
        for share in shares:
            limit, difference = (
                share @ means / share.sum() for means in (self.limit, self.difference)
            )
            found.append((limit + difference, limit))
        return found


@in_double_precision
def paired_sums(
    problem: Asked,
    space: Space,
    key: Array,
    points: Float[np.ndarray, "m *f"],
    bounds: Int[np.ndarray, " b+1"],
    seen: Seen = unseen,
) -> PairedSums:
    """Means over blocks of the proposals numbered from one of the bounds to the next.

    Raises FloatingPointError where a weight, or its derivative at the limit, is NaN.
    """
    posterior = space.posterior
    kernel = nngp(posterior.network, np.concatenate([posterior.x, points]), key=key)
    extra = (points, jointly(posterior.network, posterior.x, points))
    blocks = []
    for start, stop in itertools.pairwise(bounds):
        numbers = np.arange(start, stop, dtype=np.uint64)
        drawn = engine.evaluate(_propose, space, key, numbers, extra, len(points))
        blocks.append(_block(problem, kernel, drawn))
        seen(int(stop))
    limit, difference = (np.stack([block[i] for block in blocks]) for i in (0, 1))
    if not np.isfinite(limit + difference).all():
        raise FloatingPointError(
            "weights or their derivatives are NaN: a covariance is not positive definite in "
            "double precision, or log_prob has no derivative; expected noise that is not lost in "
            "rounding, and a log_prob that jax.jvp can differentiate"
        )
    log_weights = np.concatenate([block.log_weights for block in blocks])
    return PairedSums(limit, difference, np.diff(bounds).astype(np.float64), log_weights)


def _propose(space: Space, key: Array, x_test: Array, completion: Completion) -> Proposal:
    kernels = space.kernels(key, x_test, completion)
    drawn = None if space.guide is None else space.drawn(key)
    shape = (kernels[-1].shape[0], space.posterior.num_outputs)
    normals = jax.random.normal(space.inner_key(key), shape, jnp.float64)
    response = controls.response(space.posterior.network, kernels)
    return Proposal(kernels[-1], response, Inner(drawn, normals))


class _Pair(NamedTuple):
    """F(K∞, ω) and Δ, of one proposal, or their sum or mean over many; log weight of each."""

    limit: Float[Array | np.ndarray, "*p q"]
    difference: Float[Array | np.ndarray, "*p q"]
    log_weights: Float[Array | np.ndarray, " *p"]


def _block(problem: Asked, kernel: Array, drawn: Iterable[object]) -> _Pair:
    """The mean over proposals that come in several parts."""
    pairs = [pair for part in drawn for pair in _pairs(problem, kernel, part)]  # type: ignore[arg-type]
    log_weights = np.concatenate([pair.log_weights for pair in pairs])
    limit, difference = (np.sum([pair[i] for pair in pairs], axis=0) for i in (0, 1))
    return _Pair(limit / len(log_weights), difference / len(log_weights), log_weights)


def _pairs(problem: Asked, kernel: Array, drawn: Proposal) -> Iterator[_Pair]:
    """Sums over chunks of one size, which bounds the memory used."""
    (m, k, num_edges), n = problem.edges.shape, problem.posterior.num_points
    numbers = m * k * (num_edges + 1) * (1 if problem.exact else n * k)
    count = len(drawn.kernel)
    size = max(1, min(count, _NUMBERS_AT_ONCE // numbers))
    for start in range(0, count, size):
        # The last chunk is filled up, so that one shape is compiled.
        chosen = np.arange(start, start + size)
        counted = chosen < count
        chunk = jax.tree.map(lambda a: a[np.minimum(chosen, count - 1)], drawn)  # noqa: B023
        pair = jax.tree.map(np.asarray, _pair(problem, kernel, chunk, counted))
        yield pair._replace(log_weights=pair.log_weights[counted])


@jax.jit
def _pair(problem: Asked, kernel: Array, chunk: Proposal, counted: Bool[Array, " p"]) -> _Pair:
    def one(proposal: Proposal) -> _Pair:
        def given(kernel: Array) -> Law:
            return law(problem, kernel, proposal.inner)

        limit, response = jax.jvp(given, (kernel,), (proposal.response,))
        finite = given(proposal.kernel)
        difference = jax.tree.map(lambda a, b, c: a - b - c, finite, limit, response)
        log_weight = jnp.log(jnp.mean(jnp.sum(finite.masses, axis=-1)))
        return _Pair(ravel_pytree(limit)[0], ravel_pytree(difference)[0], log_weight)

    pairs = jax.vmap(one)(chunk)
    return _Pair(counted @ pairs.limit, counted @ pairs.difference, pairs.log_weights)
