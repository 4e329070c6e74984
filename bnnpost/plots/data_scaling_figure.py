"""The figure of a loss against the size of the data set, beside the kernel's spectrum."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.plots.curves import TWO_SIDED
from bnnpost.plots.style import BLUE, GREEN, MUTED, STYLE, VERMILION, error_bars, headed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bnnpost.studies.data_scaling import DataScaling
    from bnnpost.studies.power_laws import DataLaw

_HEIGHT = 4.0
_DASHES: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 2.5)), "linewidth": 1.1}
# Of the largest eigenvalue: below is rounding.
_SHOWN = 1e-14


def data_scaling(result: "DataScaling") -> "Figure":
    """The kernel's eigenvalues with their tail, and the loss against the number of points.

    result: what `bnnpost.scaling_over_data` gave. Left: eigenvalues of K/n of the pool against
    their rank, and the power law fitted to the tail. Right: the squared error less its floor, means
    over subsets with 95 % intervals, its power law, and dashed what the spectrum and the targets
    predict. Size 9 × 4 inches.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        note = (
            "Bars: 95 % intervals over subsets; those of exponents count test points too. Dashes: "
            "predicted from the kernel and the targets, nothing fitted."
        )
        figure = headed(_HEIGHT, "How the limit’s loss falls with the size of the data set", note)
        edges = {"left": 0.075, "right": 0.98, "top": 1 - 0.95 / _HEIGHT, "bottom": 0.5 / _HEIGHT}
        grid = figure.add_gridspec(1, 2, wspace=0.26, **edges)
        left, right = (figure.add_subplot(grid[i]) for i in range(2))
        _draw_spectrum(left, result)
        _draw_losses(right, result)
    return figure


def _draw_spectrum(axes: "Axes", result: "DataScaling") -> None:
    values, tail = result.spectrum.eigenvalues, result.tail
    rank = np.arange(1, len(values) + 1)
    shown = values > _SHOWN * values[0]
    axes.plot(rank[shown], values[shown], ".", color=BLUE, markersize=2.5)
    axes.set(xscale="log", yscale="log", xlabel="rank i", ylabel="eigenvalue λᵢ of K/n")
    axes.set_title("Spectrum of the kernel on the pool")
    if tail is not None:
        ends = np.array([tail.first, tail.last], float)
        line = tail.coefficient * ends ** -(1 + tail.exponent)
        axes.plot(ends, line, color=VERMILION, linewidth=1.5)
        told = f"i$^{{−(1+α)}}$, α = {_said(tail.exponent, tail.exponent_interval)}"
        place = (0.04, 0.06)
        axes.annotate(told, place, xycoords="axes fraction", color=VERMILION, size=9)


def _draw_losses(axes: "Axes", result: "DataScaling") -> None:
    losses, measured = result.losses, result.measured
    sizes = losses["size"].values.astype(float)
    excess = losses["squared_error"].values - measured.floor
    half = TWO_SIDED * losses["squared_error_se"].values
    error_bars(axes, sizes, excess, half, color=BLUE, marker="o", markersize=5.5)
    axes.plot(sizes, measured.coefficient * sizes**-measured.exponent, color=BLUE)
    expected = losses["squared_error_predicted"].values - result.predicted.floor
    axes.plot(sizes, expected, zorder=4, **_DASHES)
    laws: list[tuple[str, DataLaw | None, str]] = [
        ("measured", measured, BLUE),
        ("predicted", result.predicted, "black"),
    ]
    if "squared_error_finite" in losses:
        _draw_finite(axes, result)
        laws += [("finite width", result.finite, GREEN)]
    label = "squared error" + (f" − {measured.floor:.3g}" if measured.floor else "")
    axes.set(xscale="log", yscale="log", xlabel="training points D", ylabel=label)
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.tick_params("x", which="minor", bottom=False)
    axes.set_title("Loss at test points")
    for i, (name, law, colour) in enumerate(laws):
        told = name
        if law is not None:
            told += f": D$^{{−α}}$, α = {_said(law.exponent, law.exponent_interval)}"
        place = (0.04, 0.06 + 0.07 * (len(laws) - 1 - i))
        axes.annotate(told, place, xycoords="axes fraction", color=colour, size=9)
    axes.grid(True, which="major", color=MUTED, alpha=0.15, linewidth=0.5)


def _draw_finite(axes: "Axes", result: "DataScaling") -> None:
    losses = result.losses.isel(size=np.isfinite(result.losses["squared_error_finite"].values))
    floor = result.measured.floor if result.finite is None else result.finite.floor
    excess = losses["squared_error_finite"].values - floor
    half = TWO_SIDED * losses["squared_error_finite_se"].values
    # Beside the limit's, whose subsets they share.
    sizes = 1.04 * losses["size"].values
    error_bars(axes, sizes, excess, half, color=GREEN, marker="s", markersize=4.5)


def _said(value: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{value:.2f} [{low:.2f}, {high:.2f}]".replace("-", "−")
