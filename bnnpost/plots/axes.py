"""What is drawn on axes that the caller made: a distance against width, functions, PIT."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.plots.curves import TWO_SIDED
from bnnpost.plots.style import BLUE, VERMILION, error_bars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bnnpost.comparison.rates import RateFit

BAND = "#DCDCDC"


def against_width(
    axes: "Axes",
    widths: object,
    values: object,
    standard_errors: object,
    *,
    fit: "RateFit | None" = None,
    fitted_from: float = 0,
    first_order: tuple[float, float] | None = None,
    label: str = "",
    colour: str = BLUE,
    marker: str = "o",
) -> None:
    """Draw a distance against width, log-log: points with 95 % intervals, a fit, a theory.

    widths, values, standard_errors [width]. fit: of `bnnpost.fit_rate`, a line through the widths
    from `fitted_from` on; points below are hollow. first_order: coefficient and power of a
    theory's coefficient · width^power, dashes over all widths. label: set beside the widest
    point, in the curve's colour, for which the x axis is given room.
    Raises ValueError for values that are not positive, which a logarithm does not show.
    """
    n, value, error = (np.asarray(a, float).reshape(-1) for a in (widths, values, standard_errors))
    if not np.all(value > 0):
        raise ValueError(f"expected positive values for a logarithmic axis, got {value.tolist()}")
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(n, [f"{width:g}" for width in n])
    axes.minorticks_off()
    for chosen, face in ((n >= fitted_from, colour), (n < fitted_from, "white")):
        style: dict[str, Any] = {"color": colour, "marker": marker, "markerfacecolor": face}
        half = TWO_SIDED * error[chosen]
        error_bars(axes, n[chosen], value[chosen], half, markersize=7, **style)
    if fit is not None:
        ends = np.array([n[n >= fitted_from].min(), n.max()])
        axes.plot(ends, fit.coefficient * ends**fit.exponent, color=colour)
    if first_order is not None:
        coefficient, power = first_order
        ends = np.array([n.min(), n.max()])
        line: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 2.5)), "linewidth": 1.1}
        axes.plot(ends, coefficient * ends**power, zorder=4, **line)
    if label:
        offset: dict[str, Any] = {"textcoords": "offset points", "xytext": (12, 0), "va": "center"}
        widest = int(np.argmax(n))
        axes.annotate(label, (n[widest], value[widest]), color=colour, **offset)


def functions(
    axes: "Axes",
    x: object,
    curves: object | None = None,
    *,
    mean: object | None = None,
    std: object | None = None,
    data: tuple[object, object] | None = None,
    colour: str = BLUE,
) -> None:
    """Draw functions on a grid of one input, each a thin curve, on axes that the caller made.

    x [point] or [point, 1]: ascending inputs. curves [curve, point]: what is drawn thin. mean,
    std [point]: of the process to compare with, drawn as a dashed line and a grey band of two
    standard deviations on either side. data: inputs [row] or [row, 1] and targets [row], drawn
    as points. Each kind has one entry for a legend ("functions", "limit: mean", "limit: ± 2 std",
    "data"); the limits of the axes are left to the caller.
    Raises ValueError for curves, mean or std that do not match x.
    """
    places = np.asarray(x, float).reshape(-1)
    if std is not None:
        if mean is None:
            raise ValueError("expected a mean with the std: the band lies around it")
        centre, half = _on("mean", mean, places), 2 * _on("std", std, places)
        style: dict[str, Any] = {"color": BAND, "linewidth": 0, "label": "limit: ± 2 std"}
        axes.fill_between(places, centre - half, centre + half, **style)
    if curves is not None:
        rows = np.atleast_2d(np.asarray(curves, float))
        _on("curves", rows[0] if rows.size else [], places)
        # Fainter the more there are, so that where they crowd can be seen.
        alpha = float(np.clip(12 / len(rows), 0.2, 0.7))
        axes.plot(places, rows.T, color=colour, linewidth=0.9, alpha=alpha)
        axes.plot([], [], color=colour, linewidth=1.2, label="functions")
    if mean is not None:
        centre = _on("mean", mean, places)
        axes.plot(places, centre, "k--", linewidth=1.4, label="limit: mean")
    if data is not None:
        inputs, targets = (np.asarray(part, float).reshape(-1) for part in data)
        mark: dict[str, Any] = {"color": VERMILION, "markeredgecolor": "white", "zorder": 3}
        axes.plot(inputs, targets, "o", markersize=7, label="data", **mark)


def _on(name: str, values: object, places: np.ndarray) -> np.ndarray:
    found = np.asarray(values, float).reshape(-1)
    if len(found) != len(places):
        raise ValueError(f"expected {name} at the {len(places)} inputs of x, got {len(found)}")
    return found


def pit(axes: "Axes", uniforms: object, *, bins: int = 20, level: float = 0.01) -> None:
    """Draw a histogram of what a right sampler makes uniform, on axes that the caller made.

    uniforms [draw]: the reference's distribution function at independent draws, as in
    `Report.pit[:, column]`. Heights are multiples of the uniform one. Grey: where all bars of
    a right sampler stay together with probability 1 − level (binomial, Bonferroni; the
    reference is taken for exact). Bars outside are vermilion. High in the middle: the draws are
    too narrow; high at both ends: too wide; sloping: shifted.
    Raises ValueError for values outside 0 to 1, or none.
    """
    from scipy.stats import binom

    values = np.asarray(uniforms, float).reshape(-1)
    if not (len(values) and np.all((values >= 0) & (values <= 1))):
        raise ValueError("expected values between 0 and 1: a distribution function at draws")
    heights = np.histogram(values, bins, (0.0, 1.0))[0] * bins / len(values)
    tail = level / (2 * bins)
    low, high = (binom.ppf(p, len(values), 1 / bins) * bins / len(values) for p in (tail, 1 - tail))
    axes.axhspan(low, high, color=BAND, linewidth=0)
    inside = (heights >= low) & (heights <= high)
    middles = (np.arange(bins) + 0.5) / bins
    colours = np.where(inside, BLUE, VERMILION)
    bars: dict[str, Any] = {"color": colours, "edgecolor": "white", "linewidth": 0.5}
    axes.bar(middles, heights, 1 / bins, alpha=0.9, **bars)
    for edge in (low, high):
        axes.axhline(edge, color="#888888", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set(xlim=(0, 1), ylim=(0, 1.08 * max(high, heights.max())))
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
