"""The prior's density at parameters as `init` draws them."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.networks.layers import Affine, Layer, Parameters
from bnnpost.networks.linear import linear_layers

Features = tuple[int, ...]


def log_prior(network: Layer, features: Features, parameters: Parameters) -> Float[Array, ""]:
    """Log density in nats of parameters as `init` draws them, before the scales multiply them.

    −∞ outside the support of a law, where parameters that are fixed have other values, and where a
    scale that layers share is not the same in all. Of a
    scale that is random the density is that of the standard deviation. Constants of a prior of
    one's own are left out where that leaves them out. Raises ValueError for parameters of another
    network.
    """
    require_parameters(network, features, parameters)
    layers = [one.layer for one in linear_layers(network, features)]
    total, shared = jnp.zeros((), jnp.result_type(float)), dict[str, Array]()
    for layer, held in zip(layers, parameters, strict=True):
        total += layer.log_prob(held, shared)
    return total


def require_parameters(network: Layer, features: Features, parameters: object) -> None:
    """Raise ValueError unless these have the structure and shapes that `init` gives."""
    expected = parameter_shapes(network, features)
    found = jax.tree.map(jnp.shape, parameters)
    if found != expected:
        raise ValueError(
            "expected parameters as network.init gives them, an Affine for each linear layer: "
            f"{shapes_in_words(expected)}; got {shapes_in_words(found)}"
        )


def parameter_shapes(network: Layer, features: Features) -> Any:
    """The shape of each array that `init` draws, in its place."""
    drawn = jax.eval_shape(lambda: network.init(jax.random.key(0), features))
    return jax.tree.map(lambda leaf: leaf.shape, drawn)


def shapes_in_words(shapes: Any) -> str:
    """Such shapes, a layer after the other; of something else, what it is."""
    if not isinstance(shapes, tuple) or not all(isinstance(one, Affine) for one in shapes):
        return type(shapes).__name__ if not isinstance(shapes, tuple | list) else str(shapes)
    return ", ".join(
        f"layer {number} "
        + " ".join(f"{name} {list(shape)}" for name, shape in _held(one) if shape is not None)
        for number, one in enumerate(shapes)
    )


def _held(layer: Affine) -> Iterator[tuple[str, Any]]:
    return zip(layer._fields, layer, strict=True)
