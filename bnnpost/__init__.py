"""Exact posteriors of Bayesian neural networks, and how they approach their Gaussian limit."""

from bnnpost import datasets, likelihoods
from bnnpost.draws import Draws, load
from bnnpost.kernels import nngp
from bnnpost.networks import (
    Activation,
    Dense,
    Serial,
    at_width,
    from_spec,
    mlp,
    to_spec,
)
from bnnpost.posterior import Posterior
from bnnpost.samplers import prior, rejection
from bnnpost.spaces import limit

__all__ = [
    "Activation",
    "Dense",
    "Draws",
    "Posterior",
    "Serial",
    "at_width",
    "datasets",
    "from_spec",
    "likelihoods",
    "limit",
    "load",
    "mlp",
    "nngp",
    "prior",
    "rejection",
    "to_spec",
]
