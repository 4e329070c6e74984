"""How fast a distance falls with width: a fitted power law with confidence intervals."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from bnnpost.arguments import real_array


class RateFit(NamedTuple):
    """value ≈ coefficient · width^exponent, with intervals at the level asked for.

    misfit: χ² over its degrees of freedom (NaN where there are none left). Above 1, the
    intervals have been widened by its root.
    """

    exponent: float
    exponent_interval: tuple[float, float]
    coefficient: float
    coefficient_interval: tuple[float, float]
    misfit: float


def fit_rate(
    widths: object,
    values: object,
    standard_errors: object,
    *,
    level: float = 0.95,
    next_order: float = 0.0,
) -> RateFit:
    """Fit a power law by least squares in the logarithms, each value weighted by its error.

    level: of the confidence intervals. next_order: the relative size (one standard
    deviation) that corrections of the next order in 1/width may have at the smallest width:
    log value = log c + e log N + δ N_min/N with δ ~ N(0, next_order²). It widens the intervals
    by what a power law fitted at finite widths cannot know; 0 takes the law to be exact.
    Signed values are fitted by their size. Where the points scatter more than all this
    explains (χ² per degree of freedom above 1) the intervals widen by its root (Birge 1932).
    Raises ValueError for fewer than two widths, mismatched lengths, or values and errors
    that are not finite and positive.
    """
    from scipy.stats import norm

    n, value, error = _checked(widths, values, standard_errors)
    correction = next_order * n.min() / n
    covariance = np.diag((error / value) ** 2) + np.outer(correction, correction)
    design = np.stack([np.ones_like(n), np.log(n)], axis=1)
    information = design.T @ np.linalg.solve(covariance, design)
    fitted = np.linalg.solve(information, design.T @ np.linalg.solve(covariance, np.log(value)))
    residual = np.log(value) - design @ fitted
    misfit = _misfit(float(residual @ np.linalg.solve(covariance, residual)), len(n))
    # NaN is not above 1.
    widened = float(norm.ppf(0.5 + level / 2)) * math.sqrt(max(1.0, misfit))
    half = widened * np.sqrt(np.diagonal(np.linalg.inv(information)))
    low, high = fitted - half, fitted + half
    return RateFit(
        exponent=float(fitted[1]),
        exponent_interval=(float(low[1]), float(high[1])),
        coefficient=math.exp(fitted[0]),
        coefficient_interval=(math.exp(low[0]), math.exp(high[0])),
        misfit=misfit,
    )


class CoefficientFit(NamedTuple):
    """value ≈ coefficient/width + next_coefficient/width², signs kept, with standard errors.

    misfit: χ² over its degrees of freedom (NaN where there are none left). Above 1, the
    standard errors have been widened by its root.
    """

    coefficient: float
    standard_error: float
    next_coefficient: float
    next_standard_error: float
    misfit: float


def fit_coefficient(widths: object, values: object, standard_errors: object) -> CoefficientFit:
    """Fit coefficient/N + next/N² by least squares, each value weighted by its error.

    The first is what a first-order theory predicts. Widths so narrow that the third order
    matters spoil both, which the misfit shows.
    Raises ValueError for fewer than two widths, mismatched lengths, values that are not
    finite, and errors that are not finite and positive.
    """
    signed = real_array("values", values).ravel()
    # A difference may be zero, where a power law may not.
    n, _, error = _checked(widths, np.where(signed == 0, 1.0, signed), standard_errors)
    design = np.stack([1 / n, 1 / n**2], axis=1) / error[:, None]
    scale = np.linalg.norm(design, axis=0)
    covariance = np.linalg.inv((design / scale).T @ (design / scale)) / np.outer(scale, scale)
    fitted = covariance @ (design.T @ (signed / error))
    misfit = _misfit(float(np.sum((signed / error - design @ fitted) ** 2)), len(n))
    errors = np.sqrt(np.diagonal(covariance) * max(1.0, misfit))
    return CoefficientFit(
        float(fitted[0]), float(errors[0]), float(fitted[1]), float(errors[1]), misfit
    )


def _misfit(chi_square: float, count: int) -> float:
    """χ² over the degrees of freedom that two parameters leave; NaN where they leave none."""
    return chi_square / (count - 2) if count > 2 else math.nan


def _checked(
    widths: object, values: object, standard_errors: object
) -> tuple[Float[np.ndarray, " w"], Float[np.ndarray, " w"], Float[np.ndarray, " w"]]:
    given = {"widths": widths, "values": values, "standard_errors": standard_errors}
    n, value, error = (real_array(name, one).ravel() for name, one in given.items())
    value = np.abs(value)
    if not len(n) == len(value) == len(error):
        raise ValueError(f"expected equal lengths, got {len(n)}, {len(value)} and {len(error)}")
    if len(np.unique(n)) < 2:
        raise ValueError(f"a rate needs at least two different widths, got {n.tolist()}")
    for name, array in (("widths", n), ("values", value), ("standard_errors", error)):
        if not np.all(np.isfinite(array) & (array > 0)):
            raise ValueError(f"expected {name} to be finite and not zero, got {array.tolist()}")
    return n, value, error
