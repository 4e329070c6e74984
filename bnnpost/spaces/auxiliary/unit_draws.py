"""Hidden units drawn one by one, in batches of trials of which some are kept."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# A batch of trial units, by the number of the batch.
Draw: TypeAlias = Callable[[Array], "Units"]
# Arrays of a layer's units by name, units last.
Arrays: TypeAlias = dict[str, Array]


class Units(NamedTuple):
    """Units from the prior: the random arrays behind them, and their outputs times w_std.

    Where outputs grow with the radius of the normals behind them, they are those at R = 1.
    """

    arrays: Arrays
    features: Float[Array, "n u"]

    def with_radii_over(self, room: Float[Array, " u"] | float) -> Arrays:
        """The arrays, all of them normals, with their squared radii divided."""
        if not isinstance(room, jax.Array):
            return self.arrays
        return {name: (a / jnp.sqrt(room)).astype(a.dtype) for name, a in self.arrays.items()}


class UnitTrial(NamedTuple):
    """Which units of a batch are kept, and their arrays."""

    kept: Bool[Array, " u"]
    arrays: Arrays


def energies(features: Float[Array, "n u"], vectors: Float[Array, "n k"], width: int) -> Array:
    """X = Σ (φ·v)²/2N of each unit, over the columns v. [u]"""
    return jnp.sum((vectors.T @ features) ** 2, axis=0) / (2 * width)


def kept_units(trial: Callable[[Array], UnitTrial], width: int, wanted: Array | bool) -> Arrays:
    """The first `width` units that are kept, of as many batches as that takes.

    trial: a batch, by its number. wanted: whether any are; else zeros.
    """
    example = jax.eval_shape(lambda: trial(jnp.uint32(0)).arrays)
    size = jax.tree.leaves(example)[0].shape[-1]
    empty = jax.tree.map(lambda a: jnp.zeros((*a.shape[:-1], width + size), a.dtype), example)

    def more(state: tuple[Array, Array, Arrays]) -> Array:
        return state[1] < jnp.where(wanted, width, 0)

    def add(state: tuple[Array, Array, Arrays]) -> tuple[Array, Array, Arrays]:
        number, filled, held = state
        kept, arrays = trial(number)
        places = jnp.nonzero(kept, size=size, fill_value=0)[0]

        def put(array: Array, new: Array) -> Array:
            # What follows those kept is overwritten by the next.
            return jax.lax.dynamic_update_slice_in_dim(array, new[..., places], filled, -1)

        return number + 1, filled + jnp.sum(kept), jax.tree.map(put, held, arrays)

    start = jnp.uint32(0), jnp.zeros((), jnp.int64), empty
    _, _, held = jax.lax.while_loop(more, add, start)
    return jax.tree.map(lambda a: a[..., :width], held)
