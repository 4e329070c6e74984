"""Pictures of a sweep: each distance against width, and predictive densities."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bnnpost.plots.own_units import data_of, f_name, place_name, shown_predictive
from bnnpost.reports.words import DISTANCES, Rate, is_fitted, on_the_scale_of_f, signed
from bnnpost.spelling import rounded
from bnnpost.summaries.panels import (
    AxisScale,
    Bar,
    Dot,
    Line,
    Panel,
    Shape,
    linear,
    logarithmic,
    named_ticks,
)

if TYPE_CHECKING:
    import xarray as xr

TWO_SIDED = 1.96  # standard errors on either side of a 95 % interval
_MOST_CURVES, _MOST_PANELS = 4, 12
SMALL = (300, 210)  # width and height of pictures that stand three in a row
_LARGE = (400, 280)  # of the same shape, two in a row
_CROP = 0.004  # of the highest density: beyond, nothing is shown


def distance(
    found: "xr.Dataset",
    name: str,
    rate: Rate,
    start: int,
    first: Rate | None = None,
    label: str = "",
    up: AxisScale | None = None,
    small: bool = False,
) -> Panel:
    """One distance against width, log-log, with its fit and the theory.

    found: by width, with *_se. first: the row of first-order theory. label: the title in the
    place of the distance's name. up: the upright axis, where several pictures share it. small:
    to stand three in a row.
    """
    _, title, unit, colour = DISTANCES[name]
    widths = found["width"].values.astype(float)
    value = np.abs(found[name].values.astype(float))
    signed_value = found[name].values.astype(float)
    if name != "log_evidence_error":
        value = signed_value
    half = TWO_SIDED * found[f"{name}_se"].values.astype(float)
    axis = named_ticks(sorted(widths), log=True)
    shapes = [*_theory(axis, rate, first, widths), *_fit(rate, widths, start, colour)]
    for n, v, h in zip(widths, value, half, strict=True):
        hollow = n < start or not is_fitted(rate)
        shapes += _point(n, v, h, f"{colour}{' hollow' if hollow else ''}")
    width, height = SMALL if small else _LARGE
    slope = (
        f"slope {signed(rate['exponent'])} [{signed(rate['exponent_low'])}, "
        f"{signed(rate['exponent_high'])}]"
        if is_fitted(rate)
        else "no rate fitted"
    )
    listed = "; ".join(
        f"width {n:.0f}: {rounded(v)}" for n, v in zip(widths, signed_value, strict=True)
    )
    return Panel(
        x=axis,
        y=up or heights(value, half),
        shapes=shapes,
        width=width,
        height=height,
        title=label or (f"{_capital(title)} ({unit})" if unit else _capital(title)),
        note=slope,
        said=f"{slope}. {listed}.",
        x_label="width N",
    )


def is_told(found: "xr.Dataset", name: str) -> bool:
    """Whether a distance was measured at any width; that of the evidence needs proposals."""
    return name in found and bool(np.isfinite(found[name].values).any())


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def heights(value: np.ndarray, half: np.ndarray) -> AxisScale:
    """An axis of a decade at least, that shows every value and the upper end of its interval."""
    shown = np.concatenate([value, value + half])
    shown = shown[np.isfinite(shown) & (shown > 0)]
    logs = np.log10(shown) if shown.size else np.array([-1.0, 0.0])
    low, high = float(logs.min()), float(logs.max())
    margin = max(0.12 + 0.06 * (high - low), (1 - (high - low)) / 2)
    return logarithmic(10 ** (low - margin), 10 ** (high + margin))


def _point(width: float, value: float, half: float, style: str) -> list[Shape]:
    said = f"width {width:.0f}: {rounded(value)} ± {rounded(half / TWO_SIDED, 1)}"
    bar = Bar(width, value - half, value + half, f"{style.split()[0]} thin")
    return [bar, Dot(width, value, style, said)] if value > 0 else [bar]


def _fit(rate: Rate, widths: np.ndarray, start: int, colour: str) -> list[Shape]:
    if not is_fitted(rate):
        return []
    ends = np.array([widths[widths >= start].min(), widths.max()])
    return [Line(ends, rate["coefficient"] * ends ** rate["exponent"], colour)]


def _theory(axis: AxisScale, rate: Rate, first: Rate | None, widths: np.ndarray) -> list[Shape]:
    """First-order theory, dotted where the next order matters; else a guide of its slope."""
    least, most = axis.low, axis.high
    if first is None or not math.isfinite(first["coefficient"]):
        if not is_fitted(rate):
            return []
        ends = np.geomspace(widths.min(), widths.max(), 9)[[2, 7]]
        level = 2.0 * rate["coefficient"] * ends[0] ** (rate["exponent"] - rate["theory"])
        return [Line(ends, level * ends ** rate["theory"], "grey dashed")]
    turn = first["second_order_below_high"]
    turn = least if math.isnan(turn) else min(max(turn, least), most)
    found: list[Shape] = []
    for low, high, kind in ((least, turn, "dotted"), (turn, most, "dashed")):
        if low < high:
            ends = np.array([low, high])
            heights = abs(first["coefficient"]) * ends ** rate["theory"]
            found.append(Line(ends, heights, f"ink {kind}"))
    return found


def distances_legend(first_order: bool, fitted: bool) -> list[tuple[str, str]]:
    """What lines of the distances are."""
    entries = []
    if fitted:
        entries.append(("blue", "fitted power law, its slope and 95 % interval below the name"))
    if first_order:
        entries += [
            ("ink dashed", "first-order theory, nothing fitted"),
            ("ink dotted", "the same, where the next order may exceed a tenth of it"),
        ]
    elif fitted:
        entries.append(("grey dashed", "a guide of the slope in theory"))
    return entries


def density_figures(tree: "xr.DataTree") -> list[Panel]:
    """A picture for each test point and output, some widths against the limit; the first twelve."""
    found, data = shown_predictive(tree)
    widths = drawn_widths(found)
    points, outputs = found.sizes["point"], found.sizes["output"]
    places = [(p, o) for p in range(points) for o in range(outputs)][:_MOST_PANELS]
    record = data_of(tree)
    label = f_name(record)
    return [
        _density(found, data, p, o, widths, _capital(place_name(record, data, p, o)), label)
        for p, o in places
    ]


def drawn_widths(found: "xr.Dataset") -> list[int]:
    """Up to four widths that have densities, from the narrowest to the widest."""
    known = sorted(int(width) for width in found["width"].values)
    drawn = [w for w in known if np.isfinite(found["density"].sel(width=w)).all()]
    few = min(len(drawn), _MOST_CURVES)
    return [drawn[i] for i in np.linspace(0, len(drawn) - 1, few).round().astype(int)]


SHADES = ("ochre", "green", "blue", "purple")


def shade(i: int, count: int) -> str:
    """The colour of the i-th of so many widths: the widest has the last one."""
    return SHADES[len(SHADES) - count + i]


def density_legend(widths: list[int]) -> list[tuple[str, str]]:
    """Which width has which colour."""
    entries = [(shade(i, len(widths)), f"width {w:,}") for i, w in enumerate(widths)]
    entries += [
        ("ink dashed", "infinite-width limit"),
        ("red", "observed target, noise and all (a tick)"),
    ]
    return entries


def _density(
    found: "xr.Dataset",
    data: "xr.Dataset",
    point: int,
    output: int,
    widths: list[int],
    title: str,
    x_label: str,
) -> Panel:
    one = found.isel(point=point, output=output)
    f, limit = one["f"].values, one["limit_density"].values
    curves = [one["density"].sel(width=width).values for width in widths]
    targets = [float(data["y_test"][point, output])] if on_the_scale_of_f(data.attrs) else []
    highest = np.max([limit, *curves], axis=0)
    shown = f[highest > _CROP * highest.max()]
    low, high = min([shown.min(), *targets]), max([shown.max(), *targets])
    margin = 0.03 * (high - low)
    seen = (f >= low - margin) & (f <= high + margin)
    shapes: list[Shape] = [
        Line(f[seen], curve[seen], shade(i, len(curves))) for i, curve in enumerate(curves)
    ]
    shapes.append(Line(f[seen], limit[seen], "ink dashed"))
    shapes += [Bar(target, 0, 0.09 * highest.max(), "red target") for target in targets]
    return Panel(
        x=linear(low - margin, high + margin),
        y=linear(0, 1.08 * highest.max(), 3),
        shapes=shapes,
        width=SMALL[0],
        height=SMALL[1],
        left=32,
        top=26,
        title=title,
        said=f"Densities of f at width {', '.join(map(str, widths)) or 'none'} and in the limit, "
        f"whose mean is {rounded(float(one['limit_mean']))}"
        + "".join(f"; observed {rounded(target)}" for target in targets),
        x_label=x_label,
    )


def rows(dataset: "xr.Dataset") -> Mapping[str, Rate]:
    """By distance, its numbers by name."""
    return {
        str(name): {str(n): float(dataset[n].values[i]) for n in dataset.data_vars}
        for i, name in enumerate(dataset["distance"].values)
    }
