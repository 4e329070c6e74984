"""Probability-integral transforms as a histogram, with the band of a right sampler."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.plots.style import BLUE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = "#DCDCDC"


def pit(axes: "Axes", uniforms: object, *, bins: int = 20, level: float = 0.01) -> None:
    """Draw a histogram of what a right sampler makes uniform, on axes that the caller made.

    uniforms [draw]: the reference's distribution function at independent draws, as in
    `Report.pit[:, column]`. Heights are multiples of the uniform one. Grey: where all bars of
    a right sampler stay together with probability 1 − level (binomial, Bonferroni; the
    reference is taken for exact). Bars outside are vermilion. High in the middle: the draws are
    too narrow; high at both ends: too wide; sloping: shifted.
    Raises ValueError for values outside 0 to 1, or none.
    """
    from scipy.stats import binom

    values = np.asarray(uniforms, float).reshape(-1)
    if not (len(values) and np.all((values >= 0) & (values <= 1))):
        raise ValueError("expected values between 0 and 1: a distribution function at draws")
    heights = np.histogram(values, bins, (0.0, 1.0))[0] * bins / len(values)
    tail = level / (2 * bins)
    low, high = (binom.ppf(p, len(values), 1 / bins) * bins / len(values) for p in (tail, 1 - tail))
    axes.axhspan(low, high, color=BAND, linewidth=0)
    inside = (heights >= low) & (heights <= high)
    middles = (np.arange(bins) + 0.5) / bins
    colours = np.where(inside, BLUE, VERMILION)
    bars: dict[str, Any] = {"color": colours, "edgecolor": "white", "linewidth": 0.5}
    axes.bar(middles, heights, 1 / bins, alpha=0.9, **bars)
    for edge in (low, high):
        axes.axhline(edge, color="#888888", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set(xlim=(0, 1), ylim=(0, 1.08 * max(high, heights.max())))
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
