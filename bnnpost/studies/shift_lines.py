"""Lines that single models' losses lie on, at test inputs as they are and after a shift.

Miller et al. (2021, arXiv 2107.04649): accuracies of many models after a shift are close to a line
in those before, on the probit scale; Andreassen et al. (2021, arXiv 2106.15831) ask who is off it.
Here a model is one draw of the posterior, or one member of an ensemble; squared errors are on the
logarithmic scale. A predictive averages models, and need not lie where they do.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.special
import scipy.stats
from jaxtyping import Float

if TYPE_CHECKING:
    import xarray as xr

_RESAMPLES = 1000
# Of x² beside that of 1: models that differ by no more do so by rounding.
_NEGLIGIBLE = 1e-12


class Scaled(NamedTuple):
    """Losses on the scale of a line, and their standard errors there."""

    value: Float[np.ndarray, "*s"]
    error: Float[np.ndarray, "*s"]


def on_scale(
    measure: str, value: Float[np.ndarray, "*s"], error: Float[np.ndarray, "*s"], count: object
) -> Scaled:
    """Squared errors by their logarithm, accuracies c by Φ⁻¹((c·count + ½)/(count + 1)).

    count: test points, which keep a share of 0 or 1 finite.
    """
    if measure == "squared_error":
        return Scaled(np.log(value), error / value)
    m = np.asarray(count, float)
    probit = scipy.special.ndtri((value * m + 0.5) / (m + 1))
    return Scaled(probit, error * m / (m + 1) / scipy.stats.norm.pdf(probit))


def line_through(
    before: Float[np.ndarray, " s"],
    after: Float[np.ndarray, " s"],
    predictors: dict[str, tuple[Scaled, Scaled]],
    rng: np.random.Generator,
) -> "xr.Dataset":
    """The least-squares line of models after a shift on models before, and who is off it.

    predictors: each before and after. residual [predictor]: above the line; its standard error is
    a bootstrap's over models and the predictor's own Monte Carlo error. scatter: std of models
    around the line. NaN where models do not differ before.
    """
    import xarray as xr

    names = list(predictors)
    if len(before) < 3 or np.var(before) <= _NEGLIGIBLE * (1 + np.mean(before) ** 2):
        line, scatter = (np.nan, np.nan, np.nan), np.nan
        off = [(np.nan, np.nan)] * len(names)
    else:
        fit = scipy.stats.linregress(before, after)
        line = (fit.slope, fit.intercept, fit.rvalue)
        residuals = after - fit.intercept - fit.slope * before
        scatter = np.std(residuals, ddof=2)
        off = [_off(before, after, *predictors[name], rng) for name in names]
    values = dict(zip(("slope", "intercept", "correlation"), line, strict=True))
    residual, error = (("predictor", [one[i] for one in off]) for i in (0, 1))
    found = {**values, "scatter": scatter, "residual": residual, "residual_se": error}
    return xr.Dataset(found, {"predictor": names})


def _off(
    before: np.ndarray, after: np.ndarray, at: Scaled, to: Scaled, rng: np.random.Generator
) -> tuple[float, float]:
    """A predictor's residual from the line, and its standard error."""

    def residual(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(to.value - _predicted(x, y, float(at.value), axis))

    # Its own fit to the data: how the line moves with who was drawn.
    resampled = scipy.stats.bootstrap(
        (before, after),
        residual,
        n_resamples=_RESAMPLES,
        paired=True,
        vectorized=True,
        method="percentile",
        rng=rng,
    )
    slope = scipy.stats.linregress(before, after).slope
    own = np.hypot(to.error, slope * at.error)
    return float(residual(before, after)), float(np.hypot(resampled.standard_error, own))


def _predicted(x: np.ndarray, y: np.ndarray, at: float, axis: int) -> np.ndarray:
    """Values at one place of the least-squares lines along an axis; level where x are alike."""
    x0, y0 = (one.mean(axis=axis, keepdims=True) for one in (x, y))
    spread = np.sum((x - x0) ** 2, axis=axis)
    differ = spread > _NEGLIGIBLE * x.shape[axis] * (1 + x0.squeeze(axis) ** 2)
    slope = np.sum((x - x0) * (y - y0), axis=axis) * differ / np.where(differ, spread, 1.0)
    return y0.squeeze(axis) + slope * (at - x0.squeeze(axis))  # type: ignore[no-any-return]
