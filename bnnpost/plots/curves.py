"""What pictures of a sweep show, whoever draws them: curves of distances, lines, densities."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from bnnpost.plots.own_units import on_the_scale_of_f

if TYPE_CHECKING:
    import xarray as xr

TWO_SIDED = 1.96  # standard errors on either side of a 95 % interval
_MOST_WIDTHS = 4
_CROP = 0.004  # share of the highest density below which nothing is shown
_MARGIN, _AIR = 0.03, 1.08  # beside and above what is shown of densities

# By name, the numbers of one distance's fitted rate, or of its first-order theory.
Rate = Mapping[str, float]


def rows_by_distance(dataset: "xr.Dataset") -> dict[str, Rate]:
    """Return by distance the numbers of a data set of rates or of theory, by name."""
    return {
        str(name): {str(n): float(dataset[n].values[i]) for n in dataset.data_vars}
        for i, name in enumerate(dataset["distance"].values)
    }


@dataclass(frozen=True)
class DistanceCurve:
    """A distance against width.

    sizes: the distance; of the log evidence's difference, which has a sign, its absolute value.
    halves: half of the 95 % intervals. fitted: which widths the power law was fitted to. line:
    widths and sizes at the ends of the fitted line; None if there is none.
    """

    widths: Float[np.ndarray, " n"]
    sizes: Float[np.ndarray, " n"]
    halves: Float[np.ndarray, " n"]
    fitted: Bool[np.ndarray, " n"]
    line: tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]] | None


def distance_curve(distances: "xr.Dataset", name: str, rate: Rate, start: int) -> DistanceCurve:
    """Return the curve of a distance, whose rate was fitted from the width `start` on."""
    widths = distances["width"].values.astype(float)
    sizes = distances[name].values.astype(float)
    sizes = np.abs(sizes) if name == "log_evidence_error" else sizes
    halves = TWO_SIDED * distances[f"{name}_se"].values.astype(float)
    fitted = (widths >= start) & math.isfinite(rate["exponent"])
    if not fitted.any():
        return DistanceCurve(widths, sizes, halves, fitted, None)
    ends = np.array([widths[fitted].min(), widths[fitted].max()])
    line = ends, rate["coefficient"] * ends ** rate["exponent"]
    return DistanceCurve(widths, sizes, halves, fitted, line)


@dataclass(frozen=True)
class TheoryLine:
    """A part of the line of first-order theory. holds: whether the next order is small there."""

    ends: Float[np.ndarray, " 2"]
    sizes: Float[np.ndarray, " 2"]
    holds: bool


def theory_lines(theory: Rate, slope: float, low: float, high: float) -> Iterator[TheoryLine]:
    """Yield first-order theory between two widths: where the next order matters, and beyond."""
    turn = theory["second_order_below_high"]
    turn = low if math.isnan(turn) else min(max(turn, low), high)
    for start, end, holds in ((low, turn, False), (turn, high, True)):
        if start < end:
            ends = np.array([start, end])
            yield TheoryLine(ends, abs(theory["coefficient"]) * ends**slope, holds)


def drawn_widths(predictive: "xr.Dataset", widths: Sequence[int] | None = None) -> list[int]:
    """Return the widths of which densities are drawn, ascending.

    widths: those asked for; by default up to four, from the narrowest to the widest. Widths without
    densities are left out. Raises ValueError for a width that is not there.
    """
    known = sorted(int(width) for width in predictive["width"].values)
    if missing := set(widths or ()) - set(known):
        raise ValueError(f"no width {min(missing)} in these results, which hold {known}")
    asked = known if widths is None else sorted(set(widths))
    drawn = [w for w in asked if np.isfinite(predictive["density"].sel(width=w)).all()]
    number = len(drawn) if widths is not None else min(len(drawn), _MOST_WIDTHS)
    return [drawn[i] for i in np.linspace(0, len(drawn) - 1, number).round().astype(int)]


@dataclass(frozen=True)
class DensityCurves:
    """Densities of one value of f, and the window in which there is something to see.

    curves: a row for each width. target: the observed one; NaN if it is not on the scale of f.
    low, high: ends of the window of f; top: its upper end.
    """

    f: Float[np.ndarray, " grid"]
    curves: Float[np.ndarray, "width grid"]
    limit: Float[np.ndarray, " grid"]
    target: float
    low: float
    high: float
    top: float


def density_curves(
    predictive: "xr.Dataset", data: "xr.Dataset", point: int, output: int, widths: Sequence[int]
) -> DensityCurves:
    """Return the densities of f at one test point and output, at these widths and in the limit."""
    value = predictive.isel(point=point, output=output)
    f, limit = value["f"].values, value["limit_density"].values
    curves = np.array([value["density"].sel(width=width).values for width in widths])
    target = float(data["y_test"][point, output]) if on_the_scale_of_f(data.attrs) else math.nan
    highest = np.max([limit, *curves], axis=0)
    shown = f[highest > _CROP * highest.max()]
    ends = [float(shown.min()), float(shown.max())] + [target] * math.isfinite(target)
    margin = _MARGIN * (max(ends) - min(ends))
    top = _AIR * float(highest.max())
    return DensityCurves(
        f, curves.reshape(-1, len(f)), limit, target, min(ends) - margin, max(ends) + margin, top
    )
