"""Fitting the law that a draw's noise variances come from, or bounding it, in log variances t.

Weights are exact whatever was fitted. Noise of tails can have several modes (either of two
points that disagree may be the outlier): fits start with each point trusted alone, and with each
held out, and those that differ are all drawn from. All in numpy, double precision.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from bnnpost.likelihoods.base import NoiseLaw
from bnnpost.numerics.precision import in_double_precision
from bnnpost.spaces.cells import CellMixture, Cells, log_var_moments
from bnnpost.spaces.guides import BOUND_SHARE, PRIOR_SHARE, DrawnNoise, Led
from bnnpost.spaces.noise_modes import Kernel, several

_NATS_OF_A_BOUND, _PLACES_OF_A_BOUND = 70.0, 33
_DIVERGES = (
    "no strict bound exists for this law of the noise: the collapsed likelihood grows without "
    "limit as the noise goes to 0, faster than the law vanishes. Use an inverse-gamma law of "
    'noise_var, a law with a lower limit, or bound="capped"'
)

# A log density as a function of t.
LogBound = Callable[[np.ndarray], np.ndarray]


@in_double_precision
def bounded_noise(law: NoiseLaw, targets: Float[np.ndarray, "n k"]) -> Led:
    """The noise variance drawn from p(λ)B(λ), B(λ) the collapsed bound, its integral the bound.

    B(λ) = sup over kernels of Π_o N(y_o; 0, K̂ + λI): with s_i the eigenvalues of YYᵀ/k and
    m_i = max(s_i, λ), log B = −(k/2) Σ_i [log 2πm_i + s_i/m_i]. Each cell is given the
    largest value in it, so that p(λ)B(λ) is nowhere above what it is drawn from. Raises
    ValueError where the integral diverges: as λ → 0 it does unless p(λ) vanishes faster than
    B(λ) grows.
    """
    bound = functools.partial(_log_collapsed_bound, targets)
    cells = Cells(law, [bound], nats=_NATS_OF_A_BOUND, whole=False)
    if cells.reaches_zero:
        raise ValueError(_DIVERGES)
    masses = _bounded_masses(cells, bound)
    log_total = logsumexp(masses)
    rows = (masses - log_total)[None]
    mixture = CellMixture.single(cells.edges, rows)
    guide = DrawnNoise(targets, law, mixture, log_var_moments(cells.edges, rows))
    return Led(guide, float(log_total))


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
    law: NoiseLaw,
    targets: Float[np.ndarray, "n k"],
    kernel: Kernel | None,
    centred: Float[np.ndarray, "n k"] | None = None,
) -> Led:
    """Noise variances led by the targets: by what the limit makes of them at that noise.

    The one variance of all observations from p(λ) N(y; 0, K + λI), each of several from
    p(λ_i) N(y_i; what the other points predict, + λ_i), for every way to trust them that is
    found. From the prior without a kernel. PRIOR_SHARE of the proposals are from the prior in any
    case, and BOUND_SHARE from the law under which the weight is bounded, where there is one: of
    one variance only if the targets are known when centred, less the readout's biases.
    """
    cells = Cells(law, [np.zeros_like, *_pulls(law, targets, kernel)])
    rows = 1 if law.shared else targets.size
    prior = np.repeat(cells.log_masses(cells.log_prior(cells.places())[None]), rows, axis=0)
    whole, log_bound = _defence(cells, prior, _bound(law, centred))
    fits, log_shares = _fits(cells, law, targets, kernel, prior)
    masses = np.concatenate([*(part[None] for part, _ in whole), fits])
    log_whole = np.log([share for _, share in whole])
    marginal = _marginal(fits, log_shares)
    if law.shared:
        marginal = np.logaddexp(np.log1p(-PRIOR_SHARE) + marginal, np.log(PRIOR_SHARE) + prior)
    mixture = CellMixture(cells.edges, masses, log_whole, log_shares)
    guide = DrawnNoise(targets, law, mixture, log_var_moments(cells.edges, marginal))
    return Led(guide, log_bound)


def _bound(law: NoiseLaw, centred: Float[np.ndarray, "n k"] | None) -> LogBound | None:
    """What bounds the density of the targets at a noise, of all of them or of each; or nothing."""
    if not law.shared:
        return _log_peak
    return None if centred is None else functools.partial(_log_collapsed_bound, centred)


def _fits(
    cells: Cells,
    law: NoiseLaw,
    targets: Float[np.ndarray, "n k"],
    kernel: Kernel | None,
    prior: Float[np.ndarray, "r q"],
) -> tuple[Float[np.ndarray, "c r q"], Float[np.ndarray, "c g"]]:
    """Log masses of the fits, and their log shares; the prior without a kernel."""
    if kernel is None:
        return prior[None], np.zeros((1, 1))
    if not law.shared:
        return several(cells, kernel, targets)
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
    law: NoiseLaw, targets: Float[np.ndarray, "n k"], kernel: Kernel | None
) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Where the targets may pull log variances, as log factors of the prior."""
    if law.shared:
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
