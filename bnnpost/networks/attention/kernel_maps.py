"""The kernel maps of self-attention in closed form (Hron et al. 2020, sections 3 and 4).

Below, S and V are the covariances of what scores and values are made of (the features, with their
encodings where they have them), QK the product of the stds of keys and queries, OV that of values
and readout; sums go over positions. Tangents count every matrix of weights once.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bnnpost.networks.closed_forms import PiecewiseLinear
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.nonlinearities import Nonlinearity

# What attention makes of its scores.
MECHANISMS: Mapping[str, Callable[[Array], Array]] = {
    "softmax": lambda scores: jax.nn.softmax(scores, axis=-1),
    "identity": lambda scores: scores,
    "relu": jax.nn.relu,
    "abs": jnp.abs,
}
# Those that act on each score by itself.
ELEMENTWISE = {"relu": PiecewiseLinear(0.0, 1.0), "abs": PiecewiseLinear(-1.0, 1.0)}
# Pairs of scores that are worked on at once.
_PAIRS_AT_ONCE = 2**18


def attend(
    mechanism: str, scores: Float[Array, "n *h p p"], mask: Bool[Array, "n p"] | None = None
) -> Float[Array, "n *h p p"]:
    """What multiplies the values, from scores whose last axis is that of keys; 0 at masked ones."""
    if mask is None:
        return MECHANISMS[mechanism](scores)
    hidden = mask.reshape(len(mask), *(1,) * (scores.ndim - 2), -1)
    lowest = jnp.finfo(scores.dtype).min if mechanism == "softmax" else 0.0
    return jnp.where(hidden, 0.0, MECHANISMS[mechanism](jnp.where(hidden, lowest, scores)))


def from_left(g1: Float[Array, "n1 p k"], v: Float[Array, "n1 n2 k l"]) -> Array:
    """G V."""
    return jnp.einsum("ipk,ijkl->ijpl", g1, v, precision="highest")


def from_right(v: Float[Array, "n1 n2 k l"], g2: Float[Array, "n2 q l"]) -> Array:
    """V G′ᵀ."""
    return jnp.einsum("ijkl,jql->ijkq", v, g2, precision="highest")


class Scales(NamedTuple):
    """Products of standard deviations, squared where they enter so, and the bias's variance."""

    scores: Array
    values: Array
    bias: Array

    def of_attended(self, attended: Covariance) -> Covariance:
        """OV² times what was attended to, and the bias, which the tangent has as well."""
        found = attended.affine(self.values, self.bias)
        if found.tangent is None:
            return found
        return found.changed(tangent=found.tangent + self.bias)


def deterministic(attend1: Array, attend2: Array, values: Covariance, scales: Scales) -> Covariance:
    """Scores over the key dimension become QK·S(x, x): K′ = OV² G(x) V(x, x′) G(x′)ᵀ + b².

    attend1, attend2: G of either list. The tangent has the same map, and twice K′ − b² for the
    weights of values and of the readout.
    """

    def attended(k: Array) -> Array:
        return scales.values * from_right(from_left(attend1, k), attend2)

    def within(attend: Array, k: Array) -> Array:
        first = jnp.einsum("ipk,ikl->ipl", attend, k, precision="highest")
        return scales.values * jnp.einsum("ipl,iql->ipq", first, attend, precision="highest")

    cross = attended(values.cross)
    tangent = None
    if values.tangent is not None:
        tangent = attended(values.tangent) + scales.bias + 2 * cross
    return values.changed(
        cross=cross + scales.bias,
        within1=within(attend1, values.within1) + scales.bias,
        within2=within(attend2, values.within2) + scales.bias,
        tangent=tangent,
    )


def bilinear(encoded: Covariance, values: Covariance, scales: Scales) -> Covariance:
    """Scores over √d, as they are: K′_pq = (QK OV)² S_pq ⟨S, V⟩ + b², ⟨·,·⟩ over the pair's block.

    The tangent: (QK OV)² [4 S⟨S, V⟩ + S⟨S, Θ_V⟩ + Θ_S⟨S, V⟩ + S⟨Θ_S, V⟩] + b².
    """
    factor = scales.scores**2 * scales.values

    def product(s: Array, v: Array) -> Array:
        return jnp.einsum("...pq,...pq->...", s, v)[..., None, None]

    def parts(s: Array, v: Array) -> Array:
        return factor * s * product(s, v) + scales.bias

    tangent = None
    if encoded.tangent is not None and values.tangent is not None:
        s, v, s_tangent, v_tangent = encoded.cross, values.cross, encoded.tangent, values.tangent
        through = s * (4 * product(s, v) + product(s, v_tangent) + product(s_tangent, v))
        tangent = factor * (through + s_tangent * product(s, v)) + scales.bias
    return values.changed(
        cross=parts(encoded.cross, values.cross),
        within1=parts(encoded.within1, values.within1),
        within2=parts(encoded.within2, values.within2),
        tangent=tangent,
    )


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
    """Attention with an elementwise function φ of scores over √d: ReLU, absolute value.

    Scores S_i[p, k] and S_j[q, l] are jointly Gaussian in the limit, with covariance
    QK² K_ij[p, q] K_ij[k, l], so that K′_pq = OV² Σ_kl V_kl E φ(S[p, k])φ(S[q, l]) + b² has a
    closed form where E φφ has one. This gives E G V Gᵀ with its tangent, both still without the
    scale of the values and the bias.
    """
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
