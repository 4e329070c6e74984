"""The space that a sampler is asked for: its form, its guide, and the bound of its weights."""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Float

from bnnpost.likelihoods import Gaussian, RandomNoise
from bnnpost.networks.linear import Linear
from bnnpost.networks.priors import Fixed, Scale
from bnnpost.numerics.random import require_precision
from bnnpost.posterior import Posterior
from bnnpost.spaces import fits
from bnnpost.spaces.completions import elimination_order, limit_kernel
from bnnpost.spaces.guides import Guide
from bnnpost.spaces.noise_fits import bounded_noise
from bnnpost.spaces.parts import split_gaussian_readout
from bnnpost.spaces.space import SPACES, Space


def make_space(
    posterior: Posterior,
    *,
    space: str = "auto",
    collapse: bool = True,
    precision: str = "single",
    conditioned: bool = True,
    strict: bool = True,
) -> Space:
    """The space that a sampler was asked for; `collapse` holds where it is possible.

    Collapsing needs a network that ends in a Dense layer whose weights are Gaussian, given its
    scales, and, where the bound must be strict, readout biases that are Gaussian or fixed, and
    Gaussian noise of known size or of one size under a law for which there is a bound.
    Raises ValueError for an unknown space or precision, or where there is no bound.
    """
    form = "functions" if space == "auto" else space
    if form not in SPACES:
        raise ValueError(f"expected space to be one of auto, {', '.join(SPACES)}, got {space!r}")
    require_precision(precision)
    kernel = limit_kernel(posterior.network, posterior.x)
    order = elimination_order(kernel, posterior.num_points)
    guide: Guide | None = None
    log_limit: float | None = 0.0
    readout = split_gaussian_readout(posterior.network)[1]
    if conditioned and strict:
        bounded = readout is not None and (readout.gaussian or _fixed_biases(readout))
        guide, log_limit = _bounded(posterior, readout if collapse and bounded else None)
    elif conditioned:
        log_limit = None
        if collapse and readout is not None:
            likelihood, targets = posterior.likelihood, posterior.targets
            guide = fits.guide_for(likelihood, targets, kernel, posterior.num_outputs)
    leaf = None if log_limit is None else np.float64(log_limit)
    return Space(posterior, order, guide, form, precision, conditioned, leaf)


def _bounded(posterior: Posterior, readout: Linear | None) -> tuple[Guide | None, float]:
    """A guide for the readout to collapse, if any, and an upper bound of the log weight."""
    likelihood, targets = posterior.likelihood, posterior.targets
    if readout is not None and isinstance(likelihood, Gaussian):
        bias_var = _least(readout.b_std) ** 2 if readout.gaussian else 0.0
        bound = likelihood.collapsed_log_bound(_centred(targets, readout), bias_var)
        return fits.known_noise(likelihood, targets), bound
    if readout is not None and isinstance(likelihood, RandomNoise) and likelihood.shared:
        bounded = bounded_noise(likelihood, _centred(targets, readout))
        return dataclasses.replace(bounded.guide, targets=targets), bounded.log_bound
    bound = float(likelihood.log_bound(targets))
    if not math.isfinite(bound):
        raise ValueError(
            f"log_bound of {type(likelihood).__name__} is {bound}: expected a finite number of "
            'nats; without a bound there are draws with weights, bound="capped"'
        )
    return None, bound


def _fixed_biases(readout: Linear) -> bool:
    """Whether the readout's biases are the same in every draw, their scale included."""
    return isinstance(readout.priors.biases, Fixed) and not isinstance(readout.b_std, Scale)


def _centred(targets: Float[np.ndarray, "n k"], readout: Linear) -> Float[np.ndarray, "n k"]:
    """Targets less the readout's biases, where these are fixed."""
    if readout.gaussian:
        return targets
    values = readout.priors.biases.values  # type: ignore[union-attr]
    return targets - float(readout.b_std) * np.asarray(values, np.float64)


def _least(b_std: Any) -> float:
    """The least standard deviation of a bias that there can be."""
    if isinstance(b_std, Scale):
        return b_std.smallest()
    return 0.0 if b_std is None else float(b_std)
