"""The guide of a likelihood and its data, fitted once, in the infinite-width limit.

Wide networks' kernels are close to the limit's, and what fits there leaves little to the
weights. Every guide gives exact weights, whatever it was fitted to; fits only decide how much
the weights vary.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bnnpost.likelihoods import Likelihood
from bnnpost.numerics.gp import Sites
from bnnpost.numerics.precision import in_double_precision
from bnnpost.spaces import site_fits
from bnnpost.spaces.guides import PRIOR_SHARE, FittedSites, KnownNoise, Led
from bnnpost.spaces.noise_fits import drawn_noise
from bnnpost.spaces.noise_modes import Kernel


@in_double_precision
def guide_for(
    likelihood: Likelihood,
    targets: Float[np.ndarray, "n t"],
    kernel: Kernel,
    num_outputs: int,
    centred: Float[np.ndarray, "n k"] | None = None,
) -> Led:
    """The guide for samplers that use weights; none where the likelihood gives no handle.

    kernel: the limit's at the training points; where it is not finite nothing is fitted.
    centred: targets less the readout's biases, where these are known but for a Gaussian part; the
    weight of noise of one unknown size has a bound with them only.
    """
    if likelihood.known_std is not None:
        return Led(known_noise(likelihood, targets), log_bound(likelihood, targets))
    fitted, law = bool(np.all(np.isfinite(kernel))), likelihood.noise_law
    if law is not None:
        return drawn_noise(law, targets, kernel if fitted else None, centred)
    guide = _sites(likelihood, targets, kernel, num_outputs) if fitted else None
    bound = log_bound(likelihood, targets)
    return Led(guide, bound if guide is None else bound - math.log(PRIOR_SHARE))


def log_bound(likelihood: Likelihood, targets: Float[np.ndarray, "n t"]) -> float:
    """Of the likelihood alone; ∞ where it has none."""
    try:
        found = float(likelihood.log_bound(targets))
    except (ValueError, NotImplementedError):
        return math.inf
    return found if math.isfinite(found) else math.inf


def _sites(
    likelihood: Likelihood, targets: Float[np.ndarray, "n t"], kernel: Kernel, num_outputs: int
) -> FittedSites | None:
    if likelihood.defines("mean_slopes"):
        return site_fits.contrast_sites(likelihood, targets, kernel, num_outputs)
    if likelihood.defines("log_terms") and _independent_outputs(likelihood, targets, num_outputs):
        return site_fits.independent_sites(likelihood, targets, kernel)
    return None


def _independent_outputs(
    likelihood: Likelihood, targets: Float[np.ndarray, "n t"], num_outputs: int
) -> bool:
    """Whether `log_terms` are split over outputs, each with a column of targets of its own."""
    outputs = jnp.zeros((len(targets), num_outputs))
    terms = jax.eval_shape(likelihood.log_terms, outputs, jnp.asarray(targets))
    return targets.shape[1] == num_outputs == terms.shape[-1]


def known_noise(likelihood: Likelihood, targets: Float[np.ndarray, "n k"]) -> KnownNoise:
    """The targets themselves."""
    return KnownNoise(Sites(targets, np.full((len(targets), 1), likelihood.known_var())))
