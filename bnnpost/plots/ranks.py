"""The figure of a calibration: how far ranks are from uniform, with simultaneous bands."""

from typing import TYPE_CHECKING

import numpy as np

from bnnpost.plots.style import BLUE, MUTED, STYLE, VERMILION, headed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bnnpost.verification.calibration_record import Calibration

_COLUMNS, _MOST_PANELS = 4, 16


def calibration(found: "Calibration") -> "Figure":
    """Distribution of the truth's ranks less the uniform one, a panel for each statistic.

    found: what `bnnpost.calibrate` gave. Shaded: the bands that the ecdf test uses, which right
    samplers leave in any panel with probability at most the level over the number of tests, in
    all panels together. A line above 0 on the left and below on the right is of draws too
    close together; one above 0 throughout of draws too high. Failed statistics are red, whatever
    test failed them. Up to 16 panels, 9 inches wide.
    """
    import matplotlib

    names = found.names[:_MOST_PANELS]
    rows = -(-len(names) // _COLUMNS)
    height = 1.25 + 1.75 * rows
    with matplotlib.rc_context(STYLE):
        title = f"Ranks of the truth among {found.num_draws} draws: {found.verdict}"
        note = (
            f"{found.num_datasets} simulated datasets. Share of datasets with the rank at most "
            f"this, less the uniform share; bands at level {found.level:g}/{found.num_tests}."
        )
        figure = headed(height, title, note)
        edges = {"left": 0.07, "right": 0.985, "top": 1 - 0.85 / height, "bottom": 0.5 / height}
        grid = figure.add_gridspec(rows, _COLUMNS, hspace=0.55, wspace=0.12, **edges)
        first: Axes | None = None
        for i, name in enumerate(names):
            axes = figure.add_subplot(grid[divmod(i, _COLUMNS)], sharey=first)
            axes.tick_params(labelleft=i % _COLUMNS == 0)
            first = first or axes
            _draw(axes, found, i, name)
        figure.supxlabel("rank over number of draws", size=9, y=0.1 / height)
    return figure


def _draw(axes: "Axes", found: "Calibration", i: int, name: str) -> None:
    """One statistic's line, with the bands."""
    total, size = found.num_datasets, found.num_draws + 1
    shares = np.arange(1, size) / size
    marks = np.concatenate([[0.0], shares, [1.0]])
    low, high = (np.pad(part / total - shares, 1) for part in found.bands())
    line = np.pad(found.counts_up_to()[i] / total - shares, 1)
    failed = name in found.failed
    axes.fill_between(marks, low, high, color=MUTED, alpha=0.18, linewidth=0, step="mid")
    axes.axhline(0.0, color=MUTED, linewidth=0.6)
    axes.step(marks, line, where="mid", color=VERMILION if failed else BLUE, linewidth=1.3)
    axes.set(xlim=(0, 1))
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_title(f"{name}: failed" if failed else name, pad=4, size=8.5)
