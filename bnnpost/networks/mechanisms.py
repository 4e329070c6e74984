"""What attention makes of its scores."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

MECHANISMS: Mapping[str, Callable[[Array], Array]] = {
    "softmax": lambda scores: jax.nn.softmax(scores, axis=-1),
    "identity": lambda scores: scores,
    "relu": jax.nn.relu,
    "abs": jnp.abs,
}


def attend(
    mechanism: str, scores: Float[Array, "n *h p p"], mask: Bool[Array, "n p"] | None = None
) -> Float[Array, "n *h p p"]:
    """What multiplies the values, from scores whose last axis is that of keys; 0 at masked ones."""
    if mask is None:
        return MECHANISMS[mechanism](scores)
    hidden = mask.reshape(len(mask), *(1,) * (scores.ndim - 2), -1)
    lowest = jnp.finfo(scores.dtype).min if mechanism == "softmax" else 0.0
    return jnp.where(hidden, 0.0, MECHANISMS[mechanism](jnp.where(hidden, lowest, scores)))
