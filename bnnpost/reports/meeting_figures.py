"""Pictures of pairs of coupled chains: the bound of the distance against steps, and meetings."""

import numpy as np

from bnnpost.draws.info import CoupledInfo
from bnnpost.pages import Html, element
from bnnpost.pages.parts import spelled
from bnnpost.pages.plot import AxisScale, Plot, linear, logarithmic, thinned
from bnnpost.samplers.coupled.bounds import Bound, tv_bound

# Beyond the last step, and below the least height, that something happens at.
_BESIDE, _BELOW = 1.04, 1.6


def bound_figure(coupled: CoupledInfo) -> Html:
    """The estimated bound of the total variation and its limit, log, with where the draws are."""
    bound = tv_bound(np.array(coupled.meeting_times), coupled.lag)
    across = _steps(coupled)
    positive = bound.estimate[bound.estimate > 0]
    least = min([coupled.tolerance, coupled.tv_upper, *bound.upper, *positive])
    plot = Plot(across, logarithmic(least / _BELOW, 1.25))
    ends = [across.low, across.high]
    parts = [
        plot.line(ends, [coupled.tolerance] * 2, "grey dashed"),
        plot.bar(coupled.step, plot.y.low, plot.y.high, "grey dotted"),
        plot.line(*_stairs(bound.estimate, across.high), "ochre"),
        plot.line(*_stairs(bound.upper, across.high), "blue"),
        plot.dot(coupled.step, coupled.tv_upper, "blue", f"step {coupled.step}: "
                 f"{spelled(coupled.tv_upper, 2)}"),
    ]  # fmt: skip
    return plot.draw(
        parts,
        title="Total variation from the posterior",
        note=f"draws after {coupled.step} steps: at most {spelled(coupled.tv_upper, 2)}",
        said=_said(coupled, bound),
        x_label="step",
    )


def meetings_figure(coupled: CoupledInfo) -> Html:
    """The share of pairs that have met, against steps beyond the lag."""
    times = np.array(coupled.meeting_times)
    met = times[times > 0] - coupled.lag
    places, counts = np.unique(met, return_counts=True)
    shares = np.cumsum(counts) / len(times)
    across = _steps(coupled)
    xs = np.concatenate([[0.0], np.repeat(places, 2), [across.high]])
    ys = np.repeat(np.concatenate([[0.0], shares]), 2)
    plot = Plot(across, AxisScale(0.0, 1.05, marks=_SHARES))
    parts = [plot.bar(coupled.step, 0.0, 1.05, "grey dotted"), plot.line(xs, ys, "blue")]
    note = f"{len(met):,} of {len(times):,}"
    if len(met):
        note += f", half of them within {np.median(met):.0f} steps, the last after {met.max():,}"
    return plot.draw(
        parts,
        title="Share of pairs that have met",
        note=note,
        said=f"{note}, beyond a lag of {coupled.lag}.",
        x_label="steps beyond the lag",
    )


_SHARES = tuple((share, f"{share:g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0))


def bound_legend() -> Html:
    """What the lines are."""
    entries = (
        ("blue", "upper 95 % limit of the bound"),
        ("ochre", "estimated bound"),
        ("grey dashed", "tolerance"),
        ("grey dotted", "the step of the draws"),
    )
    keys = (element("li", element("span", class_=f"key {kind}"), words) for kind, words in entries)
    return element("ul", *keys, class_="legend")


def _steps(coupled: CoupledInfo) -> AxisScale:
    """From step 0 to where all have met, or the draws are."""
    last = max(*(time - coupled.lag for time in coupled.meeting_times), coupled.step, 1)
    return linear(0.0, _BESIDE * last)


def _stairs(values: np.ndarray, end: float) -> tuple[np.ndarray, np.ndarray]:
    """A value at each step, held to the next one, the last one to the end."""
    places, kept = thinned(values)
    ends = np.append(places[1:], max(end, places[-1]))
    return np.stack([places, ends], axis=1).ravel(), np.repeat(kept, 2)


def _said(coupled: CoupledInfo, bound: Bound) -> str:
    some = np.unique(np.linspace(0, len(bound.upper) - 1, 5).round().astype(int))
    listed = "; ".join(f"step {t}: at most {spelled(float(bound.upper[t]), 2)}" for t in some)
    return f"Upper 95 % limits, {listed}; the tolerance is {coupled.tolerance:g}."
