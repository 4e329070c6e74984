"""Which positions of which inputs are masked: there is nothing there, and features are 0.

A mask travels beside the features, [point, position, …], True where nothing is; None where there
is no mask.
"""

from typing import TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bnnpost.networks.errors import LayerError

Masked: TypeAlias = Bool[Array, "n *g"] | None
# Features, and which positions of them are masked.
Carried: TypeAlias = tuple[Array, Masked]


def zeroed(x: Float[Array, "n *g c"], mask: Masked) -> Float[Array, "n *g c"]:
    """Features with 0 at masked positions."""
    return x if mask is None else jnp.where(mask[..., None], 0, x)


def pointwise(outputs: Array, mask: Masked) -> Carried:
    """Outputs of a layer that keeps positions, with 0 at masked ones.

    Raises LayerError where positions are others.
    """
    if mask is not None and outputs.shape[:-1] != mask.shape:
        raise other_positions()
    return zeroed(outputs, mask), mask


def other_positions() -> LayerError:
    """For a layer that has not said what becomes of masked positions."""
    return LayerError(
        "expected a layer that keeps the positions of its inputs, some of which are masked: one "
        "that does not must say what becomes of them, in carry and in covariance"
    )


def num_visible(mask: Bool[Array, "n *g"], dtype: jnp.dtype) -> Float[Array, " n"]:
    """How many positions each input has that are not masked; 1 where all are."""
    counts = jnp.sum(~mask, axis=tuple(range(1, mask.ndim)))
    return jnp.maximum(counts, 1).astype(dtype)
