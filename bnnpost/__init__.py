"""Exact posteriors of Bayesian neural networks, and how they approach their Gaussian limit."""

from bnnpost import datasets, likelihoods, zoo
from bnnpost.comparison import (
    compare,
    fit_coefficient,
    fit_rate,
    scaling,
    scaling_over_depth,
    theory,
)
from bnnpost.draws import Draws, load
from bnnpost.kernels import empirical_nngp, empirical_ntk, nngp, ntk
from bnnpost.networks import (
    Activation,
    AvgPool,
    Conv,
    Dense,
    FanInSum,
    Fixed,
    Flatten,
    GlobalAvgPool,
    GlobalSumPool,
    LayerNorm,
    Mask,
    PositionEncoding,
    Reshape,
    Residual,
    SelfAttention,
    Serial,
    WeightPrior,
    at_width,
    from_spec,
    mlp,
    per_input,
    to_spec,
)
from bnnpost.posterior import Posterior
from bnnpost.samplers import elliptical_slice, hmc, importance, pcn, prior, rejection
from bnnpost.samplers.forecast import forecast
from bnnpost.spaces import limit
from bnnpost.verification.calibration import calibrate
from bnnpost.verification.verify import verify

__all__ = [
    "Activation",
    "AvgPool",
    "Conv",
    "Dense",
    "Draws",
    "FanInSum",
    "Fixed",
    "Flatten",
    "GlobalAvgPool",
    "GlobalSumPool",
    "LayerNorm",
    "Mask",
    "PositionEncoding",
    "Posterior",
    "Reshape",
    "Residual",
    "SelfAttention",
    "Serial",
    "WeightPrior",
    "at_width",
    "calibrate",
    "compare",
    "datasets",
    "elliptical_slice",
    "empirical_nngp",
    "empirical_ntk",
    "fit_coefficient",
    "fit_rate",
    "forecast",
    "from_spec",
    "hmc",
    "importance",
    "likelihoods",
    "limit",
    "load",
    "mlp",
    "nngp",
    "ntk",
    "pcn",
    "per_input",
    "prior",
    "rejection",
    "scaling",
    "scaling_over_depth",
    "theory",
    "to_spec",
    "verify",
    "zoo",
]
