"""Inputs and results of kernels, checked."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.networks.composites import FanInSum, Residual
from bnnpost.networks.layers import Layer
from bnnpost.numerics.given import given_array

# Entries looked at while they are in the cache.
_AT_ONCE = 2**16


def check_branches(network: Layer, features: tuple[int, ...]) -> None:
    """Raise ShapeError where branches that are summed differ in shape, for inputs of this one.

    The limit would not tell: it knows no widths.
    """

    def is_sum(node: object) -> bool:
        return isinstance(node, Residual | FanInSum)

    if any(map(is_sum, jax.tree.leaves(network, is_leaf=is_sum))):
        jax.eval_shape(
            lambda x: network.apply(network.init(jax.random.key(0), features), x),
            jnp.zeros((1, *features)),
        )


def checked_inputs(name: str, x: object) -> Array:
    """x as a floating array [point, …, feature], at least one of each, all finite.

    Raises ValueError for anything else.
    """
    x = given_array(name, x)
    x = x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.result_type(float))
    if x.ndim < 2 or 0 in x.shape:
        raise ValueError(
            f"expected {name} of shape [point, feature] (or [point, position, …, channel]) with at "
            f"least one of each, got {x.shape}"
        )
    try:
        finite = bool(jnp.all(jnp.isfinite(x)))
    except jax.errors.ConcretizationTypeError:
        return x  # traced: the values are not known yet
    if not finite:
        raise ValueError(f"expected finite numbers in {name}, got NaN or infinity")
    return x


def checked_kernel(kernel: Array) -> Array:
    """The kernel; raises ValueError if it is not finite."""
    try:
        numbers = np.asarray(kernel)
    except jax.errors.TracerArrayConversionError:
        return kernel  # traced: the values are not known yet
    rows = max(1, _AT_ONCE // numbers.shape[1])
    finite = all(
        np.all(np.isfinite(part)) for part in np.split(numbers, range(rows, len(numbers), rows))
    )
    if not finite:
        raise ValueError(
            "the kernel is not finite: an activation grows so fast that its second moment is "
            "infinite, or overflows, at these inputs (exp, gaussian with b > 0, high powers)"
        )
    return kernel
