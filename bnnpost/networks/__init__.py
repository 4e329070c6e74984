"""Finite networks: priors over weights, forward passes, and the kernel map of every layer."""

from bnnpost.networks.activation import Activation
from bnnpost.networks.build import at_width, mlp
from bnnpost.networks.layers import Layer, Map, Serial
from bnnpost.networks.linear import Dense, Linear
from bnnpost.networks.priors import Fixed, WeightPrior, per_input
from bnnpost.networks.specs import from_spec, to_spec

__all__ = [
    "Activation",
    "Dense",
    "Fixed",
    "Layer",
    "Linear",
    "Map",
    "Serial",
    "WeightPrior",
    "at_width",
    "from_spec",
    "mlp",
    "per_input",
    "to_spec",
]
