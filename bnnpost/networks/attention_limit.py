"""The kernel map of self-attention (Hron et al. 2020, sections 3 and 4).

Below, S and V are the covariances of what scores and values are made of (the features, with their
encodings where they have them), QK the product of the stds of keys and queries, OV that of values
and readout; sums go over positions. Tangents count every matrix of weights once.
"""

from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from bnnpost.networks.attention_drawn import drawn
from bnnpost.networks.attention_elementwise import elementwise
from bnnpost.networks.closed_forms import PiecewiseLinear
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.nonlinearities import cast

if TYPE_CHECKING:
    from bnnpost.networks.attention import SelfAttention


# Mechanisms that act on each score by itself.
_ELEMENTWISE = {"relu": PiecewiseLinear(0.0, 1.0), "abs": PiecewiseLinear(-1.0, 1.0)}


class Scales(NamedTuple):
    """Products of standard deviations, squared where they enter so, and the bias's variance."""

    scores: Array
    values: Array
    bias: Array


def covariance(layer: "SelfAttention", k: Covariance) -> Covariance:
    """The covariance of one output unit at all pairs of positions."""
    encoded = k if layer.positions is None else layer.positions.covariance(k)
    encoded = encoded.hidden()
    values = encoded if layer.positions is not None and layer.positions.in_values else k
    scales = _scales(layer, k.cross)
    if layer.tied:
        found = _deterministic(layer, encoded, values, scales)
    elif layer.mechanism == "identity":
        found = _bilinear(encoded, values, scales)
    elif layer.mechanism == "softmax":
        found = _scaled(drawn(layer, encoded, values, scales.scores), scales)
    else:
        function = _ELEMENTWISE[layer.mechanism]
        found = _scaled(elementwise(function, encoded, values, scales.scores), scales)
    return found.changed(units="gaussian", grid=k.grid, all_pairs=True, renewed=True)


def _scales(layer: "SelfAttention", like: Array) -> Scales:
    stds = [cast(part.w_std, like) for part in (layer.key, layer.query, layer.value, layer.out)]
    bias = jnp.zeros((), like.dtype) if layer.out.b_std is None else cast(layer.out.b_std, like)
    return Scales(stds[0] * stds[1], (stds[2] * stds[3]) ** 2, bias**2)


def _scaled(attended: Covariance, scales: Scales) -> Covariance:
    """OV² times what was attended to, and the bias, which the tangent has as well."""
    found = attended.affine(scales.values, scales.bias)
    if found.tangent is None:
        return found
    return found.changed(tangent=found.tangent + scales.bias)


def _deterministic(
    layer: "SelfAttention", encoded: Covariance, values: Covariance, scales: Scales
) -> Covariance:
    """Scores over the key dimension become QK·S(x, x): K′ = OV² G(x) V(x, x′) G(x′)ᵀ + b².

    The tangent has the same map, and twice K′ − b² for the weights of values and of the readout.
    """
    attend1, attend2 = (
        layer.attend(scales.scores * within, mask)
        for within, mask in (
            (encoded.within1, encoded.mask1),
            (encoded.within2, encoded.mask2),
        )
    )

    def attended(k: Array) -> Array:
        first = jnp.einsum("ipk,ijkl->ijpl", attend1, k, precision="highest")
        return scales.values * jnp.einsum("ijpl,jql->ijpq", first, attend2, precision="highest")

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


def _bilinear(encoded: Covariance, values: Covariance, scales: Scales) -> Covariance:
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
