"""The figure of deep linear networks: their scale, and how the evidence nears the limit's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bnnpost.plots.style import BLUE, GREEN, MUTED, OCHRE, PURPLE, STYLE, VERMILION, headed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bnnpost.theories.deep_linear import DeepLinear

_HEIGHT = 3.4
_COLOURS = (VERMILION, OCHRE, GREEN, BLUE, PURPLE)


def linear_scales(found: Mapping[int, "DeepLinear"], limit_log_evidence: float) -> "Figure":
    """The posterior of the scale S at each width, and log evidence less the limit's.

    found: results of `bnnpost.deep_linear` by width. limit_log_evidence: nats. 9 inches wide.
    Raises ValueError for none.
    """
    import matplotlib

    if not found:
        raise ValueError("expected results of bnnpost.deep_linear by width, got none")
    with matplotlib.rc_context(STYLE):
        note = "The prior of S has mean 1 at any width; infinitely wide networks have S = 1."
        figure = headed(_HEIGHT, "Deep linear networks: one number holds all of the width", note)
        edges = {"left": 0.07, "right": 0.97, "top": 1 - 0.85 / _HEIGHT, "bottom": 0.5 / _HEIGHT}
        grid = figure.add_gridspec(1, 2, **edges, wspace=0.2)
        scale, evidence = (figure.add_subplot(grid[i]) for i in range(2))
        for (width, one), colour in zip(sorted(found.items()), _COLOURS * len(found), strict=False):
            density = one.probabilities / np.gradient(one.scales)
            shown = density > 1e-3 * density.max()
            scale.plot(np.exp(one.scales[shown]), density[shown], color=colour, label=f"{width:,}")
        scale.axvline(1, color=MUTED, linewidth=0.9, linestyle=(0, (4, 2.5)))
        scale.set(xscale="log", xlabel="S", title="posterior density of log S")
        scale.legend(frameon=False, title="width")
        widths = np.array(sorted(found))
        away = np.array([found[int(n)].log_evidence for n in widths]) - limit_log_evidence
        evidence.axhline(0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 2.5)))
        evidence.plot(widths, away, "o-", color=BLUE)
        evidence.set(xscale="log", xlabel="width", title="log evidence less the limit's, nats")
        evidence.set_xticks(widths, [f"{n:g}" for n in widths])
        evidence.minorticks_off()
    return figure
