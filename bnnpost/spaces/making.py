"""The space that a sampler is asked for: its form, its guide, and the bound of its weights."""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Float

from bnnpost.arguments import true_or_false
from bnnpost.networks.linear import Linear
from bnnpost.networks.priors import Fixed, Scale
from bnnpost.numerics.precision import unshared
from bnnpost.numerics.random import require_precision
from bnnpost.posterior import Posterior
from bnnpost.spaces import fits
from bnnpost.spaces.auxiliary import Auxiliary
from bnnpost.spaces.auxiliary.for_posterior import auxiliary_for, with_constant
from bnnpost.spaces.completions import elimination_order, limit_kernel
from bnnpost.spaces.guides import Led
from bnnpost.spaces.network_parts import split_gaussian_readout
from bnnpost.spaces.noise_fits import bounded_noise
from bnnpost.spaces.space import SPACES, Space


def make_space(
    posterior: Posterior,
    *,
    space: str = "auto",
    collapse: bool = True,
    precision: str = "single",
    conditioned: bool = True,
    strict: bool = True,
    alone: bool = False,
    auxiliary: bool = False,
) -> Space:
    """The space that a sampler was asked for; `collapse` holds where it is possible.

    alone: one fit leads the draws, as chains need it, where it else is several and the prior.
    auxiliary: proposals are attempts of auxiliary rejection.
    Collapsing needs a network that ends in a Dense layer whose weights are Gaussian, given its
    scales, and, where the bound must be strict, readout biases that are Gaussian or fixed, and
    Gaussian noise of known size or of one size under a law for which there is a bound.
    Raises ValueError for an unknown space or precision, or where there is no bound.
    """
    posterior = unshared(posterior)
    form = "functions" if space == "auto" else space
    if form not in SPACES:
        raise ValueError(f"expected space to be one of auto, {', '.join(SPACES)}, got {space!r}")
    require_precision(precision)
    collapse = true_or_false("collapse", collapse)
    kernel = limit_kernel(posterior.network, posterior.x)
    order = elimination_order(kernel, posterior.num_points)
    led = Led(None, 0.0)
    readout = split_gaussian_readout(posterior.network)[1]
    if conditioned and strict:
        led = _bounded(posterior, readout if collapse and _known_biases(readout) else None)
    elif conditioned:
        led = _weighted(posterior, readout if collapse else None, kernel)
        if alone and led.guide is not None:
            led = Led(led.guide.alone(), math.inf)
    limit = np.float64(led.log_limit)
    made = Space(posterior, order, led.guide, form, precision, conditioned, strict, limit)
    return with_auxiliary(made, auxiliary_of(made)) if auxiliary else made


def auxiliary_of(space: Space) -> Auxiliary:
    """Auxiliary rejection for a space, with about its constant; ValueError if there is none."""
    return auxiliary_for(space.posterior, space.form == "weights", space.order)


def with_auxiliary(space: Space, auxiliary: Auxiliary) -> Space:
    """The same, whose proposals are attempts of auxiliary rejection."""
    found = with_constant(
        auxiliary, space.posterior, space.precision, space.form == "weights", space.order
    )
    return dataclasses.replace(space, auxiliary=found, _log_bound=found.log_constant)


def _bounded(posterior: Posterior, readout: Linear | None) -> Led:
    """A guide for the readout to collapse, if any, and an upper bound of the log weight.

    Raises ValueError where there is no bound.
    """
    likelihood, targets = posterior.likelihood, posterior.targets
    law = likelihood.noise_law
    if readout is not None and likelihood.known_std is not None:
        return _known_noise(posterior, readout)
    if readout is not None and law is not None and law.shared:
        led = bounded_noise(law, _centred(targets, readout))
        return Led(dataclasses.replace(led.guide, targets=targets), led.log_limit)  # type: ignore[type-var]
    bound = float(likelihood.log_bound(targets))
    if not math.isfinite(bound):
        raise ValueError(
            f"log_bound of {type(likelihood).__name__} is {bound}: expected a finite number of "
            'nats; without a bound there are draws with weights, bound="capped"'
        )
    return Led(None, bound)


def _weighted(posterior: Posterior, readout: Linear | None, kernel: np.ndarray) -> Led:
    """A guide for the readout to collapse, if any, and what is known of the largest log weight."""
    likelihood, targets = posterior.likelihood, posterior.targets
    if readout is None:
        return Led(None, fits.log_bound(likelihood, targets))
    known = _known_biases(readout)
    if known and likelihood.known_std is not None:
        return _known_noise(posterior, readout)
    centred = _centred(targets, readout) if known and likelihood.noise_law is not None else None
    return fits.guide_for(likelihood, targets, kernel, posterior.num_outputs, centred)


def _known_noise(posterior: Posterior, readout: Linear) -> Led:
    likelihood = posterior.likelihood
    bias_var = _least(readout.b_std) ** 2 if readout.gaussian else 0.0
    bound = likelihood.collapsed_log_bound(_centred(posterior.targets, readout), bias_var)
    return Led(fits.known_noise(likelihood, posterior.targets), bound)


def _known_biases(readout: Linear | None) -> bool:
    """Whether the readout's biases are Gaussian or fixed."""
    return readout is not None and (readout.gaussian or _fixed_biases(readout))


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
