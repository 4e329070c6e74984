"""Power laws of a loss in the size of the data set, and how far they are known."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_NUM_RESAMPLES = 400
_LEVEL = 0.95


class DataLaw(NamedTuple):
    """loss ≈ floor + coefficient · D^−exponent, with the exponent's 95 % interval."""

    exponent: float
    exponent_interval: tuple[float, float]
    coefficient: float
    floor: float


def fitted_law(
    sizes: Float[np.ndarray, " d"], losses: Float[np.ndarray, " d"], floor: float | None
) -> tuple[float, float, float]:
    """Exponent, coefficient and floor by least squares in log(loss − floor), all sizes alike.

    floor None: the one from 0 to the least loss with which the logarithms lie best on a line, by
    their correlation with log D.
    Raises ValueError where a loss is at or below the floor.
    """
    from scipy.optimize import minimize_scalar

    if floor is None:
        least = float(losses.min())
        # By how much the least loss is above it, in logarithms: 1e-3 of it at least.
        best = minimize_scalar(
            lambda log_gap: _line(sizes, losses - least * (1 - np.exp(log_gap)))[2],
            bounds=(np.log(1e-3), 0.0),
            method="bounded",
        )
        floor = least * (1 - float(np.exp(best.x)))
    if not np.all(losses > floor):
        raise ValueError(
            f"expected losses above the floor {floor:.6g}, got {losses.min():.6g}: give the loss "
            "that is left at any size, or floor=None to have it fitted"
        )
    exponent, coefficient, _ = _line(sizes, losses - floor)
    return exponent, coefficient, floor


def measured_law(
    key_bits: np.ndarray,
    sizes: Float[np.ndarray, " d"],
    losses: Float[np.ndarray, "d r m"],
    floor: float | None,
) -> DataLaw:
    """The law of the mean over subsets and test points, losses [size, subset, point].

    Its interval is by resampling subsets (each with all its sizes) and test points at once, which
    counts both (Owen 2007, the pigeonhole bootstrap), as a t interval.
    """
    exponent, coefficient, found = fitted_law(sizes, losses.mean(axis=(1, 2)), floor)
    rng, (_, r, m) = np.random.default_rng(key_bits), losses.shape
    exponents = []
    for _ in range(_NUM_RESAMPLES):
        subsets, points = (rng.multinomial(k, np.full(k, 1 / k)) / k for k in (r, m))
        exponents.append(fitted_law(sizes, (losses @ points) @ subsets, floor)[0])
    half = half_width(np.std(exponents), r - 1)
    return DataLaw(exponent, (exponent - half, exponent + half), coefficient, found)


def half_width(standard_error: object, degrees: int) -> float:
    """Of a 95 % interval, by Student's t."""
    from scipy.stats import t

    return float(np.asarray(standard_error) * t.ppf(0.5 + _LEVEL / 2, degrees))


def _line(sizes: np.ndarray, excess: np.ndarray) -> tuple[float, float, float]:
    """Exponent and coefficient, and the share of the logarithms' variance that is off the line."""
    logs, places = np.log(excess), np.log(sizes)
    across, along = logs - logs.mean(), places - places.mean()
    slope = float(across @ along / (along @ along))
    off = float(np.sum((across - slope * along) ** 2) / max(float(across @ across), 1e-300))
    return -slope, float(np.exp(logs.mean() - slope * places.mean())), off
