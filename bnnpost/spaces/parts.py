"""What a network consists of, as spaces see it: its linear layers, and its readout."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bnnpost.networks.layers import Layer, Serial
from bnnpost.networks.linear import Linear


def split_readout(network: Layer) -> tuple[tuple[Layer, ...], Linear | None]:
    """The layers before a final linear layer, and that layer (None if there is none)."""
    layers = network.flattened() if isinstance(network, Serial) else (network,)
    last = layers[-1]
    return (layers[:-1], last) if isinstance(last, Linear) else (layers, None)


def split_gaussian_readout(network: Layer) -> tuple[tuple[Layer, ...], Linear | None]:
    """The same, with None for a readout whose outputs are not Gaussian given scales and biases."""
    hidden, readout = split_readout(network)
    if readout is None or readout.priors.weights is None:
        return hidden, readout
    return (*hidden, readout), None


def linear_layers(network: Layer, features: tuple[int, ...] = (1,)) -> list[tuple[Linear, int]]:
    """The linear layers, and how many inputs each has, in the order of a forward pass.

    features: shape of one input.
    """
    met: list[tuple[Linear, int]] = []

    def step(layer: Linear, rows: Array) -> Array:
        met.append((layer, rows.shape[-1]))
        return jnp.zeros((*rows.shape[:-1], layer.width))

    jax.eval_shape(lambda: network.propagate(jnp.zeros((1, *features)), step))
    return met
