"""The tangent kernel of one finite network, layer by layer, from forward and backward passes.

With z_s = a_s W at the positions s of a linear layer, the derivative of an output unit f by W is
Σ_s a_sᵀ δ_s with δ = ∂f/∂z, and the layer's part of the kernel Σ_st (a_s·a′_t)(δ_s·δ′_t). As each
point's outputs depend on that point alone, one backward pass of f summed over points gives the δ of
all of them (structured derivatives; Novak, Sohl-Dickstein and Schoenholz 2022).
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.networks.layers import Layer, Parameters
from bnnpost.networks.linear import Linear

# Entries of derivatives by weights that are formed at once (2^22 doubles are 32 MiB).
_DERIVATIVES_AT_ONCE = 2**22


class _Side(NamedTuple):
    """a and δ of one linear layer, at the positions s of all points."""

    rows: Float[Array, "n s p"]
    slopes: Float[Array, "n s w"]


class _Lists(NamedTuple):
    """Which of the points are those of either list."""

    first: slice
    second: slice


def tangent_kernel(
    network: Layer,
    parameters: Parameters,
    x1: Float[Array, "n1 *f"],
    x2: Float[Array, "n2 *f"] | None,
) -> Float[Array, "n1 n2"]:
    """Σ_θ ∂f(x)/∂θ ∂f(x′)/∂θ over weights and biases that are random, its mean over output units.

    x2 None: of x1 with itself.
    """
    n1 = len(x1)
    x, lists = x1, _Lists(slice(n1), slice(n1))
    if x2 is not None:
        x, lists = jnp.concatenate([x1, x2]), _Lists(slice(n1), slice(n1, None))
    shifts = [jnp.zeros(z.shape, z.dtype) for z in _layer_outputs(network, parameters, x)]
    outputs, backward, layers = jax.vjp(
        lambda shifts: _passed(network, parameters, x, shifts), shifts, has_aux=True
    )

    def add(total: Array, unit: Array) -> tuple[Array, None]:
        (slopes,) = backward(jnp.zeros_like(outputs).at[:, unit].set(1.0))
        for rows, of_layer in zip(layers, slopes, strict=True):
            if rows.shape[-1] == 0:
                continue
            side = _Side(rows, of_layer.reshape(*rows.shape[:2], of_layer.shape[-1]))
            total = total + _part(side, lists)
        return total, None

    start = jnp.zeros((n1, n1 if x2 is None else len(x2)), outputs.dtype)
    return jax.lax.scan(add, start, jnp.arange(outputs.shape[1]))[0] / outputs.shape[1]


def _layer_outputs(network: Layer, parameters: Parameters, x: Array) -> Any:
    """The shapes of what the linear layers give, in the order of a forward pass."""

    def met(x: Array) -> list[Array]:
        found: list[Array] = []

        def step(layer: Linear, rows: Array) -> Array:
            found.append(layer.outputs(parameters[len(found)], rows))
            return found[-1]

        network.propagate(x, step)
        return found

    return jax.eval_shape(met, x)


def _passed(
    network: Layer, parameters: Parameters, x: Array, shifts: list[Array]
) -> tuple[Array, list[Array]]:
    """Outputs with shifts added to those of each linear layer; and a of the random parameters."""
    met: list[Array] = []

    def step(layer: Linear, rows: Array) -> Array:
        own, shift = parameters[len(met)], shifts[len(met)]
        met.append(_random_columns(layer.given(own), rows))
        return layer.outputs(own, rows) + shift

    return network.propagate(x, step), met


def _random_columns(layer: Linear, rows: Float[Array, "n *g fan_in"]) -> Float[Array, "n s p"]:
    """The rows a of z = a W, without the columns of weights or of biases that are fixed."""
    fan_in = rows.shape[-1]
    augmented = layer.augmented(rows.reshape(-1, fan_in))
    weights, biases = (law is None or law.random for law in layer.priors)
    random = augmented[:, 0 if weights else fan_in : None if biases else fan_in]
    return random.reshape(len(rows), math.prod(rows.shape[1:-1]), -1)


def _part(side: _Side, lists: _Lists) -> Float[Array, "n1 n2"]:
    """Of one layer, by what costs less: Gram matrices over positions, or each point's Σ aᵀδ."""
    (_, s, p), w = side.rows.shape, side.slopes.shape[-1]
    n1, n2 = (len(side.rows[part]) for part in lists)
    if n1 * n2 * s**2 * (p + w) <= ((n1 + n2) * s + n1 * n2) * p * w:
        return _by_grams(side, lists)
    return _by_derivatives(side, lists)


def _by_grams(side: _Side, lists: _Lists) -> Float[Array, "n1 n2"]:
    s = side.rows.shape[1]

    def gram(a: Float[Array, "n s k"]) -> Float[Array, "n1 s n2 s"]:
        first, second = (a[part].reshape(-1, a.shape[-1]) for part in lists)
        return jnp.matmul(first, second.T, precision="highest").reshape(-1, s, len(second) // s, s)

    return jnp.sum(gram(side.rows) * gram(side.slopes), axis=(1, 3))


def _by_derivatives(side: _Side, lists: _Lists) -> Float[Array, "n1 n2"]:
    """A few columns of W at a time."""
    (n, s, p), w = side.rows.shape, side.slopes.shape[-1]
    columns = max(1, min(w, _DERIVATIVES_AT_ONCE // (n * p)))
    padded = jnp.pad(side.slopes, ((0, 0), (0, 0), (0, -w % columns)))

    def add(total: Array, slopes: Array) -> tuple[Array, None]:
        by_weights = jnp.einsum("nsp,nsw->npw", side.rows, slopes, precision="highest")
        first, second = (by_weights[part].reshape(-1, p * columns) for part in lists)
        return total + jnp.matmul(first, second.T, precision="highest"), None

    start = jnp.zeros([len(side.rows[part]) for part in lists], side.rows.dtype)
    blocks = jnp.moveaxis(padded.reshape(n, s, -1, columns), 2, 0)
    return jax.lax.scan(add, start, blocks)[0]
