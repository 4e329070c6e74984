"""Gaussian sites for likelihoods that are not Gaussian, fitted in the limit. In numpy.

Where a likelihood's terms are log-concave in the outputs the posterior given a kernel has one
mode, and one fit. Where they are not, modes are looked for from each point trusted alone and from
each held out, and fits that differ are all drawn from.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from bnnpost.likelihoods import Likelihood
from bnnpost.numerics.gp import Sites, contrasts
from bnnpost.spaces import mixtures
from bnnpost.spaces.guides import MINOR_SHARE, PRIOR_SHARE, FittedSites
from bnnpost.spaces.noise_modes import Kernel, posterior_moments

# Fixed points: enough sweeps for the hardest cases met, which took 35; damping of each.
_SWEEPS, _DAMPING, _TOLERANCE = 100, 0.7, 1e-8
# Variances of fitted sites times this, their pull on the mean kept: tails against which no
# weight grows without need.
_WIDER = 1.15
_LEAST_PRECISION, _LEAST_VARIANCE = 1e-6, 1e-12
# Precision of the sites of points that a fit does not start from.
_FIRST_PRECISION = 1e-3
# Terms are integrated out to so many standard deviations, in so many places; in more where they
# are not concave, and may have narrow peaks. A second difference above this, in nats, is one of
# a term that is not concave.
_REACH, _PLACES, _MORE_PLACES, _CONVEX = 9.0, 601, 6001, 1e-9
# Differences for slopes, in standard deviations of the prior.
_STEP = 1e-4
# Standard deviations (means) and log variances by which two fits differ; draws from each fit that
# tell how much it explains.
_APART, _NUM_DRAWS = 0.05, 256


class Fit(NamedTuple):
    """Sites of one output at all points: targets and variances."""

    targets: Float[np.ndarray, " n"]
    variances: Float[np.ndarray, " n"]


Terms = Callable[[np.ndarray], np.ndarray]


def independent_sites(
    likelihood: Likelihood, targets: Float[np.ndarray, "n k"], kernel: Kernel
) -> FittedSites | None:
    """Sites of outputs that are independent given their targets; None where a fit fails."""
    columns = [_of_column(_terms(likelihood, y[:, None]), kernel) for y in targets.T]
    fits, log_shares = mixtures.filled(columns)
    centres, variances = np.moveaxis(np.stack(fits, axis=-1), 1, 0)
    if not np.isfinite(centres + variances).all():
        return None
    return FittedSites(
        targets, likelihood, Sites(centres, variances), log_shares, np.float64(PRIOR_SHARE)
    )


def contrast_sites(
    likelihood: Likelihood, targets: Float[np.ndarray, "n t"], kernel: Kernel, num_outputs: int
) -> FittedSites | None:
    """Sites of differences of outputs whose terms are log-concave: one fit. None where it fails."""
    sites = _contrast_sites(likelihood, targets, kernel, num_outputs)
    if not all(np.isfinite(part).all() for part in (sites.targets, sites.variances)):
        return None
    stacked = Sites(sites.targets[None], sites.variances[None], sites.contrasts)
    return FittedSites(targets, likelihood, stacked, np.zeros((1, 1)), np.float64(PRIOR_SHARE))


def _terms(likelihood: Likelihood, targets: Float[np.ndarray, "n 1"]) -> Terms:
    """log p of each point's target as a function of outputs [place, n]."""

    def terms(values: Float[np.ndarray, "p n"]) -> Float[np.ndarray, "p n"]:
        found = likelihood.log_terms(jnp.asarray(values[:, :, None]), jnp.asarray(targets))
        return np.asarray(found)[:, :, 0]

    return terms


def _of_column(
    terms: Terms, kernel: Kernel
) -> tuple[Float[np.ndarray, "c 2 n"], Float[np.ndarray, " c"]]:
    """The fits that differ, targets and variances of each, and their shares."""
    peaks = _peaks(terms, kernel)
    if peaks is None:
        return np.stack([_expectation_propagation(terms, kernel, _PLACES)]), np.ones(1)
    fits = [_expectation_propagation(terms, kernel, _MORE_PLACES)]
    mean, variance = _posterior(kernel, fits[0])
    residuals = (mean - peaks.place) / np.sqrt(variance + 1 / peaks.curvature)
    for trusted in mixtures.starts(residuals):
        fits.append(_at_a_mode(terms, kernel, _start(peaks, trusted)))
    std = np.sqrt(np.diagonal(kernel) + np.finfo(float).tiny)
    moments = [_posterior(kernel, fit) for fit in fits]
    features = [np.concatenate([m / std, np.log(v + _LEAST_VARIANCE)]) for m, v in moments]
    return _weighed(terms, kernel, [fits[i] for i in mixtures.distinct(np.stack(features), _APART)])


class _Peaks(NamedTuple):
    """Of each point's term times the prior of its output: the highest place, and how it bends."""

    place: Float[np.ndarray, " n"]
    curvature: Float[np.ndarray, " n"]


def _peaks(terms: Terms, kernel: Kernel) -> _Peaks | None:
    """None where all terms are concave."""
    grid = np.linspace(-_REACH, _REACH, _MORE_PLACES)
    std = np.sqrt(np.diagonal(kernel))
    logs = terms(grid[:, None] * std)
    with np.errstate(invalid="ignore"):
        bends = np.diff(logs, 2, axis=0)
        if not np.any(bends > _CONVEX * (1 + np.abs(logs[1:-1]))):
            return None
    highest = np.argmax((logs - 0.5 * grid[:, None] ** 2)[1:-1], axis=0)
    bend = np.take_along_axis(bends, highest[None], axis=0)[0]
    step = (grid[1] - grid[0]) * np.maximum(std, _LEAST_VARIANCE)
    curvature = np.nan_to_num(-bend / step**2, nan=0.0)
    return _Peaks(grid[1 + highest] * std, np.maximum(curvature, _FIRST_PRECISION))


class _Start(NamedTuple):
    precision: Float[np.ndarray, " n"]
    pull: Float[np.ndarray, " n"]


def _start(peaks: _Peaks, trusted: Bool[np.ndarray, " n"]) -> _Start:
    """Sites of the trusted points at their own peaks."""
    precision = np.where(trusted, peaks.curvature, _FIRST_PRECISION)
    return _Start(precision, np.where(trusted, precision * peaks.place, 0.0))


def _posterior(kernel: Kernel, fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = posterior_moments(kernel, fit.targets[:, None], fit.variances)
    return mean[:, 0], variance


def _weighed(
    terms: Terms, kernel: Kernel, fits: list[Fit]
) -> tuple[Float[np.ndarray, "c 2 n"], Float[np.ndarray, " c"]]:
    """The fits that are kept, by how much of the limit's posterior each explains."""
    if len(fits) == 1:
        return np.stack(fits), np.ones(1)
    rng = np.random.default_rng(0)
    drawn = np.concatenate(list(_draws(kernel, fits, rng)))
    log_densities = np.stack([_log_led(kernel, fit, drawn) for fit in fits])
    log_targets = np.sum(terms(drawn), axis=1)
    return mixtures.weighed(np.stack(fits), log_targets, log_densities, MINOR_SHARE)


def _draws(kernel: Kernel, fits: list[Fit], rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Of f [draw, n] given the sites of each fit."""
    values, vectors = np.linalg.eigh(kernel)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    for fit in fits:
        prior = rng.standard_normal((_NUM_DRAWS, len(kernel))) @ root.T
        noise = rng.standard_normal(prior.shape) * np.sqrt(fit.variances)
        gain = np.linalg.solve(kernel + np.diag(fit.variances), kernel)
        yield prior + (fit.targets - prior - noise) @ gain


def _log_led(kernel: Kernel, fit: Fit, drawn: Float[np.ndarray, "s n"]) -> Float[np.ndarray, " s"]:
    """log N(sites; f, D)/N(sites; 0, K + D), up to what is the same for all fits."""
    covariance = kernel + np.diag(fit.variances)
    log_det = np.linalg.slogdet(covariance)[1] - np.sum(np.log(fit.variances))
    square = fit.targets @ np.linalg.solve(covariance, fit.targets)
    return 0.5 * (log_det + square - np.sum((drawn - fit.targets) ** 2 / fit.variances, axis=1))


def _fixed_point(
    step: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    kernel: Kernel,
    precision: Float[np.ndarray, " n"],
    pull: Float[np.ndarray, "n c"],
) -> Sites:
    """Sites whose precision and pull (precision · target) `step` gives back.

    step(precision [n], pull [n, column]) gives those that the posterior under such sites
    would have instead.
    """
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


def _at_a_mode(terms: Terms, kernel: Kernel, start: _Start) -> Fit:
    """Sites with the slope and the bend of each term at a mode of the posterior (Laplace)."""
    step_size = _STEP * np.sqrt(np.diagonal(kernel)) + np.finfo(float).tiny

    def step(precision: np.ndarray, pull: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, _ = posterior_moments(kernel, pull / precision[:, None], 1 / precision)
        f = mean[:, 0]
        below, at, above = terms(f + np.array([[-1.0], [0.0], [1.0]]) * step_size)
        wanted = np.maximum((2 * at - above - below) / step_size**2, _LEAST_PRECISION)
        slope = (above - below) / (2 * step_size)
        return wanted, (wanted * f + slope)[:, None]

    sites = _fixed_point(step, kernel, start.precision, start.pull[:, None])
    return Fit(np.asarray(sites.targets)[:, 0], np.asarray(sites.variances)[:, 0])


def _expectation_propagation(terms: Terms, kernel: Kernel, num_places: int) -> Fit:
    """Targets and variances of the sites that match moments (Minka 2001)."""
    grid = np.linspace(-_REACH, _REACH, num_places)
    precision = np.full(len(kernel), _FIRST_PRECISION)

    def step(precision: np.ndarray, pull: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, variance = posterior_moments(kernel, pull / precision[:, None], 1 / precision)
        variance = np.maximum(variance, _LEAST_VARIANCE * (1 + np.diagonal(kernel)))
        cavity = np.maximum(1 / variance - precision, _LEAST_PRECISION)
        centre = (mean[:, 0] / variance - pull[:, 0]) / cavity
        values = centre + grid[:, None] / np.sqrt(cavity)
        logs = terms(values) - 0.5 * grid[:, None] ** 2
        weights = np.exp(logs - np.max(logs, axis=0))
        weights = weights / np.sum(weights, axis=0)
        tilted = np.sum(weights * values, axis=0)
        tilted_variance = np.sum(weights * (values - tilted) ** 2, axis=0)
        wanted = np.maximum(1 / tilted_variance - cavity, _LEAST_PRECISION)
        return wanted, (tilted * (wanted + cavity) - centre * cavity)[:, None]

    sites = _fixed_point(step, kernel, precision, np.zeros((len(kernel), 1)))
    return Fit(np.asarray(sites.targets)[:, 0], np.asarray(sites.variances)[:, 0])


def _contrast_sites(
    likelihood: Likelihood, targets: Float[np.ndarray, "n t"], kernel: Kernel, num_outputs: int
) -> Sites:
    """Variational sites, of one variance in all directions that the likelihood can tell.

    In contrasts of the outputs: precision the mean curvature, pull the mean gradient, both under
    the posterior that the sites give.
    """
    rotation = contrasts(num_outputs)
    normals = np.random.default_rng(0).standard_normal((512, 1, num_outputs - 1))
    normals = np.concatenate([normals, -normals])

    def step(precision: np.ndarray, pull: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, variance = posterior_moments(kernel, pull / precision[:, None], 1 / precision)
        outputs = (mean + np.sqrt(variance)[:, None] * normals) @ rotation.T
        wanted, gradient = likelihood.mean_slopes(outputs, targets)
        return wanted, gradient @ rotation + wanted[:, None] * mean

    precision = np.full(len(kernel), _FIRST_PRECISION)
    sites = _fixed_point(step, kernel, precision, np.zeros((len(kernel), num_outputs - 1)))
    return Sites(np.asarray(sites.targets) @ rotation.T, sites.variances, contrasts=True)
