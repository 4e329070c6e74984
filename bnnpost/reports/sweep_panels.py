"""Pictures of a sweep: each distance against width, and predictive densities."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bnnpost.plots.curves import (
    TWO_SIDED,
    Rate,
    density_curves,
    distance_curve,
    drawn_widths,
    theory_lines,
)
from bnnpost.plots.own_units import data_of, f_name, place_name, shown_predictive
from bnnpost.reports.words import (
    DISTANCES,
    agrees,
    is_fitted,
    signed,
    whole_text,
)
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

MOST_PANELS = 12
_TICK = 0.083  # height of an observed target's mark, as a share of the picture's
SMALL = (300, 210)  # width and height of pictures that stand three in a row
_LARGE = (400, 280)  # of the same shape, two in a row


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
    curve = distance_curve(found, name, rate, start)
    axis = named_ticks(sorted(curve.widths), log=True)
    shapes: list[Shape] = _theory(axis, rate, first, curve.widths)
    if curve.line is not None:
        shapes.append(Line(*curve.line, colour))
    points = zip(curve.widths, curve.sizes, curve.halves, curve.fitted, strict=True)
    for at_width, size, half, fitted in points:
        shapes += _point(at_width, size, half, f"{colour}{'' if fitted else ' hollow'}")
    width, height = SMALL if small else _LARGE
    slope = (
        f"slope {signed(rate['exponent'])} [{signed(rate['exponent_low'])}, "
        f"{signed(rate['exponent_high'])}]"
        if is_fitted(rate)
        else "no rate fitted"
    )
    listed = "; ".join(
        f"width {n:.0f}: {rounded(v)}"
        for n, v in zip(found["width"].values, found[name].values, strict=True)
    )
    return Panel(
        x=axis,
        y=up or heights(curve.sizes, curve.halves),
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


def _theory(axis: AxisScale, rate: Rate, first: Rate | None, widths: np.ndarray) -> list[Shape]:
    """First-order theory, dotted where the next order matters; else a guide of its slope."""
    if first is None or not math.isfinite(first["coefficient"]):
        if not is_fitted(rate):
            return []
        ends = np.geomspace(widths.min(), widths.max(), 9)[[2, 7]]
        level = 2.0 * rate["coefficient"] * ends[0] ** (rate["exponent"] - rate["theory"])
        return [Line(ends, level * ends ** rate["theory"], "grey dashed")]
    lines = theory_lines(first, rate["theory"], axis.low, axis.high)
    return [
        Line(one.ends, one.sizes, f"ink {'dashed' if one.holds else 'dotted'}") for one in lines
    ]


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


def density_panels(tree: "xr.DataTree") -> tuple[Panel, ...]:
    """Return a picture for each of the first twelve test points and outputs.

    Each has the densities at some widths against the limit.
    """
    found, data = shown_predictive(tree)
    widths = drawn_widths(found)
    points, outputs = found.sizes["point"], found.sizes["output"]
    places = [(p, o) for p in range(points) for o in range(outputs)][:MOST_PANELS]
    record = data_of(tree)
    label = f_name(record)
    return tuple(
        _density(found, data, p, o, widths, _capital(place_name(record, data, p, o)), label)
        for p, o in places
    )


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
    shown = density_curves(found, data, point, output, widths)
    f, seen = shown.f, (shown.f >= shown.low) & (shown.f <= shown.high)
    shapes: list[Shape] = [
        Line(f[seen], curve[seen], shade(i, len(widths))) for i, curve in enumerate(shown.curves)
    ]
    shapes.append(Line(f[seen], shown.limit[seen], "ink dashed"))
    targets = [shown.target] if math.isfinite(shown.target) else []
    shapes += [Bar(target, 0, _TICK * shown.top, "red target") for target in targets]
    mean = float(found["limit_mean"][point, output])
    return Panel(
        x=linear(shown.low, shown.high),
        y=linear(0, shown.top, 3),
        shapes=shapes,
        width=SMALL[0],
        height=SMALL[1],
        left=40,
        top=26,
        title=title,
        said=f"Densities of f at width {', '.join(map(str, widths)) or 'none'} and in the limit, "
        f"whose mean is {rounded(mean)}"
        + "".join(f"; observed {rounded(target)}" for target in targets),
        x_label=x_label,
    )


def forest(rates: Sequence[tuple[str, Rate]], varying: str) -> Panel:
    """Return exponents of total variation with their intervals, a line a cell, and theory's."""
    ends = [rate[end] for _, rate in rates for end in ("exponent_low", "exponent_high", "theory")]
    margin = 0.06 * (max(ends) - min(ends)) or 0.1
    names = [_cut(name) for name, _ in rates]
    left = 14 + max(int(6.2 * len(name)) for name in names)
    count = len(rates)
    marks = tuple((count - i - 0.5, name) for i, name in enumerate(names))
    theory = rates[0][1]["theory"]
    shapes: list[Shape] = [Bar(theory, 0, count, "ink dashed")]
    for i, (name, rate) in enumerate(rates):
        y, kind = count - i - 0.5, "blue" if agrees(rate) else "red"
        shapes.append(Line([rate["exponent_low"], rate["exponent_high"]], [y, y], kind))
        said = f"{name}: {signed(rate['exponent'])}"
        shapes.append(Dot(rate["exponent"], y, kind, said))
    listed = "; ".join(f"{name} {signed(rate['exponent'])}" for name, rate in rates)
    return Panel(
        x=linear(min(ends) - margin, max(ends) + margin, 5),
        y=AxisScale(0, count, False, marks),
        shapes=shapes,
        width=260 + left,
        height=86 + 19 * count,
        left=left,
        title="Exponents of total variation",
        note=f"by {varying}; dashes: theory",
        said=f"Theory: {whole_text(theory)}. {listed}",
        x_label="exponent, 95 % interval",
    )


def _cut(name: str) -> str:
    return name if len(name) <= 30 else name[:29] + "…"
