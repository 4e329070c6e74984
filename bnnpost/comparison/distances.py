"""Distances between one-dimensional laws, from their probabilities of the bins of a grid."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# Grid edges, in the Gaussian's standard deviations. Bins of 0.05 change the TV of two smooth
# densities by about 1e-4 of itself.
GRID = np.linspace(-10.0, 10.0, 401)
# Quantiles at levels closer to 0 or 1 are not looked at. Knots of an interpolation are so far
# apart, in standard normal quantiles, or one of them is left out.
_LEAST_LEVEL, _LEAST_STEP = 1e-12, 1e-6


class Distances(NamedTuple):
    """Total variation, KL(law ‖ Gaussian) in nats, Wasserstein-1 and -2, per marginal.

    W1 and W2 are in units of f.
    """

    tv: Float[np.ndarray, " *s"]
    kl: Float[np.ndarray, " *s"]
    w1: Float[np.ndarray, " *s"]
    w2: Float[np.ndarray, " *s"]


def to_gaussian(cdf: Float[np.ndarray, "*s grid"], std: Float[np.ndarray, " *s"]) -> Distances:
    """Distances of laws with these CDFs at mean + std·GRID from N(mean, std²).

    TV and KL are those of the probabilities of the grid's bins, tails included: no larger
    than the exact ones, and finite and stable also for laws with sharp peaks.
    """
    from scipy.special import ndtr

    masses = np.maximum(_bin_masses(cdf), 0.0)
    gaussian = _bin_masses(ndtr(GRID))
    # The upper half of 1 − Φ is lost to rounding; the lower half is exact, and its mirror image.
    gaussian[gaussian.size // 2 :] = gaussian[: (gaussian.size + 1) // 2][::-1]
    tv, kl = _divergences(masses, gaussian)
    w1 = np.trapezoid(np.abs(cdf - ndtr(GRID)), GRID, axis=-1)
    return Distances(tv, kl, w1 * std, _wasserstein2(cdf) * std)


def between(
    masses: Float[np.ndarray, "*s bins"],
    reference: Float[np.ndarray, "*s bins"],
    grid: Float[np.ndarray, " grid"],
    std: Float[np.ndarray, " *s"],
) -> Distances:
    """Distances of laws from reference laws, both as the probabilities of the same bins.

    Bins lie between the edges mean + std·grid, and beyond them on either side; the reference
    is positive where the law is. TV and KL as in `to_gaussian`.
    """
    tv, kl = _divergences(np.maximum(masses, 0.0), reference)
    cdf, reference_cdf = (np.cumsum(m, axis=-1)[..., :-1] for m in (masses, reference))
    w1 = np.trapezoid(np.abs(cdf - reference_cdf), grid, axis=-1)
    flat, flat_reference = (a.reshape(-1, grid.size) for a in (cdf, reference_cdf))
    pairs = zip(flat, flat_reference, strict=True)
    w2 = [_wasserstein2_between(row, other, grid) for row, other in pairs]
    return Distances(tv, kl, w1 * std, np.reshape(w2, w1.shape) * std)


def _divergences(
    masses: Float[np.ndarray, "*s bins"], reference: Float[np.ndarray, "*s bins"]
) -> tuple[Float[np.ndarray, " *s"], Float[np.ndarray, " *s"]]:
    """TV and KL(law ‖ reference), in nats, of the probabilities of bins."""
    tv = 0.5 * np.sum(np.abs(masses - reference), axis=-1)
    ratio = np.ones(np.broadcast_shapes(masses.shape, reference.shape))
    np.divide(masses, reference, out=ratio, where=(masses > 0) & (reference > 0))
    return tv, np.sum(masses * np.log(ratio) - masses + reference, axis=-1)


def _bin_masses(cdf: Float[np.ndarray, "*s grid"]) -> Float[np.ndarray, "*s bins"]:
    """Probabilities of the bins between grid edges and of both tails."""
    return np.concatenate([cdf[..., :1], np.diff(cdf, axis=-1), 1 - cdf[..., -1:]], axis=-1)


def _wasserstein2(cdf: Float[np.ndarray, "*s grid"]) -> Float[np.ndarray, " *s"]:
    """W2 in the Gaussian's std: the law's quantile minus the Gaussian's, squared, averaged."""
    from scipy.special import ndtri

    levels = np.clip(cdf, _LEAST_LEVEL, 1 - _LEAST_LEVEL)
    return _root_mean_square(np.where(levels == cdf, GRID - ndtri(levels), 0.0), cdf)


def _root_mean_square(
    shift: Float[np.ndarray, "*s grid"], cdf: Float[np.ndarray, "*s grid"]
) -> Float[np.ndarray, " *s"]:
    """Of what is known at the grid's edges, under a law with this CDF there."""
    squares = 0.5 * (shift[..., 1:] ** 2 + shift[..., :-1] ** 2)
    return np.sqrt(np.sum(np.maximum(np.diff(cdf), 0.0) * squares, axis=-1))


def _wasserstein2_between(
    cdf: Float[np.ndarray, " grid"],
    reference: Float[np.ndarray, " grid"],
    grid: Float[np.ndarray, " grid"],
) -> float:
    """W2 in units of the grid: the law's quantile minus the reference's, squared, averaged.

    The reference's quantile is interpolated in Φ⁻¹ of the CDF, where it is close to a line,
    so that the difference is exactly 0 for equal laws, and right to first order for close ones.
    """
    from scipy.interpolate import CubicSpline
    from scipy.special import ndtri

    seen, known = (
        (c > _LEAST_LEVEL) & (c < 1 - _LEAST_LEVEL) & (np.diff(c, prepend=0.0) > 0)
        for c in (cdf, reference)
    )
    knots = grid[known]
    levels = ndtri(reference[known])
    apart = np.diff(levels, prepend=-np.inf) > _LEAST_STEP
    if np.sum(apart) < 2:
        return 0.0
    quantile = CubicSpline(levels[apart], knots[apart])
    law = np.clip(ndtri(cdf, where=seen, out=np.zeros_like(cdf)), levels[0], levels[-1])
    shift = np.where(seen, grid - quantile(law), 0.0)
    return float(_root_mean_square(shift, cdf))
