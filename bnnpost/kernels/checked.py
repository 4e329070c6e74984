"""Inputs and results of kernels, checked; and networks that do not converge to theirs."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.networks.attention import fixed_heads
from bnnpost.networks.composites import Branches
from bnnpost.networks.layers import Layer, parts_of, require_network
from bnnpost.numerics.given import given_array

# Entries looked at while they are in the cache.
_AT_ONCE = 2**16


class HeadsWarning(UserWarning):
    """The network with its number of heads does not converge to the kernel that was asked for."""


def warn_of_heads(network: Layer) -> None:
    """Warns with HeadsWarning where scores over √d meet a fixed number of heads."""
    heads = fixed_heads(network)
    if heads:
        named = " and ".join(f"{count} head{'s' * (count > 1)}" for count in heads)
        warnings.warn(
            f"attention with scores over √d and {named} does not converge to a Gaussian process "
            "as it grows wide: scores stay random, and outputs are a mixture over them (Hron et "
            "al. 2020). The kernel is that of a growing number of heads: use heads=None, which "
            "grows with the width, or scaling='linear', whose limit is Gaussian for any number",
            HeadsWarning,
            stacklevel=4,
        )


def check_branches(network: Layer, features: tuple[int, ...]) -> None:
    """Raise ShapeError where branches that are summed differ in shape, for inputs of this one.

    The limit would not tell: it knows no widths.
    """
    if parts_of(network, Branches):
        jax.eval_shape(
            lambda x: network.apply(network.init(jax.random.key(0), features), x),
            jnp.zeros((1, *features)),
        )


def checked_call(network: object, x1: object, x2: object | None) -> tuple[Layer, Array, Array]:
    """A network, and both lists of inputs: x1 twice where there is no x2.

    Raises TypeError for another network, ValueError as `checked_inputs` and where shapes differ.
    """
    known, first = require_network(network), checked_inputs("x1", x1)
    second = first if x2 is None else checked_inputs("x2", x2)
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"expected one shape of inputs, got {list(first.shape[1:])} in x1 and "
            f"{list(second.shape[1:])} in x2"
        )
    return known, first, second


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
