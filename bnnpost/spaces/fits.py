"""Fitting guides to the targets, once, in the infinite-width limit.

Wide networks' kernels are close to the limit's, and what fits there leaves little to the
weights. Every guide gives exact weights, whatever it was fitted to; fits only decide how much
the weights vary. All in numpy, double precision.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bnnpost.likelihoods import Categorical, Gaussian, Likelihood, RandomNoise
from bnnpost.numerics.gp import Sites, contrasts
from bnnpost.numerics.precision import in_double_precision
from bnnpost.spaces.guides import FittedSites, Guide, KnownNoise
from bnnpost.spaces.noise_fits import Kernel, drawn_noise, posterior_moments

# Fixed points: enough sweeps for the hardest cases met, which took 35; damping of each.
_SWEEPS, _DAMPING, _TOLERANCE = 100, 0.7, 1e-8
# Variances of fitted sites times this, their pull on the mean kept: tails against which no
# weight grows without need.
_WIDER = 1.15
_LEAST_PRECISION, _LEAST_VARIANCE = 1e-6, 1e-12


@in_double_precision
def guide_for(
    likelihood: Likelihood, targets: Float[np.ndarray, "n t"], kernel: Kernel, num_outputs: int
) -> Guide | None:
    """The guide for samplers that use weights; None where the likelihood gives no handle.

    kernel: the limit's at the training points; where it is not finite nothing is fitted.
    """
    if isinstance(likelihood, Gaussian):
        return known_noise(likelihood, targets)
    fitted = bool(np.all(np.isfinite(kernel)))
    if isinstance(likelihood, RandomNoise):
        return drawn_noise(likelihood, targets, kernel if fitted else None)
    if not (fitted and likelihood.has_terms):
        return None
    if isinstance(likelihood, Categorical):
        sites = _class_sites(targets[:, 0].astype(int), kernel, num_outputs)
    elif _independent_outputs(likelihood, targets, num_outputs):
        columns = [_expectation_propagation(likelihood, y[:, None], kernel) for y in targets.T]
        centres, variances = (np.concatenate(parts, axis=1) for parts in zip(*columns, strict=True))
        sites = Sites(centres, variances)
    else:
        return None
    if not all(np.all(np.isfinite(part)) for part in (sites.targets, sites.variances)):
        return None
    return FittedSites(targets, likelihood, sites)


def _independent_outputs(
    likelihood: Likelihood, targets: Float[np.ndarray, "n t"], num_outputs: int
) -> bool:
    """Whether `log_terms` are split over outputs, each with a column of targets of its own."""
    outputs = jnp.zeros((len(targets), num_outputs))
    terms = jax.eval_shape(likelihood.log_terms, outputs, jnp.asarray(targets))
    return targets.shape[1] == num_outputs == terms.shape[-1]


def known_noise(likelihood: Gaussian, targets: Float[np.ndarray, "n k"]) -> KnownNoise:
    """The targets themselves."""
    variances = np.full((len(targets), 1), float(likelihood.noise_var))
    return KnownNoise(Sites(targets, variances))


def _fixed_point(
    step: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    kernel: Kernel,
    num_columns: int,
) -> Sites:
    """Sites whose precision and pull (precision · target) `step` gives back.

    step(precision [n], pull [n, column]) gives those that the posterior under such sites
    would have instead.
    """
    precision = np.full(len(kernel), 1e-3)
    pull = np.zeros((len(kernel), num_columns))
    for _ in range(_SWEEPS):
        wanted = step(precision, pull)
        moved = max(np.max(np.abs(wanted[0] - precision)), np.max(np.abs(wanted[1] - pull)))
        precision = precision + _DAMPING * (wanted[0] - precision)
        pull = pull + _DAMPING * (wanted[1] - pull)
        if moved < _TOLERANCE:
            break
    targets = pull / precision[:, None]
    mean, _ = posterior_moments(kernel, targets, 1 / precision)
    return Sites(mean + _WIDER * (targets - mean), _WIDER / precision[:, None])


def _expectation_propagation(
    likelihood: Likelihood, targets: Float[np.ndarray, "n 1"], kernel: Kernel
) -> tuple[Float[np.ndarray, "n 1"], Float[np.ndarray, "n 1"]]:
    """Targets and variances of the sites that match moments (Minka 2001)."""
    grid = np.linspace(-9.0, 9.0, 601)

    def step(precision: np.ndarray, pull: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, variance = posterior_moments(kernel, pull / precision[:, None], 1 / precision)
        variance = np.maximum(variance, _LEAST_VARIANCE * (1 + np.diagonal(kernel)))
        cavity = np.maximum(1 / variance - precision, _LEAST_PRECISION)
        centre = (mean[:, 0] / variance - pull[:, 0]) / cavity
        values = centre + grid[:, None] / np.sqrt(cavity)
        terms = likelihood.log_terms(jnp.asarray(values[:, :, None]), jnp.asarray(targets))
        logs = np.asarray(terms)[:, :, 0] - 0.5 * grid[:, None] ** 2
        weights = np.exp(logs - np.max(logs, axis=0))
        weights = weights / np.sum(weights, axis=0)
        tilted = np.sum(weights * values, axis=0)
        tilted_variance = np.sum(weights * (values - tilted) ** 2, axis=0)
        wanted = np.maximum(1 / tilted_variance - cavity, _LEAST_PRECISION)
        return wanted, (tilted * (wanted + cavity) - centre * cavity)[:, None]

    sites = _fixed_point(step, kernel, 1)
    return np.asarray(sites.targets), np.asarray(sites.variances)


def _class_sites(classes: np.ndarray, kernel: Kernel, num_classes: int) -> Sites:
    """Variational sites of a softmax, of one variance in all directions that it can tell.

    In contrasts of the outputs: precision the mean curvature E[1 − Σπ²]/(k − 1), pull the
    mean gradient, both under the posterior that the sites give.
    """
    rotation = contrasts(num_classes)
    normals = np.random.default_rng(0).standard_normal((512, 1, num_classes - 1))
    normals = np.concatenate([normals, -normals])
    hits = np.eye(num_classes)[classes]

    def step(precision: np.ndarray, pull: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, variance = posterior_moments(kernel, pull / precision[:, None], 1 / precision)
        outputs = (mean + np.sqrt(variance)[:, None] * normals) @ rotation.T
        chances = np.exp(outputs - np.max(outputs, axis=-1, keepdims=True))
        chances = chances / np.sum(chances, axis=-1, keepdims=True)
        wanted = np.mean(1 - np.sum(chances**2, axis=-1), axis=0) / (num_classes - 1)
        gradient = (hits - np.mean(chances, axis=0)) @ rotation
        return wanted, gradient + wanted[:, None] * mean

    sites = _fixed_point(step, kernel, num_classes - 1)
    return Sites(np.asarray(sites.targets) @ rotation.T, sites.variances, contrasts=True)
