"""Fitting the law that a draw's noise variances come from, or bounding it, in log variances t.

Weights are exact whatever was fitted. Noise of tails can have several modes (either of two
points that disagree may be the outlier): fits start with each point trusted alone, and with each
held out, and those that differ are all drawn from. All in numpy, double precision.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import logsumexp

from bnnpost.likelihoods import RandomNoise
from bnnpost.numerics.precision import in_double_precision
from bnnpost.spaces import mixtures
from bnnpost.spaces.cells import CellMixture, Cells, moments
from bnnpost.spaces.guides import BOUND_SHARE, MINOR_SHARE, PRIOR_SHARE, DrawnNoise

_NATS_OF_A_BOUND, _PLACES_OF_A_BOUND = 70.0, 33
# Enough sweeps of the fixed point for the hardest cases met, which took 46.
_SWEEPS, _TOLERANCE = 100, 1e-8
# Fixed points are looked for with every so many'th cell; log variances by which two of them
# differ; draws from each fit that tell how much it explains.
_SEARCH_STEP, _APART, _NUM_DRAWS = 8, 0.1, 256
_DIVERGES = (
    "no strict bound exists for this law of the noise: the collapsed likelihood grows without "
    "limit as the noise goes to 0, faster than the law vanishes. Use an inverse-gamma law of "
    'noise_var, a law with a lower limit, or bound="capped"'
)

Kernel = Float[np.ndarray, "n n"]
# A log density as a function of t.
LogBound = Callable[[np.ndarray], np.ndarray]


class Bounded(NamedTuple):
    """A guide under which no weight exceeds exp(log_bound), in nats; ∞ where none is known."""

    guide: DrawnNoise
    log_bound: float


@in_double_precision
def bounded_noise(likelihood: RandomNoise, targets: Float[np.ndarray, "n k"]) -> Bounded:
    """The noise variance drawn from p(λ)B(λ), B(λ) the collapsed bound, its integral the bound.

    B(λ) = sup over kernels of Π_o N(y_o; 0, K̂ + λI): with s_i the eigenvalues of YYᵀ/k and
    m_i = max(s_i, λ), log B = −(k/2) Σ_i [log 2πm_i + s_i/m_i]. Each cell is given the
    largest value in it, so that p(λ)B(λ) is nowhere above what it is drawn from. Raises
    ValueError where the integral diverges: as λ → 0 it does unless p(λ) vanishes faster than
    B(λ) grows.
    """
    bound = functools.partial(_log_collapsed_bound, targets)
    cells = Cells(likelihood, [bound], nats=_NATS_OF_A_BOUND, whole=False)
    if cells.reaches_zero:
        raise ValueError(_DIVERGES)
    masses = _bounded_masses(cells, bound)
    log_total = logsumexp(masses)
    rows = (masses - log_total)[None]
    mixture = CellMixture.single(cells.edges, rows)
    guide = DrawnNoise(targets, likelihood, mixture, moments(cells.edges, rows))
    return Bounded(guide, float(log_total))


def _bounded_masses(cells: Cells, log_bound: LogBound) -> Float[np.ndarray, " q"]:
    """Log masses of a density nowhere below p(λ) times the bound at λ."""
    places = cells.places(_PLACES_OF_A_BOUND)
    return cells.log_bounds(cells.log_prior(places) + log_bound(places))


def _log_collapsed_bound(
    targets: Float[np.ndarray, "n k"], log_var: Float[np.ndarray, "*s"]
) -> Float[np.ndarray, "*s"]:
    num_points, num_outputs = targets.shape
    spectrum = np.zeros(num_points)
    singular = np.linalg.svd(targets, compute_uv=False)
    spectrum[: singular.size] = singular**2 / num_outputs
    fitted = np.maximum(spectrum, np.exp(log_var)[..., None])
    terms = np.log(2 * np.pi * fitted) + spectrum / fitted
    return -0.5 * num_outputs * np.sum(terms, axis=-1)


def _log_peak(log_var: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
    """log N(0; 0, λ), than which no density of one observation is larger."""
    return -0.5 * (log_var + math.log(2 * math.pi))


@in_double_precision
def drawn_noise(
    likelihood: RandomNoise,
    targets: Float[np.ndarray, "n k"],
    kernel: Kernel | None,
    centred: Float[np.ndarray, "n k"] | None = None,
) -> Bounded:
    """Noise variances led by the targets: by what the limit makes of them at that noise.

    The one variance of all observations from p(λ) N(y; 0, K + λI), each of several from
    p(λ_i) N(y_i; what the other points predict, + λ_i), for every way to trust them that is
    found. From the prior without a kernel. PRIOR_SHARE of the proposals are from the prior in any
    case, and BOUND_SHARE from the law under which the weight is bounded, where there is one: of
    one variance only if the targets are known when centred, less the readout's biases.
    """
    cells = Cells(likelihood, [np.zeros_like, *_pulls(likelihood, targets, kernel)])
    rows = 1 if likelihood.shared else targets.size
    prior = np.repeat(cells.log_masses(cells.log_prior(cells.places())[None]), rows, axis=0)
    whole, log_bound = _defence(cells, prior, _bound(likelihood, centred))
    fits, log_shares = _fits(cells, likelihood, targets, kernel, prior)
    masses = np.concatenate([*(part[None] for part, _ in whole), fits])
    log_whole = np.log([share for _, share in whole])
    marginal = _marginal(fits, log_shares)
    if likelihood.shared:
        marginal = np.logaddexp(np.log1p(-PRIOR_SHARE) + marginal, np.log(PRIOR_SHARE) + prior)
    mixture = CellMixture(cells.edges, masses, log_whole, log_shares)
    guide = DrawnNoise(targets, likelihood, mixture, moments(cells.edges, marginal))
    return Bounded(guide, log_bound)


def _bound(likelihood: RandomNoise, centred: Float[np.ndarray, "n k"] | None) -> LogBound | None:
    """What bounds the density of the targets at a noise, of all of them or of each; or nothing."""
    if not likelihood.shared:
        return _log_peak
    return None if centred is None else functools.partial(_log_collapsed_bound, centred)


def _fits(
    cells: Cells,
    likelihood: RandomNoise,
    targets: Float[np.ndarray, "n k"],
    kernel: Kernel | None,
    prior: Float[np.ndarray, "r q"],
) -> tuple[Float[np.ndarray, "c r q"], Float[np.ndarray, "c g"]]:
    """Log masses of the fits, and their log shares; the prior without a kernel."""
    if kernel is None:
        return prior[None], np.zeros((1, 1))
    if not likelihood.shared:
        return _several(cells, kernel, targets)
    places = cells.places()
    log_density = cells.log_prior(places) + _log_evidence(kernel, targets, places)
    return cells.log_masses(log_density[None])[None], np.zeros((1, 1))


def _defence(
    cells: Cells,
    prior: Float[np.ndarray, "r q"],
    log_bound: LogBound | None,
) -> tuple[list[tuple[Float[np.ndarray, "r q"], float]], float]:
    """Log masses and shares that no fit decides; and the log bound of the weight they give."""
    whole = [(prior, PRIOR_SHARE)]
    if log_bound is None:
        return whole, math.inf
    masses = _bounded_masses(cells, log_bound)
    # Where the largest mass is that of the smallest noise, the integral has no end there.
    if cells.reaches_zero or np.argmax(masses) == 0 or not np.isfinite(logsumexp(masses)):
        return whole, math.inf
    log_total = float(logsumexp(masses))
    whole.append((np.repeat((masses - log_total)[None], len(prior), axis=0), BOUND_SHARE))
    return whole, len(prior) * log_total - math.log(BOUND_SHARE)


def _marginal(
    fits: Float[np.ndarray, "c r q"], log_shares: Float[np.ndarray, "c g"]
) -> Float[np.ndarray, "r q"]:
    """Log masses of each row by itself, over its fits."""
    num_rows, num_groups = fits.shape[1], log_shares.shape[1]
    each = np.tile(log_shares, num_rows // num_groups)
    return np.asarray(logsumexp(fits + each[:, :, None], axis=0))


def _pulls(
    likelihood: RandomNoise, targets: Float[np.ndarray, "n k"], kernel: Kernel | None
) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Where the targets may pull log variances, as log factors of the prior."""
    if likelihood.shared:
        return [] if kernel is None else [functools.partial(_log_evidence, kernel, targets)]
    # No residual is much larger than this; its noise alone would have to explain it.
    largest = 2 * np.max(np.abs(targets))
    return [lambda log_var: -0.5 * (log_var + largest**2 * np.exp(-log_var))]


def _log_evidence(
    kernel: Kernel, targets: Float[np.ndarray, "n k"], log_var: Float[np.ndarray, "*s"]
) -> Float[np.ndarray, "*s"]:
    """Σ_o log N(y_o; 0, K + λI), in nats, for many λ."""
    values, vectors = np.linalg.eigh(kernel)
    squares = np.sum((vectors.T @ targets) ** 2, axis=1)
    variances = np.maximum(values, 0.0) + np.exp(log_var)[..., None]
    num_outputs = targets.shape[1]
    return -0.5 * np.sum(num_outputs * np.log(2 * np.pi * variances) + squares / variances, axis=-1)


def _several(
    cells: Cells, kernel: Kernel, targets: Float[np.ndarray, "n k"]
) -> tuple[Float[np.ndarray, "c r q"], Float[np.ndarray, "c k"]]:
    """Fits for each output by itself, and their log shares; outputs with fewer have copies of 0."""
    columns = [_of_column(cells, kernel, y) for y in targets.T]
    most = max(len(fits) for fits, _ in columns)
    masses = np.stack(
        [np.concatenate([f, np.repeat(f[:1], most - len(f), axis=0)]) for f, _ in columns], axis=2
    )
    log_shares = np.full((most, len(columns)), -np.inf)
    for place, (_, found) in enumerate(columns):
        log_shares[: len(found), place] = np.log(found)
    return masses.reshape(most, targets.size, -1), log_shares


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
    found = mixtures.shares(log_targets, log_densities)
    kept = mixtures.largest(found)
    return fits[kept], mixtures.with_minor_share(found[kept], MINOR_SHARE)


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
