"""Finite networks: priors over weights, forward passes, and the kernel map of every layer."""

from bnnpost.networks.activation import Activation
from bnnpost.networks.attention import PositionEncoding, SelfAttention
from bnnpost.networks.build import at_width, mlp
from bnnpost.networks.composites import FanInSum, Residual
from bnnpost.networks.convolution import Conv
from bnnpost.networks.layers import Layer, Map, Serial
from bnnpost.networks.linear import Dense, Linear
from bnnpost.networks.masking import Mask
from bnnpost.networks.normalisation import LayerNorm
from bnnpost.networks.pooling import AvgPool, Flatten, GlobalAvgPool, GlobalSumPool, Reshape
from bnnpost.networks.priors import Fixed, WeightPrior, per_input, shared_scale
from bnnpost.networks.specs import from_spec, to_spec

__all__ = [
    "Activation",
    "AvgPool",
    "Conv",
    "Dense",
    "FanInSum",
    "Fixed",
    "Flatten",
    "GlobalAvgPool",
    "GlobalSumPool",
    "Layer",
    "LayerNorm",
    "Linear",
    "Map",
    "Mask",
    "PositionEncoding",
    "Reshape",
    "Residual",
    "SelfAttention",
    "Serial",
    "WeightPrior",
    "at_width",
    "from_spec",
    "mlp",
    "per_input",
    "shared_scale",
    "to_spec",
]
