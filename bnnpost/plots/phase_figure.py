"""The figure of gradient descent at large learning rates: losses, curvature, and which phase."""

from typing import TYPE_CHECKING

import numpy as np

from bnnpost.plots.style import BLUE, GREEN, MUTED, OCHRE, PURPLE, STYLE, VERMILION, headed

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bnnpost.samplers.training import Phases

_HEIGHT = 3.4
_COLOURS = (BLUE, GREEN, OCHRE, VERMILION, PURPLE)
_MOST_RATES = 5


def training_phases(found: "Phases", critical: "xr.Dataset") -> "Figure":
    """Loss and curvature over the steps of single descents, and the phases over width.

    found: of `training.phases`; up to five of its rates are drawn, each from the first prior draw.
    critical: of `training.critical_rates`, means with 95 % intervals; its bands are the phases.
    9 inches wide.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        note = (
            "Learning rate c/λ₀, λ₀ the largest eigenvalue of the tangent kernel at the start. "
            "Left and middle: one draw of the prior; right: means over draws, 95 % intervals."
        )
        figure = headed(_HEIGHT, "Gradient descent: lazy, catapult, divergence", note)
        edges = {"left": 0.07, "right": 0.98, "top": 1 - 0.85 / _HEIGHT, "bottom": 0.5 / _HEIGHT}
        grid = figure.add_gridspec(1, 3, **edges, wspace=0.3)
        loss, sharpness, phase = (figure.add_subplot(grid[i]) for i in range(3))
        _descents(loss, sharpness, found.runs)
        _bands(phase, critical)
    return figure


def _descents(loss: "Axes", sharpness: "Axes", runs: "xr.Dataset") -> None:
    first = runs.isel(seed=0)
    rates = first["rate"].values
    places = np.unique(np.linspace(0, len(rates) - 1, _MOST_RATES).astype(int))
    for place, colour in zip(places, _COLOURS, strict=False):
        one, shown = first.isel(rate=place), f"c = {rates[place]:g}"
        relative = one["loss"].values / float(one["loss"][0])
        # After a divergence the last values stay.
        end = int(np.argmax(relative)) + 1 if str(one["phase"].values) == "diverged" else None
        loss.plot(np.clip(relative[:end], 1e-6, 1e4), color=colour, label=shown)
        curvature = one["sharpness"].values[:end] / float(one["first_sharpness"])
        sharpness.plot(rates[place] * curvature, color=colour)
    loss.set(yscale="log", ylim=(1e-4, 1e4), xlabel="step", title="loss / first loss")
    loss.legend(frameon=False, fontsize=8)
    sharpness.axhline(2, color=MUTED, linewidth=0.9, linestyle=(0, (4, 2.5)))
    sharpness.annotate("stable below 2", (1, 2), xycoords=("axes fraction", "data"), ha="right",
                       va="bottom", color=MUTED, size=8)  # fmt: skip
    sharpness.set(yscale="log", xlabel="step", title="learning rate × λ")


def _bands(axes: "Axes", critical: "xr.Dataset") -> None:
    width = critical["width"].values
    growth, divergence = (critical[f"{name}_mean"].values for name in ("growth", "divergence"))
    top = 1.25 * float(critical["divergence_high"].max())
    for low, high, colour in (
        (np.zeros(len(width)), growth, BLUE),
        (growth, divergence, OCHRE),
        (divergence, np.full(len(width), top), VERMILION),
    ):
        axes.fill_between(width, low, high, color=colour, alpha=0.18, linewidth=0)
    for name, colour in (("growth", BLUE), ("divergence", VERMILION)):
        mean, low, high = (critical[f"{name}_{end}"].values for end in ("mean", "low", "high"))
        axes.errorbar(width, mean, [mean - low, high - mean], color=colour, marker="o", capsize=2)
    for word, height in (
        ("lazy", growth.mean() / 2),
        ("catapult", (growth + divergence).mean() / 2),
        ("diverges", (divergence.mean() + top) / 2),
    ):
        axes.annotate(word, (0.5, height), xycoords=("axes fraction", "data"), ha="center",
                      va="center")  # fmt: skip
    axes.set(xscale="log", ylim=(0, top), xlabel="width", title="c, and what becomes of it")
    axes.set_xticks(width, [f"{one:g}" for one in width])
    axes.minorticks_off()
