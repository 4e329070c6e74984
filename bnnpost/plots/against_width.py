"""A distance from the limit against width, on axes that the caller made."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.plots.style import BLUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bnnpost.comparison.rates import RateFit

_TWO_SIDED = 1.96  # standard errors on either side of a 95 % interval


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
        # Zero is nowhere on a logarithmic axis: a bar that reaches it leaves the panel below.
        half = _TWO_SIDED * error[chosen]
        bars = np.stack([np.minimum(half, value[chosen] * (1 - 1e-9)), half])
        style: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": "none"}
        style |= {"markerfacecolor": face, "markersize": 7, "zorder": 3}
        axes.errorbar(n[chosen], value[chosen], bars, **style)
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
