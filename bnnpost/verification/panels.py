"""Small pictures of probability-integral transforms (PIT), as SVG written by hand."""

import html
import math
from dataclasses import dataclass

import numpy as np
import scipy.stats
from jaxtyping import Float

BAR, OUTSIDE, BAND, INK = "#0072B2", "#D55E00", "#D9D9D9", "#555555"
WIDTH, HEIGHT = 280, 190
# Left and right edge of the plots, and top and bottom of the histogram and of the ECDF.
_LEFT, _RIGHT = 44.0, 272.0
_UPPER, _LOWER = (20.0, 92.0), (108.0, 172.0)
_MOST_POINTS = 200


@dataclass(frozen=True)
class Bands:
    """Where the values of a right candidate stay.

    low, high: of a histogram's bars, as multiples of the height that uniform values have.
    ecdf: of the difference between the empirical CDF and that of uniform values, either way.
    """

    bins: int
    low: float
    high: float
    ecdf: float


def bands(num_draws: float, num_reference: float, alpha: float) -> Bands:
    """Bands that all bars of a histogram, and a whole ECDF, leave with probability alpha at most.

    num_draws: independent PIT values. num_reference: draws that the reference's CDF is from,
    infinite if it is exact. A bar's count is then beta-binomial (of draws of the candidate among
    those of the reference; binomial if exact), its quantiles at alpha over twice the number of
    bins. |F_n − F| stays below √(log(2/alpha) / 2n) (Massart 1990), and with a reference of m draws
    n is nm/(n + m) (Smirnov's limit).
    """
    count = max(int(num_draws), 1)
    bins = int(np.clip(count // 10, 5, 20))
    tail = alpha / (2 * bins)
    if math.isfinite(num_reference) and num_reference > 0:
        shares = num_reference / bins, num_reference * (1 - 1 / bins)
        law = scipy.stats.betabinom(count, *shares)
        together = count * num_reference / (count + num_reference)
    else:
        law, together = scipy.stats.binom(count, 1 / bins), float(count)
    low, high = (float(law.ppf(p)) * bins / count for p in (tail, 1 - tail))
    return Bands(bins, low, high, math.sqrt(math.log(2 / alpha) / (2 * together)))


def ecdf_differences(
    pit: Float[np.ndarray, " draw"],
) -> tuple[Float[np.ndarray, " step"], Float[np.ndarray, " step"]]:
    """Places and F_n(u) − u there, just before and just after each jump of F_n."""
    ordered = np.sort(pit)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    places = np.repeat(ordered, 2)
    heights = np.stack([steps[:-1], steps[1:]], axis=1).ravel()
    return np.r_[0.0, places, 1.0], np.r_[0.0, heights - places, 0.0]


def largest_difference(pit: Float[np.ndarray, " draw"]) -> float:
    """sup |F_n(u) − u|; 0 of no values."""
    return float(np.max(np.abs(ecdf_differences(pit)[1]))) if len(pit) else 0.0


def panel(name: str, pit: Float[np.ndarray, " draw"], found: Bands) -> str:
    """Histogram above, ECDF difference below, with their bands; values outside are vermilion."""
    largest = largest_difference(pit)
    label = html.escape(
        f"{name}: largest ECDF difference {largest:.3g}, band ±{found.ecdf:.3g}", quote=True
    )
    return (
        f'<svg class="panel" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{label}"><title>{label}</title>'
        f"{_text(_LEFT, 12, html.escape(name), 'start', 'title')}"
        f"{_histogram(pit, found)}{_ecdf(pit, found, largest)}"
        f"{_ticks()}</svg>"
    )


def _histogram(pit: Float[np.ndarray, " draw"], found: Bands) -> str:
    counts = np.histogram(pit, found.bins, (0.0, 1.0))[0]
    heights = counts * found.bins / max(len(pit), 1)
    top = 1.1 * max(float(np.max(heights)), found.high, 1.0)
    parts = [_band(_UPPER, found.low / top, min(found.high / top, 1.0))]
    width = (_RIGHT - _LEFT) / found.bins
    for i, height in enumerate(heights.tolist()):
        inside = found.low <= height <= found.high
        y = _y(_UPPER, height / top)
        parts.append(
            f'<rect class="bar{"" if inside else " outside"}" x="{_LEFT + i * width + 0.5:.2f}" '
            f'y="{y:.2f}" width="{width - 1:.2f}" height="{_UPPER[1] - y:.2f}" '
            f'fill="{BAR if inside else OUTSIDE}"/>'
        )
    parts.append(_line(_y(_UPPER, 1 / top)))
    # The bars hide the band's edges.
    parts += [_line(_y(_UPPER, edge / top), "3 2") for edge in (found.low, found.high)]
    parts.append(_text(_LEFT - 4, _y(_UPPER, 1 / top) + 3, "1", "end"))
    parts.append(_text(_LEFT - 4, _y(_UPPER, 0) + 3, "0", "end"))
    return "".join(parts)


def _ecdf(pit: Float[np.ndarray, " draw"], found: Bands, largest: float) -> str:
    half = 1.2 * max(largest, found.ecdf)
    middle, band = 0.5, 0.5 * found.ecdf / half
    places, heights = _thinned(*ecdf_differences(pit)) if len(pit) else (np.zeros(0), np.zeros(0))
    points = " ".join(
        f"{_x(place):.2f},{_y(_LOWER, 0.5 + 0.5 * height / half):.2f}"
        for place, height in zip(places.tolist(), heights.tolist(), strict=True)
    )
    inside = largest <= found.ecdf
    return (
        f"{_band(_LOWER, middle - band, middle + band)}{_line(_y(_LOWER, middle))}"
        f'<polyline class="curve{"" if inside else " outside"}" points="{points}" fill="none" '
        f'stroke="{BAR if inside else OUTSIDE}" stroke-width="1.2"/>'
        f"{_text(_LEFT - 4, _y(_LOWER, middle + band) + 3, f'+{found.ecdf:.2g}', 'end')}"
        f"{_text(_LEFT - 4, _y(_LOWER, middle - band) + 3, f'−{found.ecdf:.2g}', 'end')}"
    )


def _thinned(places: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most so many points: of each stretch its highest and its lowest, so that none is lost."""
    if len(places) <= _MOST_POINTS:
        return places, heights
    kept = {0, len(places) - 1}
    for stretch in np.array_split(np.arange(len(places)), _MOST_POINTS // 2 - 1):
        kept |= {int(stretch[f(heights[stretch])]) for f in (np.argmax, np.argmin)}
    chosen = np.array(sorted(kept))
    return places[chosen], heights[chosen]


def _x(u: float) -> float:
    return _LEFT + u * (_RIGHT - _LEFT)


def _y(frame: tuple[float, float], share: float) -> float:
    """Height of a share of the frame, 0 at its bottom."""
    return frame[1] - share * (frame[1] - frame[0])


def _band(frame: tuple[float, float], low: float, high: float) -> str:
    y = _y(frame, high)
    return (
        f'<rect class="band" x="{_LEFT:.2f}" y="{y:.2f}" width="{_RIGHT - _LEFT:.2f}" '
        f'height="{_y(frame, low) - y:.2f}" fill="{BAND}"/>'
    )


def _line(y: float, dashes: str = "none") -> str:
    return (
        f'<line class="edge" x1="{_LEFT:.2f}" y1="{y:.2f}" x2="{_RIGHT:.2f}" y2="{y:.2f}" '
        f'stroke="{INK}" stroke-width="0.6" stroke-dasharray="{dashes}"/>'
    )


def _ticks() -> str:
    return "".join(
        _text(_x(u), _LOWER[1] + 13, f"{u:g}", "middle") for u in (0.0, 0.25, 0.5, 0.75, 1.0)
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> str:
    size = 11 if kind == "title" else 9
    return (
        f'<text class="{kind}" x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" '
        f'font-size="{size}" font-family="sans-serif" fill="{INK}">{text}</text>'
    )
