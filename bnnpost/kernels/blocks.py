"""Kernels as they are computed: tile by tile, or as a part of a larger program."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.kernels.maps import Kind, LimitKernel, evaluated, in_steps, num_positions
from bnnpost.kernels.tiles import gram
from bnnpost.networks.attention import draws_scores
from bnnpost.networks.layers import Layer

# Up to this many positions of all inputs, attention's scores are drawn for all of them at once.
_DRAWN_TOGETHER = 1024


def self_kernel(
    network: Layer, x: Float[Array, "n *f"], key: Array | None = None
) -> Float[Array, "n n"]:
    """`nngp` of x with itself, nothing checked: no warning, and entries may be infinite.

    Exactly symmetric, with the variances (whose formula is the more exact) on the diagonal.
    """
    return kernels_of_one(network, x, key, ("nngp",))[0]


def kernels_of_one(
    network: Layer, x: Float[Array, "n *f"], key: Array | None, kinds: Sequence[Kind]
) -> list[Float[Array, "n n"]]:
    """`nngp` or `ntk` or both of x with itself, by one pass, as `self_kernel`."""
    # The limit does not depend on widths: one program serves them all.
    network = network.at_width(1)
    tangent = "ntk" in kinds
    if _drawn_together(network, x, len(x), key):
        found = evaluated(network, x, x, key, tangent=tangent, together=True)
    elif _is_known((network, x, key)):
        return gram(network, x, None, key, kinds)
    else:
        found = in_steps(network, x, x, key, tangent=tangent)
    return [_symmetric(found, kind) for kind in kinds]


def _symmetric(found: LimitKernel, kind: Kind) -> Array:
    """Mirrored outside the compiled part, which would round either triangle in its own way."""
    upper = found.of(kind)
    symmetric = jnp.triu(upper) + jnp.triu(upper, 1).T
    if kind == "ntk":
        return symmetric
    return jnp.where(jnp.eye(len(upper), dtype=bool), found.variances, symmetric)


def kernels_of_two(
    network: Layer,
    x1: Float[Array, "n1 *f"],
    x2: Float[Array, "n2 *f"],
    key: Array | None,
    kinds: Sequence[Kind],
) -> list[Float[Array, "n1 n2"]]:
    """`nngp` or `ntk` or both of two lists of inputs, by one pass, nothing checked."""
    network = network.at_width(1)
    dtype = jnp.promote_types(x1.dtype, x2.dtype)
    x1, x2 = x1.astype(dtype), x2.astype(dtype)
    tangent = "ntk" in kinds
    if _drawn_together(network, x1, len(x1) + len(x2), key):
        both = jnp.concatenate([x1, x2])
        found = evaluated(network, both, both, key, tangent=tangent, together=True)
        return [found.of(kind)[: len(x1), len(x1) :] for kind in kinds]
    if _is_known((network, x1, x2, key)):
        return gram(network, x1, x2, key, kinds)
    found = in_steps(network, x1, x2, key, tangent=tangent)
    return [found.of(kind) for kind in kinds]


def _drawn_together(network: Layer, x: Array, count: int, key: Array | None) -> bool:
    """Whether scores of attention are drawn for so many inputs like x at once."""
    if key is None or not draws_scores(network):
        return False
    return count * num_positions(network, x) <= _DRAWN_TOGETHER


def _is_known(arrays: object) -> bool:
    """Whether none of them is traced, and nor is what is computed from them here."""
    try:
        for array in (*jax.tree.leaves(arrays), jnp.zeros(())):
            if isinstance(array, jax.Array):
                array.devices()
    except jax.errors.ConcretizationTypeError:
        return False
    return True
