"""Kernels as they are computed: tile by tile, or as a part of a larger program."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.kernels.maps import evaluated, in_steps, num_positions
from bnnpost.kernels.tiles import gram
from bnnpost.networks.attention import draws_scores
from bnnpost.networks.layers import Layer

# Up to this many positions of all inputs, attention's scores are drawn for all of them at once.
_DRAWN_TOGETHER = 1024


def self_kernel(
    network: Layer, x: Float[Array, "n *f"], key: Array | None = None, tangent: bool = False
) -> Float[Array, "n n"]:
    """`nngp` (or `ntk`) of x with itself, nothing checked: no warning, and entries may be infinite.

    Exactly symmetric, with the variances (whose formula is the more exact) on the diagonal.
    """
    # The limit does not depend on widths: one program serves them all.
    network = network.at_width(1)
    if _drawn_together(network, x, len(x), key):
        found = evaluated(network, x, x, key, tangent=tangent, together=True)
    elif _is_known((network, x, key)):
        return gram(network, x, None, key, tangent=tangent)
    else:
        found = in_steps(network, x, x, key, tangent=tangent)
    # Mirrored outside the compiled part, which would compute either triangle anew, each with a
    # rounding of its own.
    symmetric = jnp.triu(found.last) + jnp.triu(found.last, 1).T
    if tangent:
        return symmetric
    return jnp.where(jnp.eye(x.shape[0], dtype=bool), found.variances, symmetric)


def cross_kernel(
    network: Layer,
    x1: Float[Array, "n1 *f"],
    x2: Float[Array, "n2 *f"],
    key: Array | None = None,
    tangent: bool = False,
) -> Float[Array, "n1 n2"]:
    """`nngp` (or `ntk`) of two lists of inputs, nothing checked."""
    network = network.at_width(1)
    dtype = jnp.promote_types(x1.dtype, x2.dtype)
    x1, x2 = x1.astype(dtype), x2.astype(dtype)
    if _drawn_together(network, x1, len(x1) + len(x2), key):
        both = jnp.concatenate([x1, x2])
        found = evaluated(network, both, both, key, tangent=tangent, together=True)
        return found.last[: len(x1), len(x1) :]
    if _is_known((network, x1, x2, key)):
        return gram(network, x1, x2, key, tangent=tangent)
    return in_steps(network, x1, x2, key, tangent=tangent).last


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
