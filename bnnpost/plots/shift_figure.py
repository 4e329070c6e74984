"""The figure of a shift: losses and spread as inputs move, and who is off the line of models."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.plots.curves import TWO_SIDED
from bnnpost.plots.style import MUTED, STYLE, VERMILION, headed

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bnnpost.studies import Shift

_HEIGHT = 4.6
# Of a sequential map, from the narrowest width to the widest.
_LIGHTEST, _DARKEST = 0.25, 0.95
_LABELS = {"nll": "−log density (nats)", "epistemic_var": "epistemic std of f"}
_SHARES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
_MODELS = {"draw": "single draws", "member": "ensemble members"}


def shifts(
    found: "Shift", *, family: str | None = None, measure: str = "squared_error"
) -> "Figure":
    """Loss and epistemic std against how far inputs moved; models' losses before and after.

    found: what `bnnpost.shift` gave. family: which shifts are drawn, the first by default. Left:
    of every width (the darker the wider), of the limit and, where there is one, of the ensemble,
    with 95 % Monte Carlo intervals. Right, where single draws (or members) were asked for: each of
    the widest network a dot, its loss at the test inputs as they are and at the last shift of the
    family, the line through them, and where the predictives lie. measure: of the right panel,
    "squared_error" (logarithmic axes) or "accuracy" (probit). 9 inches wide.
    Raises ValueError for a family or a measure that there is not.
    """
    import matplotlib

    chosen = _of_family(found.losses, family)
    if measure not in found.lines:
        known = ", ".join(found.lines)
        raise ValueError(f"expected measure to be one of {known}, got {measure!r}")
    name = str(found.losses["family"].values[chosen[-1]])
    with matplotlib.rc_context(STYLE):
        figure = headed(
            _HEIGHT,
            f"Predictions as test inputs move: {name}",
            _note(found),
        )
        edges: dict[str, Any] = {"top": 1 - 1.1 / _HEIGHT, "bottom": 0.5 / _HEIGHT}
        grid = figure.add_gridspec(
            2, 2, left=0.075, right=0.985, wspace=0.25, hspace=0.16, width_ratios=(1, 1.1), **edges
        )
        panels = [figure.add_subplot(grid[i, 0]) for i in (0, 1)]
        for axes, what in zip(panels, _LABELS, strict=True):
            _draw_against_strength(axes, found.losses.isel(shift=chosen), what)
        panels[0].tick_params(labelbottom=False)
        panels[1].set_xlabel("strength of the shift")
        _legend(figure, panels[0])
        if found.models:
            _draw_models(figure.add_subplot(grid[:, 1]), found, chosen[-1], measure)
    return figure


def _note(found: "Shift") -> str:
    """What bars and lines are."""
    told = "Bars: 95 % intervals of the Monte Carlo."
    if not found.models:
        return told
    return (
        f"{told} Right: single networks (dots) and the line through them; dashes: a loss that the "
        "shift does not change."
    )


def _of_family(losses: "xr.Dataset", family: str | None) -> np.ndarray:
    """Places along shift: the inputs as they are, then the family's."""
    families = losses["family"].values.astype(str)
    name = families[1] if family is None else family
    if name not in families[1:]:
        known = ", ".join(dict.fromkeys(families[1:].tolist()))
        raise ValueError(f"expected family to be one of {known}, got {name!r}")
    return np.concatenate([[0], 1 + np.flatnonzero(families[1:] == name)])


def _colours(losses: "xr.Dataset") -> dict[int, Any]:
    """Of each width, the darker the wider."""
    import matplotlib

    widths = losses["width"].values
    shades = np.linspace(_LIGHTEST, _DARKEST, len(widths)) if len(widths) > 1 else [0.7]
    chart = matplotlib.colormaps["viridis_r"]
    return {int(w): chart(shade) for w, shade in zip(widths, shades, strict=True)}


def _draw_against_strength(axes: "Axes", losses: "xr.Dataset", what: str) -> None:
    places = np.arange(losses.sizes["shift"])
    style: dict[str, Any] = {"marker": "o", "markersize": 4, "linewidth": 1.3}
    for width, colour in _colours(losses).items():
        value, half = _interval(losses.sel(width=width), what, "")
        axes.errorbar(places, value, half, color=colour, label=f"width {width}", **style)
    if f"{what}_ensemble" in losses:
        value, half = _interval(losses.isel(width=-1), what, "_ensemble")
        style |= {"marker": "s", "color": VERMILION}
        axes.errorbar(places, value, half, label="ensemble, widest", **style)
    value, _ = _interval(losses, what, "_limit")
    axes.plot(places, value, "kD--", markersize=4, linewidth=1.3, label="limit", zorder=4)
    axes.set_ylabel(_LABELS[what])
    axes.margins(x=0.05)
    told = [_strength(one) for one in losses["strength"].values]
    axes.set_xticks(places, ["none", *told[1:]])


def _strength(value: float) -> str:
    return "data set" if np.isnan(value) else f"{value:.3g}"


def _interval(losses: "xr.Dataset", what: str, ending: str) -> tuple[np.ndarray, np.ndarray]:
    """Values, of a variance its root, and half their 95 % intervals."""
    value = losses[what + ending].values
    own = losses.get(f"{what}{ending}_se")
    half = TWO_SIDED * (np.zeros_like(value) if own is None else own.values)
    if what == "epistemic_var":
        std = np.sqrt(np.maximum(value, 0.0))
        return std, half / np.maximum(2 * std, np.finfo(float).tiny)
    return value, half


def _legend(figure: "Figure", axes: "Axes") -> None:
    handles, labels = axes.get_legend_handles_labels()
    # Lines come before what has bars; the limit goes last.
    handles, labels = handles[1:] + handles[:1], labels[1:] + labels[:1]
    figure.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(0.003, 1 - 0.56 / _HEIGHT),
        ncols=len(labels),
        frameon=False,
        columnspacing=1.2,
        handlelength=1.6,
    )


def _draw_models(axes: "Axes", found: "Shift", last: int, measure: str) -> None:
    """Single models before and after, their line, and the predictives."""
    kind = next(iter(found.lines[measure]["models"].values.tolist()))
    values = found.models[f"{kind}_{measure}"].isel(width=-1).values
    line = found.lines[measure].isel(width=-1, shift=last - 1).sel(models=kind)
    before, after = (found.scaled(measure, values[i], i) for i in (0, last))
    axes.plot(before, after, "o", color=MUTED, markersize=3, alpha=0.35, markeredgewidth=0)
    marks = _predictives(found, last, measure)
    reach = np.concatenate([before, [mark[0] for mark in marks]])
    ends = np.array([reach.min(), reach.max()])
    fitted = float(line["intercept"]) + float(line["slope"]) * ends
    axes.plot(ends, fitted, color="black", linewidth=1.2)
    axes.plot(ends, ends, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    for x, y, marker, colour in marks:
        axes.plot(x, y, marker, color=colour, markersize=8, markeredgecolor="white", zorder=5)
    width = int(found.losses["width"].values[-1])
    at = found.losses.isel(shift=last)
    axes.set_title(f"{_MODELS[kind]} of width {width}, r = {float(line['correlation']):.2f}")
    word = measure.replace("_", " ")
    where = _strength(float(at["strength"]))
    _ticks(axes, measure)
    axes.set_xlabel(f"{word} at the test inputs as they are")
    axes.set_ylabel(f"{word} after the shift ({where})", labelpad=3)


def _predictives(found: "Shift", last: int, measure: str) -> list[tuple[float, float, str, Any]]:
    """Where each lies, its marker and colour."""
    at = found.losses.isel(shift=[0, last])
    told = [(at[measure].sel(width=w), "o", c) for w, c in _colours(at).items()]
    if f"{measure}_ensemble" in at:
        told.append((at[f"{measure}_ensemble"].isel(width=-1), "s", VERMILION))
    told.append((at[f"{measure}_limit"], "D", "black"))
    return [
        (
            *(found.scaled(measure, one.values[j], i) for j, i in enumerate((0, last))),
            marker,
            colour,
        )
        for one, marker, colour in told
    ]


def _ticks(axes: "Axes", measure: str) -> None:
    """Told as they were before they were scaled."""
    import matplotlib.ticker as ticker
    from scipy.special import ndtri

    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if measure == "accuracy":
            shares = [s for s in _SHARES if limits[0] <= ndtri(s) <= limits[1]]
            axis.set_ticks(ndtri(shares), [f"{s:.3g}" for s in shares])
            continue
        low, high = np.exp(limits)
        # Of less than a decade more of them.
        subs = (1, 2, 5) if high > 10 * low else (1, 1.5, 2, 3, 5, 7)
        values = ticker.LogLocator(subs=subs).tick_values(low, high)
        shown = [v for v in values if low <= v <= high]
        axis.set_ticks(np.log(shown), [f"{v:g}" for v in shown])
