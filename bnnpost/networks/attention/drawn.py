"""Softmax attention with scores over √d, whose limit is estimated from drawn scores.

With independent queries and keys the scores S of one head are jointly Gaussian in the limit (Hron
et al. 2020, section 3), E S_i[p, k] S_j[q, l] = QK² K_ij[p, q] K_ij[k, l]. With K = C Cᵀ over the
positions of several inputs at once, and Z a square matrix of standard normals, S_i = QK C_i Z C_iᵀ
has exactly that law: no covariance of n p² scores is ever factorised.

Below, G are softmaxes of S; p, q are positions that attend, k, l those that are attended to. Each
draw of Z is used with its negative, which has the same law: what is odd in S cancels.
"""

from typing import NamedTuple, TypeAlias, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bnnpost.networks.attention.kernel_maps import attend, from_left, from_right
from bnnpost.networks.covariance import Covariance
from bnnpost.numerics.linalg import ZERO_PIVOT, nested_factor
from bnnpost.numerics.random import row_normals

_Part = TypeVar("_Part")
# The covariance within one input, and which of its positions are masked.
_Within: TypeAlias = tuple[Array, Array | None]
# A pivot within this many units of rounding of 0 is 0.
_ROUNDINGS = 500
# Entries of one intermediate array, and draws, that are worked on at once.
_ENTRIES_AT_ONCE, _DRAWS_AT_ONCE = 2**18, 64


class Sampling(eqx.Module):
    """From which key scores are drawn, and for which inputs at once.

    together: the two lists of inputs are one and the same, whose scores are drawn jointly, so that
    the estimate is positive semidefinite; if not, those of two inputs at a time are, from the
    same normals for every pair.
    """

    key: Array
    together: bool = eqx.field(static=True)


class Parts(NamedTuple):
    """Covariances of what values and scores are made of, and their tangents if there are any."""

    values: Float[Array, "n1 n2 p p"]
    scores: Float[Array, "n1 n2 p p"]
    value_tangent: Float[Array, "n1 n2 p p"] | None = None
    score_tangent: Float[Array, "n1 n2 p p"] | None = None


class Side(NamedTuple):
    """What scores of a list of inputs are made from, and which positions are masked, if any are."""

    roots: Float[Array, "n p r"]
    mask: Bool[Array, "n p"] | None


class Attended(NamedTuple):
    """E G V Gᵀ, and the tangent that belongs to it, between two lists of inputs."""

    cross: Float[Array, "n1 n2 p p"]
    tangent: Float[Array, "n1 n2 p p"] | None


def estimated(
    sampling: Sampling | None,
    num_draws: int,
    encoded: Covariance,
    values: Covariance,
    score_std: Array,
) -> Covariance:
    """E G V Gᵀ with its tangent, both still without the scale of the values and the bias.

    Raises TypeError where there is no key to draw from.
    """
    if sampling is None:
        raise TypeError(
            "the kernel of softmax attention with scores over √d is a Monte Carlo estimate: pass "
            "key=jax.random.key(0), the same for everything to be compared"
        )
    # Scores that are scaled here need no factor further on.
    scores = encoded.affine(score_std, jnp.zeros((), score_std.dtype))
    parts = Parts(values.cross, scores.cross)
    if values.tangent is not None:
        parts = parts._replace(value_tangent=values.tangent, score_tangent=scores.tangent)
    if sampling.together:
        return _of_one_list(sampling.key, num_draws, values, parts)
    return _of_pairs(sampling.key, num_draws, values, scores, parts)


def _of_one_list(key: Array, num_draws: int, values: Covariance, parts: Parts) -> Covariance:
    """From scores of all inputs at once."""
    n, p = parts.scores.shape[1:3]
    joint = parts.scores.transpose(0, 2, 1, 3).reshape(n * p, n * p)
    side = Side(_root(joint).reshape(n, p, n * p), values.mask1)
    found = _mean(key, num_draws, side, side, parts)
    within = found.cross[jnp.arange(n), jnp.arange(n)]
    return values.changed(cross=found.cross, within1=within, within2=within, tangent=found.tangent)


def _of_pairs(
    key: Array, num_draws: int, values: Covariance, scores: Covariance, parts: Parts
) -> Covariance:
    """From scores of two inputs at a time, and of each by itself where it meets itself.

    The mean over both orders of the two, which are drawn in turn.
    """
    n1, n2, p, _ = parts.values.shape

    def pair(inputs: tuple[_Within, _Within, Parts]) -> Attended:
        (within1, mask1), (within2, mask2), between = inputs
        joint = jnp.block([[within1, between.scores], [between.scores.T, within2]])
        roots = _root(joint).reshape(2, p, 2 * p)
        sides = Side(roots[:1], _listed(mask1)), Side(roots[1:], _listed(mask2))
        return _single(_mean(key, num_draws, *sides, _listed(_listed(between))))

    def alone(inputs: tuple[_Within, Array]) -> Array:
        (within, mask), value = inputs
        side = Side(_listed(_root(within)), _listed(mask))
        parts = _listed(_listed(Parts(value, within)))
        return _single(_mean(key, num_draws, side, side, parts)).cross

    batch = max(1, _ENTRIES_AT_ONCE // (_draws_at_once(num_draws, 2 * p) * p**2))
    lists = (scores.within1, scores.mask1), (scores.within2, scores.mask2)
    firsts = jax.tree.map(lambda a: jnp.repeat(a, n2, axis=0), lists[0])
    seconds = jax.tree.map(lambda a: jnp.concatenate([a] * n1), lists[1])
    forth = jax.tree.map(lambda a: a.reshape(-1, p, p), parts)
    back = jax.tree.map(_transposed, forth)
    both = jax.tree.map(
        lambda a, b: jnp.concatenate([a, b]), (firsts, seconds, forth), (seconds, firsts, back)
    )
    found = jax.tree.map(
        lambda a: 0.5 * (a[: n1 * n2] + _transposed(a[n1 * n2 :])).reshape(n1, n2, p, p),
        jax.lax.map(pair, both, batch_size=batch),
    )
    within1, within2 = (
        jax.lax.map(alone, (side, value), batch_size=batch)
        for side, value in zip(lists, (values.within1, values.within2), strict=True)
    )
    return values.changed(
        cross=found.cross, within1=within1, within2=within2, tangent=found.tangent
    )


def _transposed(a: Array) -> Array:
    return jnp.swapaxes(a, 1, 2)


def _listed(part: _Part) -> _Part:
    """Of one input as of a list of one."""
    return jax.tree.map(lambda a: a[None], part)


def _single(estimate: Attended) -> Attended:
    return jax.tree.map(lambda a: a[0, 0], estimate)


def _root(covariance: Float[Array, "m m"]) -> Float[Array, "m m"]:
    """C, whose first rows and columns do not depend on what comes after them."""
    rounding = _ROUNDINGS * float(jnp.finfo(covariance.dtype).eps)
    order = jnp.arange(covariance.shape[0])
    return nested_factor(covariance, order, zero_pivot=max(ZERO_PIVOT, rounding)).matrix


def _draws_at_once(num_draws: int, rank: int) -> int:
    """A divisor of the number of draws."""
    wanted = min(_DRAWS_AT_ONCE, max(1, _ENTRIES_AT_ONCE // rank**2))
    return next(count for count in range(wanted, 0, -1) if num_draws % count == 0)


def _mean(
    key: Array,
    num_draws: int,
    side1: Side,
    side2: Side,
    parts: Parts,
) -> Attended:
    """The mean over draws; each depends on the key, its number and the roots alone."""
    p, rank = side1.roots.shape[1:]
    dtype = side1.roots.dtype
    count, signs = _draws_at_once(num_draws, rank), jnp.array([1, -1], dtype)

    def one(number: Array) -> Attended:
        normals = _normals(jax.random.fold_in(key, number), rank // p, p, dtype)
        scores1, scores2 = (_scores(side.roots, normals) for side in (side1, side2))

        def signed(sign: Array) -> Attended:
            g1 = attend("softmax", sign * scores1, side1.mask)
            return _attended(g1, attend("softmax", sign * scores2, side2.mask), parts)

        return jax.vmap(signed)(signs)

    @jax.checkpoint
    def add(total: Attended, numbers: Array) -> tuple[Attended, None]:
        several = jax.vmap(one)(numbers)
        return jax.tree.map(lambda a, b: a + jnp.sum(b, axis=(0, 1)), total, several), None

    zeros = jnp.zeros_like(parts.values)
    start = Attended(zeros, None if parts.value_tangent is None else zeros)
    numbers = jnp.arange(num_draws, dtype=jnp.uint32).reshape(-1, count)
    total = jax.lax.scan(add, start, numbers)[0]
    return jax.tree.map(lambda a: a / (2 * num_draws), total)


def _normals(key: Array, num_blocks: int, p: int, dtype: jnp.dtype) -> Float[Array, "r r"]:
    """Standard normals, in blocks [p, p] that depend on the key and their place alone."""
    places = jnp.arange(num_blocks, dtype=jnp.uint32)
    rows = jax.vmap(
        lambda place: row_normals(jax.random.fold_in(key, place), num_blocks, p * p, dtype)
    )(places)
    blocks = rows.reshape(num_blocks, num_blocks, p, p)
    return blocks.transpose(0, 2, 1, 3).reshape(num_blocks * p, num_blocks * p)


def _scores(roots: Float[Array, "n p r"], normals: Float[Array, "r r"]) -> Float[Array, "n p p"]:
    first = jnp.einsum("npr,rs->nps", roots, normals, precision="highest")
    return jnp.einsum("nps,nks->npk", first, roots, precision="highest")


def _attended(g1: Array, g2: Array, parts: Parts) -> Attended:
    """G V G′ᵀ, and the tangent, of one draw.

    Tangent: G (Θ_V + 2V) G′ᵀ, for the values and the weights on either side of them, and, with J
    the Jacobian of a softmax, J (V ∘ Θ_S) J′ᵀ for the scores, whose own tangent is
    Θ_S = K_pq (K + Θ)_kl + (K + Θ)_pq K_kl.
    """
    both = g1, g2
    cross = _between(*both, parts.values)
    if parts.value_tangent is None or parts.score_tangent is None:
        return Attended(cross, None)
    k, total = parts.scores, parts.scores + parts.score_tangent
    of_values = _between(*both, parts.value_tangent) + 2 * cross
    of_scores = k * _jacobians(*both, parts.values, total, cross)
    of_scores = of_scores + total * _jacobians(*both, parts.values, k, cross)
    return Attended(cross, of_values + of_scores)


def _between(g1: Array, g2: Array, k: Array) -> Array:
    return from_right(from_left(g1, k), g2)


def _jacobians(g1: Array, g2: Array, v: Array, k: Array, attended: Array) -> Array:
    """Σ J_p[m, k] V[m, n] J′_q[n, l] K[k, l] over k, l, m, n; J_p = diag(g_p) − g_p g_pᵀ.

    attended: G V G′ᵀ.
    """
    same = _between(g1, g2, v * k)
    first = from_left(g1, from_right(v, g2) * from_right(k, g2))
    second = from_right(from_left(g1, v) * from_left(g1, k), g2)
    return same - first - second + attended * _between(g1, g2, k)
