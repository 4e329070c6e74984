"""The figure of predictions of theory: how far each is from the posterior, over points a unit."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.plots.curves import TWO_SIDED
from bnnpost.plots.style import (
    BLUE,
    GREEN,
    MUTED,
    STYLE,
    VERMILION,
    error_bars,
    headed,
    spread_out,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bnnpost.studies.theory_errors import TheoryErrors

_HEIGHT = 3.6
_COLOURS = {"limit": BLUE, "first order": GREEN, "proportional": VERMILION}
_MARKERS = {"limit": "o", "first order": "s", "proportional": "^"}


def prediction_errors(found: Mapping[float, "TheoryErrors"]) -> "Figure":
    """Errors of posterior means and variances against n/N, a line for each prediction.

    found: results of `bnnpost.theory_errors` by the ratio of training points to width. Bars: 95 %
    intervals; hollow: errors that the noise of what was measured hides. Dashes: 1 %. 9 inches
    wide. Raises ValueError for none.
    """
    import matplotlib

    if not found:
        raise ValueError("expected results of bnnpost.theory_errors by n/N, got none")
    ratios = np.array(sorted(found))
    ticks = spread_out(ratios, 0.1 * np.log(ratios[-1] / ratios[0]))
    with matplotlib.rc_context(STYLE):
        note = (
            "Root mean squares over test points. Hollow: hidden by the noise of what was measured. "
            "Dashes: 1 %."
        )
        figure = headed(_HEIGHT, "What theory predicts of the posterior, and how far it is", note)
        edges = {"left": 0.07, "right": 0.97, "top": 1 - 0.85 / _HEIGHT, "bottom": 0.5 / _HEIGHT}
        grid = figure.add_gridspec(1, 2, **edges, wspace=0.22)
        titles = {"mean": "mean of f, posterior stds", "variance": "variance of f, relative"}
        for place, (quantity, title) in enumerate(titles.items()):
            axes = figure.add_subplot(grid[place])
            axes.set(xscale="log", yscale="log", title=title, xlabel="training points / width")
            axes.set_xticks(ticks, [f"{ratio:.3g}" for ratio in ticks])
            axes.set_xticks([], minor=True)
            lowest = min(float(one.errors[f"{quantity}_se"].min()) for one in found.values())
            for name in _COLOURS:
                errors = [found[ratio].errors.sel(prediction=name) for ratio in ratios]
                value, se = (
                    np.array([float(one[part]) for one in errors])
                    for part in (quantity, f"{quantity}_se")
                )
                _line(axes, name, ratios, value, se)
            axes.set_ylim(0.5 * lowest, 1)
            axes.axhline(0.01, color=MUTED, linewidth=0.9, linestyle=(0, (4, 2.5)))
        figure.axes[0].legend(frameon=False)
    return figure


def _line(axes: "Axes", name: str, ratios: np.ndarray, value: np.ndarray, se: np.ndarray) -> None:
    """One prediction: filled where its error is seen above the noise, else hollow."""
    seen, colour = value > TWO_SIDED * se, _COLOURS[name]
    style: dict[str, Any] = {"color": colour, "marker": _MARKERS[name], "markersize": 5}
    axes.plot(ratios, np.maximum(value, se), linewidth=0.9, label=name, **style)
    error_bars(axes, ratios[seen], value[seen], TWO_SIDED * se[seen], **style)
    hollow = np.maximum(value, se)[~seen]
    axes.plot(ratios[~seen], hollow, linestyle="none", markerfacecolor="white", zorder=4, **style)
