"""The figure of a warmup: how far chains are from the posterior after so many transitions."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bnnpost.plots.style import BLUE, GREEN, MUTED, OCHRE, PURPLE, STYLE, VERMILION, headed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bnnpost.samplers.coupled.mixing_time import Mixing

_HEIGHT = 3.6
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, OCHRE)


def warmups(*found: "Mixing") -> "Figure":
    """Bounds of the total variation from the posterior against transitions, a line a kernel.

    found: what `bnnpost.mixing` gave, for one kernel or several, of which all pairs met. Solid: the
    upper 95 % limit; thin: the estimated bound, which ends where no pair tells anything. A dot is
    where the limit is below the tolerance (dashes). 9 inches wide. Raises ValueError for none, or
    where pairs did not meet.
    """
    import matplotlib

    if not found or any(np.any(one.meeting_times < 0) for one in found):
        raise ValueError(
            "expected results of bnnpost.mixing of which all pairs have met: where they have not "
            "there is no bound to draw"
        )
    with matplotlib.rc_context(STYLE):
        note = (
            "Chains from prior draws. Upper 95 % limit of a bound by coupled pairs; thin: the "
            "bound's estimate. The distance itself may be far smaller."
        )
        figure = headed(_HEIGHT, "Total variation from the posterior during warmup", note)
        edges = {"left": 0.07, "right": 0.86, "top": 1 - 0.8 / _HEIGHT, "bottom": 0.5 / _HEIGHT}
        axes = figure.add_subplot(figure.add_gridspec(1, 1, **edges)[0])
        axes.set(yscale="log", xlabel="transitions")
        least = min(float(one.tv_upper.min()) for one in found)
        axes.set_ylim(0.5 * least, 1.3)
        axes.set_yticks([y for y in (0.01, 0.03, 0.1, 0.3, 1.0) if y > 0.5 * least])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        last = max(len(one.tv) for one in found)
        axes.set_xlim(0, last)
        axes.locator_params("x", integer=True)
        for one, colour in zip(found, _COLOURS * len(found), strict=False):
            _draw(axes, one, colour, last)
        for tolerance in {one.tolerance for one in found}:
            axes.axhline(tolerance, color=MUTED, linewidth=0.9, linestyle=(0, (4, 2.5)))
    return figure


def _draw(axes: "Axes", one: "Mixing", colour: str, last: int) -> None:
    """The lines of one kernel, and its name where they end."""
    steps = np.arange(len(one.tv))
    shown = one.tv > 0
    axes.step(steps[shown], one.tv[shown], where="post", color=colour, linewidth=0.8, alpha=0.6)
    upper = np.append(one.tv_upper, one.tv_upper[-1])
    axes.step(np.append(steps, last), upper, where="post", color=colour, linewidth=1.5)
    told, place = f"{one.kernel.name}: not below {one.tolerance:g}", len(one.tv) - 1
    if one.warmup is not None:
        told, place = f"{one.kernel.name}: {one.warmup:,}", one.warmup
        axes.plot(place, one.tv_upper[place], "o", color=colour, markersize=5)
    offset: dict[str, Any] = {"textcoords": "offset points", "xytext": (6, 5)}
    axes.annotate(told, (place, float(one.tv_upper[place])), color=colour, size=9, **offset)
