"""Functions of one input as curves, over the band of a Gaussian process."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.plots.style import BLUE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = "#DCDCDC"


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
