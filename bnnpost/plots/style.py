"""What figures have in common: colours, type sizes, and how they are written to files."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.storage import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILION, GREEN, OCHRE, PURPLE = "#0072B2", "#D55E00", "#00876A", "#B07A00", "#8C4F8E"
MUTED = "#666666"
# Of curves at several widths, the widest last: as on pages of reports.
WIDTHS = (OCHRE, GREEN, BLUE, PURPLE)
ENDINGS = (".png", ".svg", ".pdf")
_HEADING = "heading"
# What would differ between two files of one figure.
_DATES = {"svg": "Date", "pdf": "CreationDate"}
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    # Panels are put below headings by hand: an engine of the user's would put them under these.
    "figure.constrained_layout.use": False,
    "figure.autolayout": False,
    "svg.hashsalt": "bnnpost",  # the same figure gives the same SVG
}

# Larger, for a screen that a class looks at; the layout makes room for titles and labels.
_SLIDES: dict[str, Any] = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "figure.titlesize": 13,
    "figure.labelsize": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.fontsize": 10,
}


def slide_style() -> dict[str, Any]:
    """Matplotlib's settings for figures of a talk: `plt.rcParams.update(plots.slide_style())`."""
    return dict(_SLIDES)


def headed(height: float, title: str, *lines: str) -> "Figure":
    """A figure 9 inches wide with its heading, on a canvas that is no user's backend.

    lines: below the title, the last of them a note in small print.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, height), facecolor="white")
    FigureCanvasAgg(figure)
    place: dict[str, Any] = {"va": "top", "gid": _HEADING}
    figure.text(0.012, 1 - 0.12 / height, title, size=12, weight="bold", **place)
    for i, line in enumerate(lines):
        small = {"size": 8, "color": MUTED} if i == len(lines) - 1 else {"size": 9.5}
        figure.text(0.012, 1 - (0.38 + 0.22 * i) / height, line, **place, **small)
    return figure


def spread_out(widths: np.ndarray, least: float) -> list[float]:
    """The widths, from the widest down, whose logs are at least so far apart."""
    kept: list[float] = []
    for width in np.sort(widths)[::-1]:
        if not kept or np.log(kept[-1] / width) > least:
            kept.append(float(width))
    return kept


def error_bars(
    axes: "Axes", x: np.ndarray, value: np.ndarray, half: np.ndarray, **style: Any
) -> None:
    """Points with bars of half an interval on either side, on a logarithmic axis."""
    # Zero is nowhere on it: a bar that reaches it leaves the panel below.
    bars = np.stack([np.minimum(half, value * (1 - 1e-9)), half])
    axes.errorbar(x, value, bars, linestyle="none", zorder=3, **style)


def save(figure: "Figure", path: str | os.PathLike[str], *, headings: bool = True) -> None:
    """Write a figure, each file whole: under a temporary name, then renamed.

    path: a name that ends in .png (200 dots an inch), .svg or .pdf is that file; one without an
    ending becomes PNG and SVG, with these added. headings: whether title and notes are in it; a
    paper has a caption. Raises ValueError for another ending.
    """
    import matplotlib

    target = Path(path)
    for place in _files(target):
        kind = place.suffix[1:].lower()
        dated = {_DATES[kind]: None} if kind in _DATES else {}
        with (
            whole(place) as temporary,
            matplotlib.rc_context(STYLE),
            _shown(figure, headings) as cropped,
        ):
            figure.savefig(temporary, format=kind, dpi=200, metadata=dated, bbox_inches=cropped)


def _files(target: Path) -> list[Path]:
    if target.suffix.lower() in ENDINGS:
        return [target]
    if re.fullmatch(r"\.[A-Za-z]{2,4}", target.suffix):
        raise ValueError(
            f"expected a name that ends in {', '.join(ENDINGS)}, or in none for PNG and SVG, got "
            f"{target.name}"
        )
    return [target.with_name(f"{target.name}{ending}") for ending in (".png", ".svg")]


@contextlib.contextmanager
def _shown(figure: "Figure", headings: bool) -> Iterator[str | None]:
    """The figure with or without its headings, and how it is to be cropped."""
    texts = [] if headings else [text for text in figure.texts if text.get_gid() == _HEADING]
    for text in texts:
        text.set_visible(False)
    try:
        yield "tight" if texts else None
    finally:
        for text in texts:
            text.set_visible(True)
