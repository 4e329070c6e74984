"""Pictures of every value that was compared, by probability-integral transforms (PIT).

With bands in which those of right draws stay.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from bnnpost.summaries.panels import Area, AxisScale, Band, Line, Panel, Shape, linear, thinned
from bnnpost.summaries.summary import Block, Paragraph, Pictures
from bnnpost.summaries.values import Span, Text

MOST_PANELS = 24
_UNIT = AxisScale(0.0, 1.0, marks=tuple((u, f"{u:g}") for u in (0.0, 0.25, 0.5, 0.75, 1.0)))
_MOST_POINTS = 200
_CDF = "reference’s CDF at draws"


def value_pictures(
    columns: Sequence[str],
    pit: Float[np.ndarray, "draw column"],
    sizes: tuple[float, float] | None,
    level: float,
) -> tuple[Block, ...]:
    """Return PIT histograms and ECDF differences with their bands; a sentence if there are none.

    pit: the reference's CDF at each draw. sizes: independent draws of the candidate and the
    reference that the check of these values could use; None if there was no such check. Bands are
    such that those of all values hold together at the level.
    """
    pit = np.asarray(pit, np.float64)
    if pit.ndim != 2 or not pit.size:
        return (Paragraph("There are none to show."),)
    num_draws, num_reference = (len(pit), math.inf) if sizes is None else sizes
    alpha = level / max(len(columns), 1)

    def panels() -> tuple[tuple[Panel, Panel], ...]:
        kept = [column[np.isfinite(column)] for column in pit.T]
        bands = pit_bands(num_draws, num_reference, alpha).wide_enough(kept)
        shown = list(range(len(kept)))
        if len(kept) > MOST_PANELS:
            shown.sort(key=lambda i: -largest_difference(kept[i]))
        return tuple(
            (pit_histogram(columns[i], kept[i], bands), ecdf_difference(columns[i], kept[i], bands))
            for i in shown[:MOST_PANELS]
        )

    band = ecdf_band(num_draws, num_reference, alpha)
    explained = Paragraph(_explained(level, len(columns), band))
    if len(columns) <= MOST_PANELS:
        return explained, Pictures(panels, columns=3)
    chosen = Paragraph(
        f"Of {len(columns)} values the {MOST_PANELS} with the largest differences are shown, the "
        "largest first."
    )
    return explained, chosen, Pictures(panels, columns=3)


def _explained(level: float, num_values: int, band: float) -> Text:
    return Text.of(
        "Above: histogram of the reference’s CDF at the candidate’s draws, which is flat for a "
        "right candidate (high at both ends: too wide; in the middle: too narrow; at one end: "
        "shifted). Below: their empirical CDF minus the uniform one. Scales are the same at all "
        "values. ",
        Span("", "swatch"),
        " Where a right candidate stays: with probability "
        f"{1 - level:g} or more all bars of all {num_values} values are inside, and likewise all "
        "curves. The band of the bars has quantiles of binomial counts (beta-binomial where the "
        "reference is of draws), by Bonferroni over bars and values; that of the curves is the "
        f"Dvoretzky–Kiefer–Wolfowitz bound with Massart’s constant, ±{band:.3g}. The verdict is "
        "that of the checks, not of these pictures.",
    )


@dataclass(frozen=True)
class PitBands:
    """Where the values of a right candidate stay.

    low, high: of a histogram's bars, as multiples of the height that uniform values have.
    ecdf: of the difference between the empirical CDF and that of uniform values, either way.
    top, half: the highest bar and the largest difference that pictures show, all on one scale.
    """

    bins: int
    low: float
    high: float
    ecdf: float
    top: float = 1.0
    half: float = 0.0

    def wide_enough(self, pits: Sequence[Float[np.ndarray, " draw"]]) -> "PitBands":
        """With scales on which all of these can be seen."""
        top = max((float(np.max(heights_of(pit, self.bins))) for pit in pits), default=1.0)
        half = max((largest_difference(pit) for pit in pits), default=0.0)
        return dataclasses.replace(self, top=top, half=half)


def pit_bands(num_draws: float, num_reference: float, alpha: float) -> PitBands:
    """Bands that all bars of a histogram, and a whole ECDF, leave with probability alpha at most.

    num_draws: independent PIT values. num_reference: draws that the reference's CDF is from,
    infinite if it is exact. A bar's count is then beta-binomial (of draws of the candidate among
    those of the reference; binomial if exact), its quantiles at alpha over twice the number of
    bins. The whole ECDF: see `ecdf_band`.
    """
    import scipy.stats  # slow to import

    count = max(int(num_draws), 1)
    bins = int(np.clip(count // 10, 5, 20))
    tail = alpha / (2 * bins)
    if math.isfinite(num_reference) and num_reference > 0:
        shares = num_reference / bins, num_reference * (1 - 1 / bins)
        distribution = scipy.stats.betabinom(count, *shares)
    else:
        distribution = scipy.stats.binom(count, 1 / bins)
    low, high = (float(distribution.ppf(p)) * bins / count for p in (tail, 1 - tail))
    return PitBands(bins, low, high, ecdf_band(num_draws, num_reference, alpha))


def ecdf_band(num_draws: float, num_reference: float, alpha: float) -> float:
    """Return what |F_n − F| exceeds anywhere with probability alpha at most.

    It stays below √(log(2/alpha) / 2n) (Massart 1990), and with a reference of m draws n is
    nm/(n + m) (Smirnov's limit). Arguments: see `pit_bands`.
    """
    count = float(max(int(num_draws), 1))
    if math.isfinite(num_reference) and num_reference > 0:
        count = count * num_reference / (count + num_reference)
    return math.sqrt(math.log(2 / alpha) / (2 * count))


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


def heights_of(pit: Float[np.ndarray, " draw"], bins: int) -> Float[np.ndarray, " bin"]:
    """Of a histogram's bars, as multiples of the height that uniform values have."""
    return np.histogram(pit, bins, (0.0, 1.0))[0] * bins / max(len(pit), 1)


def pit_histogram(name: str, pit: Float[np.ndarray, " draw"], found: PitBands) -> Panel:
    """Bars over their band; those outside are red."""
    heights = heights_of(pit, found.bins)
    top = 1.1 * max(float(np.max(heights)), found.top, found.high, 1.0)
    shapes: list[Shape] = [Band([0, 1], [found.low] * 2, [found.high] * 2, "band")]
    for i, height in enumerate(heights.tolist()):
        colour = "blue" if found.low <= height <= found.high else "red"
        sides = [(i + 0.04) / found.bins, (i + 0.96) / found.bins]
        shapes.append(Area(sides, [height] * 2, f"bar {colour}"))
    # The bars hide the band's edges.
    shapes += [Line([0, 1], [edge] * 2, "grey dashed") for edge in (found.low, found.high)]
    said = f"highest bar {np.max(heights):.3g}, band {found.low:.3g} to {found.high:.3g}"
    return _panel(linear(0.0, top, most=4), 24, shapes, name, said, "density")


def ecdf_difference(name: str, pit: Float[np.ndarray, " draw"], found: PitBands) -> Panel:
    """Empirical CDF minus the uniform one, over its band; red where it leaves that."""
    largest = largest_difference(pit)
    half = 1.2 * max(largest, found.half, found.ecdf)
    shapes: list[Shape] = [Band([0, 1], [-found.ecdf] * 2, [found.ecdf] * 2, "band")]
    if len(pit):
        places, heights = ecdf_differences(pit)
        chosen, shown = thinned(heights, _MOST_POINTS)
        colour = "blue" if largest <= found.ecdf else "red"
        shapes.append(Line(places[chosen], shown, f"thin {colour}"))
    said = f"{name}: largest ECDF difference {largest:.3g}, band ±{found.ecdf:.3g}"
    return _panel(linear(-half, half, most=4), 8, shapes, "", said, "difference")


def _panel(
    y: AxisScale, top: int, shapes: Sequence[Shape], title: str, said: str, y_label: str
) -> Panel:
    return Panel(
        x=_UNIT,
        y=y,
        shapes=shapes,
        title=title,
        said=said,
        x_label=_CDF,
        y_label=y_label,
        width=280,
        height=128 + top,
        left=56,
        right=12,
        top=top,
        bottom=38,
    )
