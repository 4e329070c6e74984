"""Ways to trust observations whose noise variances differ: fits of their laws, and shares.

A way to trust the points is a fixed point of variational noise variances; from it each point's
law of t = log λ follows, given what the others predict. In numpy, double precision.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from bnnpost.spaces import mixtures
from bnnpost.spaces.cells import Cells
from bnnpost.spaces.guides import MINOR_SHARE

# Enough sweeps of the fixed point for the hardest cases met, which took 46.
_SWEEPS, _TOLERANCE = 100, 1e-8
# Fixed points are looked for with every so many'th cell; log variances by which two of them
# differ; draws from each fit that tell how much it explains.
_SEARCH_STEP, _APART, _NUM_DRAWS = 8, 0.1, 256

Kernel = Float[np.ndarray, "n n"]


def several(
    cells: Cells, kernel: Kernel, targets: Float[np.ndarray, "n k"]
) -> tuple[Float[np.ndarray, "c r q"], Float[np.ndarray, "c k"]]:
    """Fits for each output by itself, and their log shares; outputs with fewer have copies of 0."""
    fits, log_shares = mixtures.filled([_of_column(cells, kernel, y) for y in targets.T])
    return np.stack(fits, axis=2).reshape(len(log_shares), targets.size, -1), log_shares


def _of_column(
    cells: Cells, kernel: Kernel, y: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "c n q"], Float[np.ndarray, " c"]]:
    """Log masses for each way to trust the points that is found, and its share."""
    noises = _fixed_points(cells, kernel, y)
    fits = np.stack([_left_out(cells, kernel, y, noise) for noise in noises])
    if len(fits) == 1:
        return fits, np.ones(1)
    drawn = _draws(fits)
    log_widths = np.log(cells.widths)[drawn]
    places = np.arange(len(y))
    log_densities = np.stack([np.sum(fit[places, drawn] - log_widths, axis=1) for fit in fits])
    log_var = cells.places(3)[:, 1][drawn]
    log_targets = np.sum(cells.log_prior(log_var), axis=1) + _log_normal(kernel, y, np.exp(log_var))
    return mixtures.weighed(fits, log_targets, log_densities, MINOR_SHARE)


def _draws(fits: Float[np.ndarray, "c n q"]) -> np.ndarray:
    """Cells [draw, n], as many draws of each fit."""
    rng = np.random.default_rng(0)
    cumulative = np.cumsum(np.exp(fits), axis=2)
    levels = rng.random((len(fits), _NUM_DRAWS, fits.shape[1])) * cumulative[:, None, :, -1]
    found = np.empty(levels.shape, int)
    for c, row in np.ndindex(*fits.shape[:2]):
        found[c, :, row] = np.searchsorted(cumulative[c, row], levels[c, :, row], side="right")
    return np.minimum(found, fits.shape[2] - 1).reshape(-1, fits.shape[1])


def _log_normal(
    kernel: Kernel, y: Float[np.ndarray, " n"], noise: Float[np.ndarray, "s n"]
) -> Float[np.ndarray, " s"]:
    """log N(y; 0, K + diag(noise)) for many noises, up to a constant; NaN where there is none."""
    covariances = kernel + noise[:, :, None] * np.eye(len(y))
    sign, log_det = np.linalg.slogdet(covariances)
    solved = np.linalg.solve(covariances, np.broadcast_to(y[:, None], (len(noise), len(y), 1)))
    found = -0.5 * (log_det + solved[:, :, 0] @ y)
    return np.where(sign > 0, found, np.nan)


def _left_out(
    cells: Cells, kernel: Kernel, y: Float[np.ndarray, " n"], noise: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n q"]:
    """Log masses of each λ_i ∝ p(λ_i) N(y_i; what the other points predict, + λ_i)."""
    places = cells.places()
    predicted = _predicted(kernel, y, noise)
    variances = predicted.spread[:, None, None] + np.exp(places)
    squares = predicted.residual[:, None, None] ** 2 / variances
    return cells.log_masses(cells.log_prior(places) - 0.5 * (np.log(variances) + squares))


class Predicted(NamedTuple):
    """What the other points predict of each: y less its mean, and its variance without noise."""

    residual: Float[np.ndarray, " n"]
    spread: Float[np.ndarray, " n"]


def _predicted(
    kernel: Kernel, y: Float[np.ndarray, " n"], noise: Float[np.ndarray, " n"]
) -> Predicted:
    inverse = np.linalg.inv(kernel + np.diag(noise))
    variances = 1 / np.diagonal(inverse)
    return Predicted((inverse @ y) * variances, np.maximum(variances - noise, 0.0))


def _fixed_points(
    cells: Cells, kernel: Kernel, y: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "c n"]:
    """Noise variances 1/d_i = E[1/λ_i] of the variational posterior, from each of the starts."""
    middles = cells.places(3)[:, 1]
    log_prior = cells.log_prior(middles)
    usual, outlying = np.exp(middles[np.argmax(log_prior)]), 4 * np.max(np.square(y))

    def noise(trusted: Bool[np.ndarray, "s n"]) -> Float[np.ndarray, "s n"]:
        return np.where(trusted, usual, max(outlying, usual))

    first = _iterated(middles, log_prior, kernel, y, noise(np.ones((1, len(y)), bool)))
    predicted = _predicted(kernel, y, first[0])
    residuals = predicted.residual / np.sqrt(predicted.spread + first[0])
    others = list(mixtures.starts(residuals))
    if not others:
        return first
    few, log_few = middles[::_SEARCH_STEP], log_prior[::_SEARCH_STEP]
    found = _iterated(few, log_few, kernel, y, noise(np.stack(others)))
    found = found[mixtures.distinct(np.log(found), _APART)]
    found = np.concatenate([first, _iterated(middles, log_prior, kernel, y, found)])
    return found[mixtures.distinct(np.log(found), _APART)]


def _iterated(
    log_var: Float[np.ndarray, " q"],
    log_prior: Float[np.ndarray, " q"],
    kernel: Kernel,
    y: Float[np.ndarray, " n"],
    noise: Float[np.ndarray, "s n"],
) -> Float[np.ndarray, "s n"]:
    """The fixed points that are reached from several noises; λ on a grid of its log."""
    for _ in range(_SWEEPS):
        mean, variance = posterior_moments(kernel, y[:, None], noise)
        squares = (y - mean[..., 0]) ** 2 + variance
        log_q = log_prior - 0.5 * log_var - 0.5 * squares[..., None] * np.exp(-log_var)
        q = np.exp(log_q - np.max(log_q, axis=-1, keepdims=True))
        updated = np.sum(q, axis=-1) / np.sum(q * np.exp(-log_var), axis=-1)
        moved = np.max(np.abs(np.log(updated / noise)))
        noise = updated
        if moved < _TOLERANCE:
            break
    return noise


def posterior_moments(
    kernel: Kernel, targets: Float[np.ndarray, "n k"], noise: Float[np.ndarray, "*s n"]
) -> tuple[Float[np.ndarray, "*s n k"], Float[np.ndarray, "*s n"]]:
    """Mean and variance of f at the training points, with noise of these variances."""
    noisy = kernel + noise[..., None] * np.eye(len(kernel))
    gain = np.swapaxes(np.linalg.solve(noisy, np.broadcast_to(kernel, noisy.shape)), -1, -2)
    variance = np.diagonal(kernel) - np.sum(gain * kernel, axis=-1)
    return gain @ targets, np.maximum(variance, 0.0)
