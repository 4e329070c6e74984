"""What is computed of draws, a draw a time: functions that are compiled for blocks of them."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.networks.layers import Parameters
from bnnpost.numerics import gp
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import fold_number, row_normals
from bnnpost.spaces.completions import AS_FUNCTION, Completion
from bnnpost.spaces.sources import Origin, origin
from bnnpost.spaces.space import Space

Draw = Array | Origin
# Draws of which a function is computed together.
_AT_ONCE = 1024


def training_outputs(space: Space, draw: Draw) -> Array:
    return space.outputs(draw, None, AS_FUNCTION)


def outputs(space: Space, draw: Draw, x_test: Array, completion: Completion) -> Array:
    return all_outputs(space, draw, x_test, completion)[space.posterior.num_points :]


def all_outputs(space: Space, draw: Draw, x_test: Array, completion: Completion) -> Array:
    return space.outputs(draw, x_test, completion)


def mixture(space: Space, draw: Draw, x_test: Array, completion: Completion) -> tuple[Array, Array]:
    result: gp.Conditional = space.mixture(draw, x_test, completion)
    return result.mean, jnp.diagonal(result.covariance, axis1=1, axis2=2)


@dataclass(frozen=True)
class Redrawn:
    """f at test inputs of so many readouts drawn anew, from the law that `mixture` gives."""

    num_readouts: int

    def __call__(self, space: Space, draw: Draw, x_test: Array, completion: Completion) -> Array:
        law: gp.Conditional = space.mixture(draw, x_test, completion)
        key = fold_number(space.inner_key(origin(draw)[0]), jnp.asarray(completion.digest))
        shape = self.num_readouts, *law.mean.shape
        normals = row_normals(key, shape[0], law.mean.size, jnp.float64).reshape(shape)
        return gp.law_draws(law, normals, jnp.asarray(completion.order))


def outputs_and_mixture(
    space: Space, draw: Draw, x_test: Array, completion: Completion
) -> tuple[Array, Array, Array]:
    """Values at training and test points, and means and variances of what they are from."""
    values, law = space.outputs_and_law(draw, x_test, completion)
    return values, law.mean, jnp.diagonal(law.covariance, axis1=1, axis2=2)


def noise_std(space: Space, draw: Draw) -> Array:
    return jnp.sqrt(space.noise_variances(draw)[0, 0])


@jax.jit
def drawn_parameters(space: Space, draw: Draw) -> Parameters:
    return space.parameters(draw)


@in_double_precision
def of_each(
    function: Callable[[Array], Array], values: Float[np.ndarray, "s m k"]
) -> Float[np.ndarray, "s *shape"]:
    """A function of each draw's values, in double precision."""
    return np.asarray(jax.lax.map(function, jnp.asarray(values), batch_size=_AT_ONCE))
