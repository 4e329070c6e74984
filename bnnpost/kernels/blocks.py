"""Kernel maps evaluated in blocks of rows."""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.networks.attention_parts import draws_scores, with_sampling
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import LayerError, ShapeError
from bnnpost.networks.layers import Layer, Serial
from bnnpost.networks.pooling import Reshape
from bnnpost.networks.units import entering

# Entries of the kernel computed at once (2^22 doubles are 32 MiB an intermediate array).
_ENTRIES_AT_ONCE = 2**22
# Up to this many positions of all inputs, attention's scores are drawn for all of them at once.
_DRAWN_TOGETHER = 1024


def self_kernel(
    network: Layer, x: Float[Array, "n *f"], key: Array | None = None, tangent: bool = False
) -> Float[Array, "n n"]:
    """`nngp` (or `ntk`) of x with itself, nothing checked: no warning, and entries may be infinite.

    Exactly symmetric, with the variances (whose formula is the more exact) on the diagonal.
    Mirrored outside the compiled part, which would compute either triangle anew, each with a
    rounding of its own.
    """
    k = in_blocks(network, x, x, key, tangent)
    kernel = tangent_of(k) if tangent else k.cross
    symmetric = 0.5 * (kernel + kernel.T)
    if tangent:
        return symmetric
    return jnp.where(jnp.eye(x.shape[0], dtype=bool), k.variances1, symmetric)


@functools.partial(jax.jit, static_argnames=("tangent", "together"))
def _covariance(
    network: Layer, x1: Array, x2: Array, key: Array | None, tangent: bool, together: bool = False
) -> Covariance:
    if key is not None and draws_scores(network):
        key, score_key = jax.random.split(key)
        network = with_sampling(network, score_key, together)
    return network.covariance(entering(network, x1, x2, key, tangent=tangent))


def in_blocks(
    network: Layer, x1: Array, x2: Array, key: Array | None, tangent: bool = False
) -> Covariance:
    """The covariances between two lists of inputs, a block of rows at a time.

    Where scores of attention are drawn, those of both lists are drawn as one list if it is short
    enough, else those of two inputs at a time: neither depends on the blocks. Raises ShapeError for
    a network whose outputs have positions.
    """
    # The limit does not depend on widths: one program serves them all.
    network = network.at_width(1)
    if draws_scores(network) and key is not None:
        x = x1 if x2 is x1 else jnp.concatenate([x1, x2])
        if len(x) * _positions(network, x) <= _DRAWN_TOGETHER:
            return _part(_covariance(network, x, x, key, tangent, together=True), x1, x2)
    rows = max(1, _ENTRIES_AT_ONCE // (x2.shape[0] * _pairs_of_positions(network, x1)))
    starts = range(0, x1.shape[0], rows)
    parts = [_covariance(network, x1[i : i + rows], x2, key, tangent) for i in starts]
    _without_positions(parts[0])
    tangents = [part.tangent for part in parts if part.tangent is not None]
    return Covariance(
        jnp.concatenate([part.cross for part in parts]),
        jnp.concatenate([part.variances1 for part in parts]),
        parts[0].variances2,
        tangent=jnp.concatenate(tangents) if tangents else None,
    )


def _without_positions(k: Covariance) -> None:
    if k.grid:
        raise ShapeError(
            f"expected a network with one output a point, got outputs at positions "
            f"{list(k.grid)}: gather them with Flatten or GlobalAvgPool before the readout"
        )


def _part(k: Covariance, x1: Array, x2: Array) -> Covariance:
    """Between two lists that follow one another, or that are one and the same, in k."""
    _without_positions(k)
    rows, columns = slice(None, len(x1)), slice(-len(x2), None)
    tangent = None if k.tangent is None else k.tangent[rows, columns]
    variances = k.variances1
    return Covariance(k.cross[rows, columns], variances[rows], variances[columns], tangent=tangent)


def tangent_of(k: Covariance) -> Array:
    """The tangent kernel. Raises LayerError where a layer has lost it."""
    if k.tangent is None:
        raise LayerError(
            "a layer of yours gives no tangent kernel: expected its kernel map to set `tangent` of "
            "the Covariance where that of its input has one (`changed` and `affine` keep it)"
        )
    return k.tangent


def _pairs_of_positions(network: Layer, x: Array) -> int:
    """Covariances that are followed for each pair of inputs."""
    positions = _positions(network, x)
    return positions**2 if network.needs_all_pairs(False) else positions


def _positions(network: Layer, x: Array) -> int:
    """How many there are in what enters the first layer that gives no other shape."""
    layers = network.flattened() if isinstance(network, Serial) else (network,)
    shape = x.shape
    for layer in layers:
        if not isinstance(layer, Reshape):
            break
        shape = (len(x), *layer.shape)
    return math.prod(shape[1:-1])
