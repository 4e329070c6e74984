"""Panels as SVG, coloured by the page's style, so that they are legible on light and dark.

No ids and no references: a picture may be shown many times on a page.
"""

import numpy as np

from bnnpost.summaries.elements import Html, element
from bnnpost.summaries.panels import Area, Band, Bar, Dot, Line, Panel, Shape

_MOST_PIXELS = 1.35  # of a unit


def svg(panel: Panel) -> Html:
    """The picture."""
    across, down = panel.inner
    inside = element(
        "svg",
        *(_drawn(panel, shape) for shape in panel.shapes),
        x=panel.left,
        y=panel.top,
        width=across,
        height=down,
        class_="inside",
    )
    title, said = panel.title, panel.said
    return element(
        "svg",
        *_words(panel),
        _axes(panel),
        inside,
        viewBox=f"0 0 {panel.width} {panel.height}",
        role="img",
        aria_label=f"{title}. {said}" if title else said,
        # Where there is room; on a wide screen letters would else become too large.
        width=f"{_MOST_PIXELS * panel.width:.0f}",
        class_="plot",
    )


def _words(panel: Panel) -> list[Html]:
    across, down = panel.inner
    words = [element("text", panel.title, x=2, y=15, class_="title")] if panel.title else []
    if panel.note:
        words.append(element("text", panel.note, x=2, y=31, class_="note"))
    if panel.x_label:
        at = {"x": panel.left + across / 2, "y": panel.height - 5}
        words.append(element("text", panel.x_label, **at, class_="label middle"))
    if panel.y_label:
        middle = f"{panel.top + down / 2:g}"
        turn = f"rotate(-90 11 {middle})"
        words.append(
            element("text", panel.y_label, x=11, y=middle, transform=turn, class_="label middle")
        )
    return words


def _drawn(panel: Panel, shape: Shape) -> Html:
    match shape:
        case Line(xs, ys, style):
            return _line(*_places(panel, xs, ys), style)
        case Area(xs, ys, style):
            return _area(*_places(panel, xs, ys), panel.inner[1], style)
        case Band(xs, lows, highs, style):
            across, below = _places(panel, xs, lows)
            above = _places(panel, xs, highs)[1]
            there, back = (
                zip(across, above, strict=True), zip(across[::-1], below[::-1], strict=True)
            )  # fmt: skip
            points = " ".join(f"{a:.1f} {b:.1f}" for a, b in (*there, *back))
            return element("path", d=f"M{points}Z", class_=f"area {style}")
        case Dot(x, y, style, said):
            (across,), (up,) = _places(panel, [x], [y])
            if not (np.isfinite(across) and np.isfinite(up)):
                return Html("")
            words = element("title", said) if said else None
            at = {"cx": f"{across:.1f}", "cy": f"{up:.1f}", "r": 4}
            return element("circle", words, **at, class_=f"dot {style}")
        case Bar(x, low, high, style):
            (across, _), (down, up) = _places(panel, [x, x], [low, high])
            if not (np.isfinite(across) and np.isfinite(up)):
                return Html("")
            down = down if np.isfinite(down) else panel.inner[1] + 5.0
            path = f"M{across:.1f} {down:.1f} {across:.1f} {up:.1f}"
            return element("path", d=path, class_=f"line {style}")


def _line(across: np.ndarray, up: np.ndarray, style: str) -> Html:
    good = np.isfinite(across) & np.isfinite(up)
    pieces = np.split(np.arange(len(good)), np.flatnonzero(~good))
    drawn = (piece[good[piece]] for piece in pieces)
    path = " ".join(
        "M" + " ".join(f"{across[i]:.1f} {up[i]:.1f}" for i in piece)
        for piece in drawn
        if len(piece) > 1
    )
    return element("path", d=path, class_=f"line {style}") if path else Html("")


def _area(across: np.ndarray, up: np.ndarray, base: float, style: str) -> Html:
    if not len(across):
        return Html("")
    points = " ".join(f"{a:.1f} {b:.1f}" for a, b in zip(across, up, strict=True))
    path = f"M{across[0]:.1f} {base} {points} {across[-1]:.1f} {base}Z"
    return element("path", d=path, class_=f"area {style}")


def _places(panel: Panel, xs: object, ys: object) -> tuple[np.ndarray, np.ndarray]:
    across, down = panel.inner
    x, y = (np.asarray(values, float) for values in (xs, ys))
    return panel.x.share(x) * across, (1 - panel.y.share(y)) * down


def _axes(panel: Panel) -> Html:
    left, top = panel.left, panel.top
    across, down = panel.inner
    base, parts = top + down, []
    for value, words in panel.x.marks:
        x = left + float(panel.x.share(value)) * across
        parts.append(element("path", d=f"M{x:.1f} {base} {x:.1f} {base + 4}", class_="axis"))
        parts.append(element("text", words, x=f"{x:.1f}", y=base + 16, class_="tick middle"))
    for value, words in panel.y.marks:
        y = top + (1 - float(panel.y.share(value))) * down
        ends = f"M{left} {y:.1f} {left + across} {y:.1f}"
        parts.append(element("path", d=ends, class_="rule"))
        parts.append(element("text", words, x=left - 6, y=f"{y + 3.5:.1f}", class_="tick end"))
    ends = f"M{left} {base} {left + across} {base}"
    return element("g", *parts, element("path", d=ends, class_="axis"))
