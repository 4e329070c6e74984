"""Figures of a sweep's results: distances from the limit against width, and densities."""

import json
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.plots.curves import (
    DistanceCurve,
    Rate,
    density_curves,
    distance_curve,
    drawn_widths,
    rows_by_distance,
    theory_lines,
)
from bnnpost.plots.own_units import data_of, f_label, place_name, shown_predictive, size_of_f
from bnnpost.plots.style import (
    BLUE,
    GREEN,
    MUTED,
    OCHRE,
    PURPLE,
    STYLE,
    VERMILION,
    WIDTHS,
    error_bars,
    headed,
    save,
    spread_out,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_PANELS, _MOST_LAYERS = 10, 6


# Label with units, colour and marker of each distance, by its name in the tree.
_Styles = dict[str, tuple[str, str, str]]
_LAWS: _Styles = {
    "tv": ("total variation", BLUE, "o"),
    "kl": ("KL divergence (nats)", VERMILION, "s"),
}
_SHORT = {
    **{"tv": "TV", "kl": "KL", "log_evidence_error": "evidence"},
    **{"variance_error": "variance", "mean_error": "mean"},
}
# Of a panel's width what is left of the narrowest width for names of the theory's lines; of its
# height what is between two of them.
_ROOM, _THEORY_GAP = 0.25, 0.045
# Characters in a line of small print.
_NOTE = 142
_MOMENTS: _Styles = {
    "log_evidence_error": ("log evidence (nats)", PURPLE, "D"),
    "variance_error": ("variance (units of f²)", GREEN, "^"),
    "mean_error": ("mean (units of f)", OCHRE, "o"),
}


def distances(tree: "xr.DataTree") -> "Figure":
    """Distance of the posterior from its infinite-width limit against width, log-log.

    tree: a sweep's results (groups /distances and /rates). Left: total variation and KL of
    the marginals of f, averaged over test inputs and outputs; right: root-mean-square errors
    of their mean (units of f) and variance (units of f²), and of the log evidence (nats).
    Lines are fitted power laws; dashes, where the results have group /first_order, the
    first-order theory, dotted below the width (a tick) where the next order may exceed a
    tenth of it. A value at or below zero is an arrow down from the upper end of its interval.
    Size 9 × 4.5 inches.
    """
    import matplotlib

    law = "exact posterior" if tree.attrs["kind"] == "exact" else "posterior"
    title = f"How a finite network’s {law} approaches its infinite-width limit"
    note = (
        f"Bars, brackets: 95 % intervals (bars by the jackknife). "
        f"Lines: {_fitted(tree['rates'].attrs)}; hollow: not fitted."
    )
    found = tree["distances"].to_dataset()
    if any((curve.sizes <= 0).any() for curve in _curves(tree, (*_LAWS, *_MOMENTS)).values()):
        note += " Arrows: below 0."
    if "first_order" in tree.children:
        share = 100 * tree["first_order"].attrs["share"]
        note += (
            " Black dashes: first-order theory, nothing fitted; dotted below the width where the "
            f"next order may exceed {share:.0f} %."
        )
    if size := size_of_f(data_of(tree)):
        note += f" {size}"
    note = textwrap.fill(note, _NOTE, break_on_hyphens=False)
    with matplotlib.rc_context(STYLE):
        figure = _figure(4.5, title, note, tree)
        left = figure.add_axes((0.066, 0.125, 0.215, 0.63), ylabel="distance from the limit")
        left.set_title("Marginal laws of f at the test inputs")
        _draw_distances(left, _LAWS, tree)
        right = figure.add_axes((0.562, 0.125, 0.215, 0.63), ylabel="size of the difference")
        told = {n: one for n, one in _MOMENTS.items() if np.isfinite(found[n].values).any()}
        right.set_title("Errors of their moments" + ", and of the evidence" * (len(told) > 2))
        _draw_distances(right, told, tree)
    return figure


def write_figures(
    tree: "xr.DataTree", folder: Path, *, ending: str = "", headings: bool = True
) -> list[Path]:
    """Write distances and densities into a folder and return their names without endings.

    ending: of files of one kind (".pdf"); without it PNG and SVG. headings: whether title and
    notes are in them.
    """
    for name, figure in {"distances": distances, "densities": densities}.items():
        save(figure(tree), folder / f"{name}{ending}", headings=headings)
    return [folder / "distances", folder / "densities"]


def _fitted(rates: Mapping[Any, Any]) -> str:
    start = rates["fitted_from_width"]
    if int(rates["num_fitted"]) == 2:
        return "through two widths, no check of a power law"
    return f"fitted from N = {start}"


def _figure(height: float, title: str, note: str, tree: "xr.DataTree") -> "Figure":
    """A figure that says of which problem its results are."""
    config = json.loads(str(tree.attrs["config"]))
    problem = (
        f"{Path(config['data']).stem} · training points: {len(tree['data']['x_train'])} · "
        f"{_network(config)} · {_likelihood(config)}"
    )
    return headed(height, title, problem, note)


def _likelihood(config: dict[str, Any]) -> str:
    if "likelihood" in config:
        return f"likelihood: {config['likelihood']['type']}"
    return f"noise std: {config['noise_std']:.3g}"


def _network(config: dict[str, Any]) -> str:
    if "network" in config:
        return f"network: {config['network']}"
    if "layers" in config:
        types = [str(layer["type"]) for layer in config["layers"]]
        return ", ".join(types if len(types) <= _MOST_LAYERS else [*types[:_MOST_LAYERS], "…"])
    return f"hidden layers: {config['depth']} · activation: {config['activation']}"


def _curves(tree: "xr.DataTree", names: Iterable[str]) -> dict[str, DistanceCurve]:
    distances, rates = tree["distances"].to_dataset(), tree["rates"].to_dataset()
    start, rows = int(rates.attrs["fitted_from_width"]), rows_by_distance(rates)
    return {name: distance_curve(distances, name, rows[name], start) for name in names}


def _draw_distances(axes: "Axes", styles: _Styles, tree: "xr.DataTree") -> None:
    curves, rates = _curves(tree, styles), rows_by_distance(tree["rates"].to_dataset())
    widths = next(iter(curves.values())).widths
    axes.set(xscale="log", yscale="log", xlabel="width N (units per hidden layer)")
    axes.set(xlim=(widths.min() / 1.6, widths.max() * 1.6), ylim=_limits(curves.values()))
    ticks = spread_out(widths, 0.11 * np.log(1.6**2 * widths.max() / widths.min()))
    axes.set_xticks(ticks, [f"{width:.0f}" for width in ticks])
    axes.minorticks_off()
    labels = [_draw_curve(axes, curves[n], rates[n], *style) for n, style in styles.items()]
    _label_directly(axes, widths.max(), labels)
    slopes = {name: rates[name]["theory"] for name in styles}
    if "first_order" in tree.children:
        theory = rows_by_distance(tree["first_order"].to_dataset())
        across = (1.6 * widths.max() / widths.min()) ** (_ROOM / (1 - _ROOM))
        axes.set_xlim(widths.min() / across, widths.max() * 1.6)
        for name, slope in slopes.items():
            _draw_first_order(axes, theory[name], slope, widths)
        _name_theory(axes, styles, theory, slopes, float(widths.min()))
        return
    for slope in set(slopes.values()):
        own = [curves[name] for name in slopes if slopes[name] == slope]
        _draw_guide(axes, own, slope, above=slope == max(slopes.values()))


def _limits(curves: Collection[DistanceCurve]) -> tuple[float, float]:
    """Return ends two decades apart at least, that show every value and upper end."""
    shown = np.concatenate([[*curve.sizes, *(curve.sizes + curve.halves)] for curve in curves])
    logs = np.log10(shown[np.isfinite(shown) & (shown > 0)])
    low, high = (logs.min(), logs.max()) if logs.size else (-1.0, 0.0)
    margin = max(0.08 * (high - low) + 0.15, 1 - (high - low) / 2)
    return 10 ** (low - margin), 10 ** (high + margin)


def _draw_curve(
    axes: "Axes", curve: DistanceCurve, rate: Rate, label: str, colour: str, marker: str
) -> tuple[float, str, str]:
    """Draw points, bars and the fitted line; return the label's height, text and colour."""
    sizes, halves = curve.sizes, curve.halves
    for chosen, face in ((curve.fitted, colour), (~curve.fitted, "white")):
        style = {"color": colour, "marker": marker, "markerfacecolor": face}
        _draw_points(axes, style, curve.widths[chosen], sizes[chosen], halves[chosen])
    text = "no power law fitted"
    if curve.line is not None:
        axes.plot(*curve.line, color=colour)
        text = "slope {exponent:.2f} [{exponent_low:.2f}, {exponent_high:.2f}]".format(**rate)
    height = float(np.where(sizes > 0, sizes, sizes + halves)[np.argmax(curve.widths)])
    return height, f"{label}\n{text}".replace("-", "−"), colour


def _draw_points(
    axes: "Axes", style: dict[str, Any], widths: np.ndarray, value: np.ndarray, half: np.ndarray
) -> None:
    above, bounded = value > 0, (value <= 0) & (value + half > 0)
    shown = widths[above], value[above], half[above]
    error_bars(axes, *shown, markersize=5.5, elinewidth=1.1, **style)
    style = {**style, "linestyle": "none", "zorder": 3, "marker": "$\\downarrow$"}
    axes.plot(widths[bounded], (value + half)[bounded], markersize=9, **style)


def _draw_first_order(axes: "Axes", theory: Rate, slope: float, widths: np.ndarray) -> None:
    """Draw theory over all widths, with a tick where the next order begins to matter."""
    style: dict[str, Any] = {"color": "black", "linewidth": 0.8, "zorder": 4}
    lines = list(theory_lines(theory, slope, widths.min(), widths.max()))
    for line in lines:
        dashes = (4, 2.5) if line.holds else (1, 1.5)
        axes.plot(line.ends, line.sizes, linestyle=(0, dashes), **style)
    if len(lines) == 2:
        axes.plot(lines[1].ends[0], lines[1].sizes[0], marker="|", markersize=8, **style)


def _name_theory(
    axes: "Axes",
    styles: _Styles,
    theory: Mapping[str, Rate],
    slopes: dict[str, float],
    width: float,
) -> None:
    """What each line of the theory predicts, at its narrow end; names are pushed apart."""
    low, high = np.log(axes.get_ylim())
    heights = {n: abs(theory[n]["coefficient"]) * width ** slopes[n] for n in styles}
    last = np.inf
    for name, height in sorted(heights.items(), key=lambda item: -item[1]):
        if not height > 0:
            continue
        at = min((np.log(height) - low) / (high - low), last - _THEORY_GAP)
        style: dict[str, Any] = {"ha": "right", "va": "center", "size": 6.5}
        text = f"{_SHORT[name]} "
        axes.text(_ROOM, at, text, transform=axes.transAxes, color=styles[name][1], **style)
        last = at


def _draw_guide(axes: "Axes", curves: Sequence[DistanceCurve], slope: float, above: bool) -> None:
    """Draw a thin dashed line of theory's slope, above the highest or below the lowest curve."""
    widths = curves[0].widths
    wider = widths > np.sqrt(widths.min() * widths.max())
    levels = np.concatenate([(curve.sizes * widths**-slope)[wider] for curve in curves])
    levels = levels[levels > 0]
    if not levels.size:
        return
    ends = np.geomspace(widths.min(), widths.max(), 9)[[3, 7]]
    line = (2.2 * levels.max() if above else levels.min() / 2.2) * ends**slope
    axes.plot(ends, line, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    text = "1/N" if slope == -1 else f"1/N$^{{{-slope:g}}}$"
    at, offset, side = (1, 3, "left") if above else (0, -3, "right")
    style: dict[str, Any] = {"textcoords": "offset points", "va": "center", "color": MUTED}
    axes.annotate(text, (ends[at], line[at]), (offset, 0), ha=side, **style)


def _label_directly(axes: "Axes", width: float, labels: list[tuple[float, str, str]]) -> None:
    """Names of the curves in the right margin, each at its curve's end, pushed apart."""
    low, high = np.log(axes.get_ylim())
    labels = sorted(label for label in labels if label[0] > 0)
    at = np.array([(np.log(height) - low) / (high - low) for height, _, _ in labels])
    gap = 27 / (72 * 2.8)  # two lines of text and some air, of a panel 2.8 inches high
    for _ in range(100):
        for i in range(len(at) - 1):
            push = max(0.0, gap - (at[i + 1] - at[i])) / 2
            at[i : i + 2] += (-push, push)
        at = np.maximum(at, gap / 2)
    for (height, text, colour), y in zip(labels, at, strict=True):
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkB": 5}
        style: dict[str, Any] = {"va": "center", "size": 8.5, "color": colour, "arrowprops": line}
        axes.annotate(text, (width, height), (1.04, y), textcoords="axes fraction", **style)


def densities(tree: "xr.DataTree", widths: Sequence[int] | None = None) -> "Figure":
    """Predictive densities of f at test inputs, a few widths against the limit.

    tree: a sweep's results (groups /predictive and /data). widths: those drawn; by default
    up to four, from the narrowest to the widest. A panel for each of up to 6 test points
    (with several outputs one for each of them, up to 10 in all), named by its row in the file,
    and f in the units of its column; results of bare arrays as they are. The mark on the
    axis is the observed target, noise and all. Widths without draws are left out. Raises
    ValueError for a width that the tree lacks.
    """
    import matplotlib

    (found, data), record = shown_predictive(tree), data_of(tree)
    chosen = drawn_widths(found, widths)
    panels, columns = _panels(found.sizes["point"], found.sizes["output"])
    rows = -(-len(panels) // columns)
    height = max(4.5, 1.7 + 1.4 * rows)
    title = "Predictive density of f at test inputs: finite networks against the limit"
    counts = np.unique(tree["sampling"]["num_samples"].sel(width=chosen)).astype(int)
    draws = " to ".join(f"{count:,}" for count in counts[[0, -1][: len(counts)]])
    kind = {"exact": "exact", "coupled": "independent"}.get(str(tree.attrs["kind"]), "weighted")
    note = f"f: output without noise. Each curve averages {draws or 'no'} {kind} posterior draws."
    if left_out := [f"{width:,}" for width in found["width"].values if width not in chosen]:
        note += f" Not drawn: N = {', '.join(left_out)}."
    with matplotlib.rc_context(STYLE):
        figure = _figure(height, title, note, tree)
        edges = {"left": 0.07, "right": 0.985, "top": 1 - 1.1 / height, "bottom": 0.85 / height}
        grid = figure.add_gridspec(rows, columns, hspace=0.6, wspace=0.24, **edges)
        for i, (point, output) in enumerate(panels):
            axes = figure.add_subplot(grid[divmod(i, columns)])
            _draw_densities(axes, found, data, point, output, chosen)
            axes.set_title(place_name(record, data, point, output), pad=4)
        figure.supxlabel(f_label(record), size=9, y=0.42 / height)
        figure.supylabel("density (per unit of f)", size=9, x=0.008)
        entries = axes.get_legend_handles_labels()
        figure.legend(*entries, loc="lower center", ncols=len(chosen) + 2, frameon=False)
    return figure


def _panels(num_points: int, num_outputs: int) -> tuple[list[tuple[int, int]], int]:
    """(point, output) of each panel, row by row, and the number of columns."""
    num_outputs = min(num_outputs, _MOST_PANELS)
    num_points = min(num_points, 6 if num_outputs == 1 else 3, _MOST_PANELS // num_outputs)
    panels = [(p, o) for p in range(num_points) for o in range(num_outputs)]
    if num_points > 1 < num_outputs:
        return panels, num_outputs
    return panels, len(panels) if len(panels) < 4 else -(-len(panels) // 2)


def _draw_densities(
    axes: "Axes",
    found: "xr.Dataset",
    data: "xr.Dataset",
    point: int,
    output: int,
    widths: list[int],
) -> None:
    shown = density_curves(found, data, point, output, widths)
    count = len(widths)
    shades = WIDTHS[-count:] if count <= len(WIDTHS) else WIDTHS * count
    for width, density, shade in zip(widths, shown.curves, shades, strict=False):
        axes.plot(shown.f, density, color=shade, label=f"N = {width}")
    dashes: dict[str, Any] = {"linestyle": (0, (3, 2)), "linewidth": 1.2}
    axes.plot(shown.f, shown.limit, color="black", label="limit", **dashes)
    mark: dict[str, Any] = {"color": VERMILION, "linestyle": "none", "markeredgewidth": 2}
    if np.isfinite(shown.target):
        axes.plot(shown.target, 0, marker=2, markersize=9, zorder=4, **mark)
        axes.plot([], [], marker="|", markersize=9, label="observed target, noise and all", **mark)
    axes.set(xlim=(shown.low, shown.high), ylim=(0, shown.top))
    axes.locator_params(nbins=4)
