"""Attention whose weights are an elementwise function φ of scores over √d: ReLU, absolute value.

Scores S_i[p, k] and S_j[q, l] are jointly Gaussian in the limit, with covariance
QK² K_ij[p, q] K_ij[k, l], so that (Hron et al. 2020, section 3)
K′_pq = OV² Σ_kl V_kl E φ(S[p, k])φ(S[q, l]) + b² has a closed form where E φφ has one.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.networks.covariance import Covariance
from bnnpost.networks.nonlinearities import Nonlinearity

# Pairs of scores that are worked on at once.
_PAIRS_AT_ONCE = 2**18


class _Block(NamedTuple):
    """Between two inputs; variances of what scores are made of within either."""

    scores: Float[Array, "p p"]
    variances1: Float[Array, " p"]
    variances2: Float[Array, " p"]
    values: Float[Array, "p p"]
    score_tangent: Float[Array, "p p"] | None
    value_tangent: Float[Array, "p p"] | None


def elementwise(
    function: Nonlinearity, encoded: Covariance, values: Covariance, score_std: Array
) -> Covariance:
    """E G V Gᵀ with its tangent, both still without the scale of the values and the bias."""
    scores = encoded.affine(score_std, jnp.zeros((), score_std.dtype))
    cross, tangent = _over_pairs(function, scores, values)
    within1, within2 = (
        _over_inputs(function, *parts)
        for parts in ((scores.within1, values.within1), (scores.within2, values.within2))
    )
    return values.changed(cross=cross, within1=within1, within2=within2, tangent=tangent)


def _over_pairs(
    function: Nonlinearity, scores: Covariance, values: Covariance
) -> tuple[Array, Array | None]:
    n1, n2, p, _ = scores.cross.shape
    with_tangent = values.tangent is not None

    def pair(place: Array) -> tuple[Array, Array | None]:
        i, j = place // n2, place % n2
        block = _Block(
            scores.cross[i, j],
            scores.variances1[i],
            scores.variances2[j],
            values.cross[i, j],
            scores.tangent[i, j] if with_tangent and scores.tangent is not None else None,
            values.tangent[i, j] if values.tangent is not None else None,
        )
        return _attended(function, block)

    found = jax.lax.map(pair, jnp.arange(n1 * n2), batch_size=max(1, _PAIRS_AT_ONCE // p**4))
    cross, tangent = jax.tree.map(lambda a: a.reshape(n1, n2, p, p), found)
    return cross, tangent


def _over_inputs(function: Nonlinearity, scores: Array, values: Array) -> Array:
    def one(parts: tuple[Array, Array]) -> Array:
        score, value = parts
        variances = jnp.diagonal(score)
        return _attended(function, _Block(score, variances, variances, value, None, None))[0]

    batch = max(1, _PAIRS_AT_ONCE // scores.shape[1] ** 4)
    return jax.lax.map(one, (scores, values), batch_size=batch)


def _attended(function: Nonlinearity, block: _Block) -> tuple[Array, Array | None]:
    """Sums over k, l at every p, q; the tangent is as that of softmax, with J = diag(φ′)."""

    def row(of_p: tuple[Array, ...]) -> tuple[Array, Array | None]:
        return jax.vmap(lambda *of_q: _one(function, block, *of_q), (0, None, 0, 0))(
            of_p[0], of_p[1], block.variances2, of_p[2]
        )

    k, total = block.scores, block.scores
    if block.score_tangent is not None:
        total = total + block.score_tangent
    return jax.lax.map(
        row,
        (k, block.variances1, total),
        batch_size=max(1, _PAIRS_AT_ONCE // block.scores.shape[0] ** 3),
    )


def _one(
    function: Nonlinearity,
    block: _Block,
    k: Float[Array, ""],
    variance1: Float[Array, ""],
    variance2: Float[Array, ""],
    total: Float[Array, ""],
) -> tuple[Array, Array | None]:
    """At one p, q, whose scores' part of the covariance is k, and k + Θ is total."""
    pairs = Covariance(k * block.scores, variance1 * block.variances1, variance2 * block.variances2)
    moments = function.product_moment(pairs)
    cross = jnp.sum(block.values * moments)
    if block.value_tangent is None or block.score_tangent is None:
        return cross, None
    slopes = function.derivative_moment(pairs)
    own = block.scores + block.score_tangent
    of_scores = block.values * slopes * (k * own + total * block.scores)
    return cross, 2 * cross + jnp.sum(block.value_tangent * moments + of_scores)
