"""Fitting the law that a draw's noise variances come from, or bounding it, in log variances t.

Weights are exact whatever was fitted. Noise of tails can have several modes (either of two
points that disagree may be the outlier); a fit follows one, and a mode that no proposal visits
is in no estimate and in no standard error. All in numpy, double precision.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from bnnpost.likelihoods import RandomNoise
from bnnpost.likelihoods.noise import SMALLEST_LOG_VAR
from bnnpost.numerics.precision import in_double_precision
from bnnpost.spaces.guides import DrawnNoise

# Log variances of the noise: this many cells, wherever a density is within so many nats of its
# peak, and coarse ones beyond; densities are looked at in so many places of each cell.
_NUM_CELLS, _NATS, _PLACES = 1024, 40.0, 5
_COARSE_CELLS, _NATS_OF_A_BOUND, _PLACES_OF_A_BOUND = 64, 70.0, 33
# The part of the prior mixed into a guide of the one noise variance, so that no proposal of a
# narrow network finds the guide far from where its weight is.
_PRIOR_PART = 0.05
# Enough sweeps of the fixed point for the hardest cases met, which took 46.
_SWEEPS, _TOLERANCE = 100, 1e-8
_DIVERGES = (
    "no strict bound exists for this law of the noise: the collapsed likelihood grows without "
    "limit as the noise goes to 0, faster than the law vanishes. Use an inverse-gamma law of "
    'noise_var, a law with a lower limit, or bound="capped"'
)

Kernel = Float[np.ndarray, "n n"]


class Cells:
    """Cells in t = log λ for the law of a noise variance.

    Equal cells wherever one of the log `heights` (functions of t, the prior's among them) is
    within `nats` of its peak, and coarse ones from there to the ends of the support: with them
    nothing that has a density is left out.
    """

    def __init__(
        self,
        likelihood: RandomNoise,
        heights: Sequence[Callable[[np.ndarray], np.ndarray]] = (),
        *,
        nats: float = _NATS,
        whole: bool = True,
    ):
        self._likelihood = likelihood
        low, high = likelihood.support()
        grid = np.linspace(low, high, 2**14 + 1)
        prior = self.log_prior(grid)
        all_heights = [prior + height(grid) for height in heights] or [prior]
        inside = [np.flatnonzero(h > np.max(h) - nats) for h in all_heights]
        first = max(min(i[0] for i in inside) - 1, 0)
        last = min(max(i[-1] for i in inside) + 1, len(grid) - 1)
        self.reaches_zero = first == 0 and low == SMALLEST_LOG_VAR
        parts = [np.linspace(grid[first], grid[last], _NUM_CELLS + 1)]
        if whole and first > 0:
            parts.insert(0, np.linspace(low, grid[first], _COARSE_CELLS + 1)[:-1])
        if whole and last < len(grid) - 1:
            parts.append(np.linspace(grid[last], high, _COARSE_CELLS + 1)[1:])
        self.edges = np.concatenate(parts)
        self.widths = np.diff(self.edges)

    def places(self, count: int = _PLACES) -> Float[np.ndarray, "q p"]:
        """Points of each cell, both ends included."""
        return self.edges[:-1, None] + self.widths[:, None] * np.linspace(0.0, 1.0, count)

    def log_prior(self, log_var: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """Prior density of t; −∞ where it is not a number."""
        found = np.asarray(self._likelihood.log_density(jnp.asarray(log_var)))
        return np.where(np.isnan(found), -np.inf, found)

    def log_masses(self, log_density: Float[np.ndarray, "*r q p"]) -> Float[np.ndarray, "*r q"]:
        """Normalised log masses from the largest density met in each cell and at its ends."""
        masses = np.max(log_density, axis=-1) + np.log(self.widths)
        return masses - logsumexp(masses, axis=-1, keepdims=True)


class Bounded(NamedTuple):
    """A guide under which no weight exceeds exp(log_bound)."""

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
    places = cells.places(_PLACES_OF_A_BOUND)
    heights = cells.log_prior(places) + _log_collapsed_bound(targets, places)
    rise = np.abs(np.diff(np.where(np.isfinite(heights), heights, np.nan), axis=1))
    highest = np.max(heights, axis=1) + np.max(np.nan_to_num(rise), axis=1)
    masses = highest + np.log(cells.widths)
    log_total = logsumexp(masses)
    guide = DrawnNoise(targets, likelihood, cells.edges, (masses - log_total)[None])
    return Bounded(guide, float(log_total))


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


def drawn_noise(
    likelihood: RandomNoise, targets: Float[np.ndarray, "n k"], kernel: Kernel | None
) -> DrawnNoise:
    """Noise variances led by the targets: by what the limit makes of them at that noise.

    The one variance of all observations from p(λ) N(y; 0, K + λI), each of several from
    p(λ_i) N(y_i; what the other points predict, + λ_i). From the prior without a kernel.
    """
    cells = Cells(likelihood, [np.zeros_like, *_pulls(likelihood, targets, kernel)])
    places = cells.places()
    log_prior = cells.log_prior(places)
    prior = cells.log_masses(log_prior[None])
    if kernel is None:
        rows = 1 if likelihood.shared else targets.size
        return DrawnNoise(targets, likelihood, cells.edges, np.repeat(prior, rows, axis=0))
    if likelihood.shared:
        fit = cells.log_masses((log_prior + _log_evidence(kernel, targets, places))[None])
        fit = np.logaddexp(np.log1p(-_PRIOR_PART) + fit, np.log(_PRIOR_PART) + prior)
    else:
        columns = [_left_out(cells, kernel, y) for y in targets.T]
        fit = np.stack(columns, axis=1).reshape(targets.size, -1)
    return DrawnNoise(targets, likelihood, cells.edges, fit)


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


def _left_out(cells: Cells, kernel: Kernel, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n q"]:
    """Log masses of each λ_i ∝ p(λ_i) N(y_i; what the other points predict, + λ_i).

    The noise of the others is taken at the variational fixed point 1/d_j = E[1/λ_j].
    """
    places = cells.places()
    log_prior = cells.log_prior(places)
    noise = _variational_noise(cells, kernel, y)
    inverse = np.linalg.inv(kernel + np.diag(noise))
    spread = 1 / np.diagonal(inverse)
    residual = (inverse @ y) * spread
    variances = np.maximum(spread - noise, 0.0)[:, None, None] + np.exp(places)
    log_normal = -0.5 * (np.log(variances) + residual[:, None, None] ** 2 / variances)
    return cells.log_masses(log_prior + log_normal)


def _variational_noise(
    cells: Cells, kernel: Kernel, y: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    middles = cells.places(3)[:, 1]
    log_prior = cells.log_prior(middles)
    noise = np.full(len(y), np.exp(middles[np.argmax(log_prior)]))
    for _ in range(_SWEEPS):
        mean, variance = posterior_moments(kernel, y[:, None], noise)
        squares = (y - mean[:, 0]) ** 2 + variance
        log_q = log_prior - 0.5 * middles - 0.5 * squares[:, None] * np.exp(-middles)
        q = np.exp(log_q - np.max(log_q, axis=1, keepdims=True))
        updated = np.sum(q, axis=1) / np.sum(q * np.exp(-middles), axis=1)
        moved = np.max(np.abs(np.log(updated / noise)))
        noise = updated
        if moved < _TOLERANCE:
            break
    return noise


def posterior_moments(
    kernel: Kernel, targets: Float[np.ndarray, "n k"], noise: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, " n"]]:
    """Mean and variance of f at the training points, with noise of these variances."""
    gain = np.linalg.solve(kernel + np.diag(noise), kernel).T
    return gain @ targets, np.maximum(np.diagonal(kernel) - np.sum(gain * kernel, axis=1), 0.0)
