"""Pictures of draws: the marginals of f, chains in time and their ranks, and pairs that meet."""

import numpy as np
from jaxtyping import Float

from bnnpost.draws.info import CoupledInfo
from bnnpost.numerics.weights import normalised, weighted_quantile
from bnnpost.samplers.coupled.bounds import Bound, tv_bound
from bnnpost.spelling import paired, rounded
from bnnpost.summaries.panels import (
    Area,
    AxisScale,
    Band,
    Bar,
    Dot,
    Line,
    Panel,
    Shape,
    linear,
    logarithmic,
    thinned,
)

MOST_PANELS = 12
_MOST_BINS, _FEWEST_BINS, _RANK_BINS = 40, 8, 20
_CHAIN_COLOURS = ("blue", "ochre", "green", "purple")
# Of the draws in each tail: beyond, nothing is shown.
_TAIL = 0.002
# Beyond the last step, and below the least height, that something happens at.
_BESIDE, _BELOW = 1.04, 1.6
_SHARES = tuple((share, f"{share:g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0))


def marginal_moments(
    f: Float[np.ndarray, "s m k"], log_weights: Float[np.ndarray, " s"]
) -> tuple[Float[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """Weighted means and standard deviations."""
    weights = normalised(log_weights)
    mean = np.tensordot(weights, f, axes=1)
    return mean, np.sqrt(np.tensordot(weights, (f - mean) ** 2, axes=1))


def histogram(
    values: Float[np.ndarray, " s"],
    log_weights: Float[np.ndarray, " s"],
    target: float | None,
    title: str,
    x_label: str = "f",
) -> Panel:
    """The density of one value's draws, with their weights, and the observed target as a tick."""
    weights = normalised(log_weights)
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL])
    if target is not None:
        low, high = min(low, target), max(high, target)
    margin = 0.04 * (high - low) or 0.5
    low, high = float(low - margin), float(high + margin)
    bins = int(np.clip(2 * len(values) ** (1 / 3), _FEWEST_BINS, _MOST_BINS))
    heights, edges = np.histogram(values, bins, (low, high), weights=weights)
    heights = heights / np.diff(edges)
    heights_axis = linear(0, 1.1 * float(heights.max()), 3)
    across, up = np.repeat(edges, 2)[1:-1], np.repeat(heights, 2)
    shapes: list[Shape] = [Area(across, up, "blue"), Line(across, up, "blue")]
    if target is not None:
        shapes.append(Bar(target, 0, 0.1 * float(heights.max()), "red target"))
    mean, std = (float(v[0, 0]) for v in marginal_moments(values[:, None, None], log_weights))
    observed = "" if target is None else f"; observed {rounded(target)}"
    return Panel(
        x=linear(low, high),
        y=heights_axis,
        shapes=shapes,
        width=300,
        height=210,
        left=32,
        title=title,
        note="mean {}, std {}".format(*paired(mean, std, 2).split(" ± ")) if std > 0 else "",
        said=f"Posterior mean {rounded(mean)}, standard deviation {rounded(std)}{observed}",
        x_label=x_label,
    )


def trace(chains: Float[np.ndarray, "c d"], title: str, note: str = "") -> Panel:
    """Values of each chain in order; of a long one its least and greatest in each stretch."""
    low, high = float(chains.min()), float(chains.max())
    margin = 0.05 * (high - low) or 0.5
    shapes = [Line(*thinned(chain), f"{_colour(i)} thin") for i, chain in enumerate(chains)]
    return Panel(
        x=linear(0, chains.shape[1] - 1 or 1),
        y=linear(low - margin, high + margin, 4),
        shapes=shapes,
        height=230,
        title=title,
        note=note,
        said=f"{len(chains)} chains of {chains.shape[1]} draws, from {rounded(low)} to "
        f"{rounded(high)}. {note}",
        x_label="draw",
    )


def ranks(chains: Float[np.ndarray, "c d"], title: str) -> Panel:
    """How often each chain has a rank among all draws: flat where chains agree.

    Vehtari et al. (2021). A height of 1 is what equal chains have.
    """
    count = chains.size
    order = np.empty(count)
    order[np.argsort(chains.ravel(), kind="stable")] = np.arange(count)
    bins = int(np.clip(chains.shape[1] // 10, 4, _RANK_BINS))
    found = [np.histogram(row, bins, (0, count))[0] for row in order.reshape(chains.shape)]
    heights = np.array(found) * bins / chains.shape[1]
    top = max(2.0, 1.1 * float(heights.max()))
    edges = np.repeat(np.linspace(0, 1, bins + 1), 2)[1:-1]
    shapes = [Line([0, 1], [1, 1], "ink dashed")]
    shapes += [Line(edges, np.repeat(h, 2), f"{_colour(i)} thin") for i, h in enumerate(heights)]
    most = float(np.abs(heights - 1).max())
    return Panel(
        x=linear(0, 1),
        y=linear(0, top, 4),
        shapes=shapes,
        height=230,
        title=title,
        note=f"farthest from level: {rounded(most, 2)}",
        said=f"Heights are 1 where chains agree; the farthest is {rounded(most, 2)} away",
        x_label="rank among all draws, over their number",
    )


def function_band(
    x: Float[np.ndarray, " m"],
    f: Float[np.ndarray, "s m"],
    log_weights: Float[np.ndarray, " s"],
    targets: Float[np.ndarray, " m"] | None,
    x_label: str = "x",
    f_label: str = "f",
) -> Panel:
    """Mean and 90 % interval of f against a single feature, with the targets there."""
    order = np.argsort(x)
    observed = np.zeros((0, 2)) if targets is None else np.stack([x, targets], axis=1)[order]
    x, f = x[order], f[:, order]
    weights = normalised(log_weights)
    low, high = (weighted_quantile(f, weights, level) for level in (0.05, 0.95))
    mean = weights @ f
    every = np.concatenate([low, high, observed[:, 1]])
    least, most = float(every.min()), float(every.max())
    margin = 0.06 * (most - least)
    beside = 0.03 * float(x[-1] - x[0])
    shapes: list[Shape] = [Band(x, low, high, "blue"), Line(x, mean, "blue")]
    shapes += [Dot(a, b, "red hollow") for a, b in observed.tolist()]
    return Panel(
        x=linear(float(x[0]) - beside, float(x[-1]) + beside),
        y=linear(least - margin, most + margin),
        shapes=shapes,
        width=440,
        top=26,
        left=40,
        title=f"{f_label} against {x_label if x_label != 'x' else 'the one feature'}",
        said="Mean and 90 % interval of f against the one feature, with observed targets",
        x_label=x_label,
    )


def _colour(i: int) -> str:
    return _CHAIN_COLOURS[i % len(_CHAIN_COLOURS)]


def bound_against_steps(coupled: CoupledInfo) -> Panel:
    """The estimated bound of the total variation and its limit, log, with where the draws are."""
    bound = tv_bound(np.array(coupled.meeting_times), coupled.lag)
    across = _steps(coupled)
    positive = bound.estimate[bound.estimate > 0]
    least = min([coupled.tolerance, coupled.tv_upper, *bound.upper, *positive])
    up = logarithmic(least / _BELOW, 1.25)
    limit = rounded(coupled.tv_upper, 2)
    shapes: list[Shape] = [
        Line([across.low, across.high], [coupled.tolerance] * 2, "grey dashed"),
        Bar(coupled.step, up.low, up.high, "grey dotted"),
        Line(*_stairs(bound.estimate, across.high), "ochre"),
        Line(*_stairs(bound.upper, across.high), "blue"),
        Dot(coupled.step, coupled.tv_upper, "blue", f"step {coupled.step}: {limit}"),
    ]
    return Panel(
        x=across,
        y=up,
        shapes=shapes,
        title="Total variation from the posterior",
        note=f"draws after {coupled.step} steps: at most {limit}",
        said=_said(coupled, bound),
        x_label="step",
    )


def meetings(coupled: CoupledInfo) -> Panel:
    """The share of pairs that have met, against steps beyond the lag."""
    times = np.array(coupled.meeting_times)
    met = times[times > 0] - coupled.lag
    places, counts = np.unique(met, return_counts=True)
    shares = np.cumsum(counts) / len(times)
    across = _steps(coupled)
    xs = np.concatenate([[0.0], np.repeat(places, 2), [across.high]])
    ys = np.repeat(np.concatenate([[0.0], shares]), 2)
    note = f"{len(met):,} of {len(times):,}"
    if len(met):
        note += f", half of them within {np.median(met):.0f} steps, the last after {met.max():,}"
    return Panel(
        x=across,
        y=AxisScale(0.0, 1.05, marks=_SHARES),
        shapes=[Bar(coupled.step, 0.0, 1.05, "grey dotted"), Line(xs, ys, "blue")],
        title="Share of pairs that have met",
        note=note,
        said=f"{note}, beyond a lag of {coupled.lag}.",
        x_label="steps beyond the lag",
    )


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
    listed = "; ".join(f"step {t}: at most {rounded(float(bound.upper[t]), 2)}" for t in some)
    return f"Upper 95 % limits, {listed}; the tolerance is {coupled.tolerance:g}."
