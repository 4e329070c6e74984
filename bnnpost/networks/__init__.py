"""Finite networks: priors over weights, forward passes, and the kernel map of every layer."""

from bnnpost.networks.activation import Activation
from bnnpost.networks.build import at_width, mlp
from bnnpost.networks.layers import Dense, Layer, Linear, Map, Serial
from bnnpost.networks.specs import from_spec, to_spec

__all__ = [
    "Activation",
    "Dense",
    "Layer",
    "Linear",
    "Map",
    "Serial",
    "at_width",
    "from_spec",
    "mlp",
    "to_spec",
]
