"""Exact posteriors of Bayesian neural networks, and how they approach their Gaussian limit."""

from bnnpost import datasets, likelihoods
from bnnpost.comparison import compare, fit_rate
from bnnpost.draws import Draws, load
from bnnpost.kernels import nngp
from bnnpost.networks import (
    Activation,
    Dense,
    Fixed,
    Serial,
    WeightPrior,
    at_width,
    from_spec,
    mlp,
    per_input,
    to_spec,
)
from bnnpost.posterior import Posterior
from bnnpost.samplers import importance, prior, rejection
from bnnpost.samplers.forecast import forecast
from bnnpost.spaces import limit

__all__ = [
    "Activation",
    "Dense",
    "Draws",
    "Fixed",
    "Posterior",
    "Serial",
    "WeightPrior",
    "at_width",
    "compare",
    "datasets",
    "fit_rate",
    "forecast",
    "from_spec",
    "importance",
    "likelihoods",
    "limit",
    "load",
    "mlp",
    "nngp",
    "per_input",
    "prior",
    "rejection",
    "to_spec",
]
