"""Arrays as users hand them in, of which some are being traced and have no numbers yet."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.arguments import real_array


def given_array(name: str, values: object) -> Array:
    """`values` as an array of JAX's, in their own precision; whole numbers become floats.

    Raises ValueError for what does not hold real numbers.
    """
    if isinstance(values, jax.Array):
        if jnp.issubdtype(values.dtype, jnp.complexfloating):
            raise ValueError(f"expected {name} to be real numbers, got {values.dtype}")
        return values
    try:
        found = np.asarray(values)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
        return jnp.asarray(values)  # a list that holds traced numbers
    except (TypeError, ValueError):
        found = None  # and what is wrong with it is said below
    checked = real_array(name, values)
    return jnp.asarray(checked if found is None or found.dtype.kind != "f" else found)
