"""What a network consists of, as spaces see it: its linear layers, and its readout."""

import math
from typing import NamedTuple

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


class LinearShape(NamedTuple):
    """A linear layer as a forward pass meets it: its inputs, and its rows for one point."""

    layer: Linear
    fan_in: int
    rows: int


def num_first_inputs(network: Layer, features: tuple[int, ...]) -> int:
    """How many inputs the first linear layer has."""
    return linear_layers(network, features)[0].fan_in


def linear_layers(network: Layer, features: tuple[int, ...]) -> list[LinearShape]:
    """The linear layers in the order of a forward pass. features: shape of one input."""
    met: list[LinearShape] = []

    def step(layer: Linear, rows: Array) -> Array:
        met.append(LinearShape(layer, rows.shape[-1], math.prod(rows.shape[1:-1])))
        return jnp.zeros((*rows.shape[:-1], layer.width))

    jax.eval_shape(lambda: network.propagate(jnp.zeros((1, *features)), step))
    return met
