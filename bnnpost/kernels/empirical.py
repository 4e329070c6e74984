"""Kernels by Monte Carlo: of a finite network over its prior, and the error of estimated limits."""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.kernels.checked import checked_call, checked_kernel
from bnnpost.kernels.gram import Inputs, nngp
from bnnpost.kernels.tangents import tangent_kernel
from bnnpost.networks.errors import ShapeError
from bnnpost.networks.layers import Layer, num_parameters
from bnnpost.networks.linear import linear_layers
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key

# Numbers that draws which are looked at together keep (2^22 doubles are 32 MiB).
_NUMBERS_AT_ONCE = 2**22


class EmpiricalKernel(NamedTuple):
    """The mean over draws of a finite network's kernel, and the mean's standard error."""

    mean: Float[np.ndarray, "n1 n2"]
    standard_error: Float[np.ndarray, "n1 n2"]


def empirical_nngp(
    key: Array, network: Layer, x1: Inputs, x2: Inputs | None = None, *, num_draws: int
) -> EmpiricalKernel:
    """E f(x) f(x′) of a network as wide as it is, by draws from its prior, in double precision.

    Each draw of the parameters gives one kernel, the mean over output units; a wide readout
    makes it more exact at hardly any cost. x1 [n1, d], x2 [n2, d] (default: x1), or with positions
    as in `nngp`. The expectation differs from `nngp` by a term of order 1/width.
    Returns their `mean` and its `standard_error`, each [n1, n2]. The same key gives the same draws.
    Raises TypeError for a key that is not typed, ValueError for
    wrong shapes, values that are not finite and num_draws below 2.
    """
    return _mean_over_draws(key, network, x1, x2, num_draws, tangent=False)


def empirical_ntk(
    key: Array, network: Layer, x1: Inputs, x2: Inputs | None = None, *, num_draws: int
) -> EmpiricalKernel:
    """E Σ_θ ∂f(x)/∂θ ∂f(x′)/∂θ of a network as wide as it is; the rest as in `empirical_nngp`.

    θ are weights and biases before w_std/√fan_in and b_std multiply them (Jacot et al. 2018); those
    that are `Fixed`, and random scales, do not count. A draw costs a forward pass, and for each
    output unit a backward one and products, for every pair of points, of what enters each linear
    layer and of the derivatives by what leaves it. Layers must act on each point by itself.
    Raises what `empirical_nngp` does, and ValueError where JAX cannot differentiate an activation.
    """
    return _mean_over_draws(key, network, x1, x2, num_draws, tangent=True)


@in_double_precision
def _mean_over_draws(
    key: Array, network: Layer, x1: object, x2: object | None, num_draws: int, *, tangent: bool
) -> EmpiricalKernel:
    require_key(key)
    if positive_integer("num_draws", num_draws) < 2:
        raise ValueError("expected num_draws to be at least 2, for a standard error, got 1")
    network, *lists = checked_call(network, x1, x2)
    first, second = (x.astype(jnp.float64) for x in lists)
    mean, squares = np.zeros((2, len(first), len(second)))
    count, other = 0, None if x2 is None else second
    for keys in _batches(key, num_draws, _batch_size(key, network, first, len(second))):
        drawn = np.asarray(_kernels(keys, network, first, other, tangent))
        # Sums of squares about the mean so far, joined with those of the new draws (Chan 1983).
        count, before = count + len(drawn), count
        shift = np.mean(drawn, axis=0) - mean
        squares = squares + len(drawn) * (np.var(drawn, axis=0) + shift**2 * before / count)
        mean = mean + shift * len(drawn) / count
    checked_kernel(jnp.asarray(mean))
    return EmpiricalKernel(mean, np.sqrt(squares / (count - 1) / count))


def _batches(key: Array, num_draws: int, size: int) -> Iterator[Array]:
    for start in range(0, num_draws, size):
        numbers = jnp.arange(start, min(start + size, num_draws), dtype=jnp.uint32)
        yield jax.vmap(functools.partial(jax.random.fold_in, key))(numbers)


def _batch_size(key: Array, network: Layer, x: Array, others: int) -> int:
    """How many draws at once, at x and so many other points.

    Raises ShapeError where outputs are not [point, unit].
    """

    def passed(key: Array) -> Array:
        return network.apply(network.init(key, x.shape[1:]), x)

    outputs = jax.eval_shape(passed, key)
    if len(outputs.shape) != 2:
        raise ShapeError(
            f"expected a network whose outputs are [point, unit], got outputs of shape "
            f"{list(outputs.shape[1:])} a point: gather positions with Flatten or GlobalAvgPool"
        )
    return max(1, _NUMBERS_AT_ONCE // _numbers(network, x.shape[1:], len(x), others))


def _numbers(network: Layer, features: tuple[int, ...], n1: int, n2: int) -> int:
    """Those that one draw keeps.

    Parameters; what enters and leaves each linear layer, and derivatives by the latter; and of one
    layer products of all pairs of positions, or derivatives by its weights.
    """
    layers = linear_layers(network, features)
    passing = sum(met.rows * (met.fan_in + 2 * met.layer.width) for met in layers)
    pairs = max(
        min(n1 * n2 * met.rows**2, (n1 + n2) * met.fan_in * met.layer.width) for met in layers
    )
    return num_parameters(network, features) + (n1 + n2) * passing + 2 * pairs


@functools.partial(jax.jit, static_argnames="tangent")
def _kernels(
    keys: Array, network: Layer, x1: Array, x2: Array | None, tangent: bool
) -> Float[Array, "b n1 n2"]:
    """One kernel for each key; x2 None: of x1 with itself."""

    def one(key: Array) -> Array:
        parameters = network.init(key, x1.shape[1:])
        if tangent:
            return tangent_kernel(network, parameters, x1, x2)
        outputs1 = network.apply(parameters, x1)
        outputs2 = outputs1 if x2 is None else network.apply(parameters, x2)
        return jnp.matmul(outputs1, outputs2.T, precision="highest") / outputs1.shape[-1]

    return jax.vmap(one)(keys)


def monte_carlo_error(
    network: Layer,
    x1: Inputs,
    x2: Inputs | None = None,
    *,
    key: Array,
    kernel: Callable[..., Array] = nngp,
    num_kernels: int = 16,
) -> Float[np.ndarray, "n1 n2"]:
    """The standard error of each entry of one kernel, by Monte Carlo from a key.

    Spread of `num_kernels` kernels with keys of their own, split from `key`: it takes as long as
    they do, and is itself known to a factor 1 ± 1/√(2·num_kernels − 2). It halves with four times
    the `num_draws` of attention. kernel: `bnnpost.nngp` or `bnnpost.ntk`. 0, to rounding, where
    nothing is drawn. Raises TypeError for a legacy key, ValueError for fewer than two kernels,
    and as `kernel` does.
    """
    if num_kernels < 2:
        raise ValueError(f"expected num_kernels to be at least 2, got {num_kernels}")
    keys = jax.random.split(require_key(key), num_kernels)
    found = [np.asarray(kernel(network, x1, x2, key=each)) for each in keys]
    return np.std(found, axis=0, ddof=1)
