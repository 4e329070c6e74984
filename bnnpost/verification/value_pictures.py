"""Pictures of every value that was compared, for the page of a verification."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from bnnpost.summaries.panels import Panel
from bnnpost.summaries.summary import Block, Paragraph, Pictures
from bnnpost.summaries.values import Span, Text
from bnnpost.verification.pit_panels import (
    ecdf_band,
    ecdf_difference,
    largest_difference,
    pit_bands,
    pit_histogram,
)

MOST_PANELS = 24


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
