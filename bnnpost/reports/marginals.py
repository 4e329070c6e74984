"""Pictures of draws: the marginals of f, chains in time, and the ranks of their draws."""

import numpy as np
from jaxtyping import Float

from bnnpost.numerics.weights import normalised, weighted_quantile
from bnnpost.pages import Html
from bnnpost.pages.parts import paired, spelled
from bnnpost.pages.plot import Plot, linear, thinned

MOST_PANELS = 12
_MOST_BINS, _FEWEST_BINS, _RANK_BINS = 40, 8, 20
_CHAIN_COLOURS = ("blue", "ochre", "green", "purple")
# Of the draws in each tail: beyond, nothing is shown.
_TAIL = 0.002


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
) -> Html:
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
    plot = Plot(linear(low, high), heights_axis, 300, 210, left=32)
    across, up = np.repeat(edges, 2)[1:-1], np.repeat(heights, 2)
    parts = [plot.area(across, up, "blue"), plot.line(across, up, "blue")]
    if target is not None:
        parts.append(plot.bar(target, 0, 0.1 * float(heights.max()), "red target"))
    mean, std = (float(v[0, 0]) for v in marginal_moments(values[:, None, None], log_weights))
    observed = "" if target is None else f"; observed {spelled(target)}"
    return plot.draw(
        parts,
        title=title,
        note="mean {}, std {}".format(*paired(mean, std, 2).split(" ± ")) if std > 0 else "",
        said=f"Posterior mean {spelled(mean)}, standard deviation {spelled(std)}{observed}",
        x_label=x_label,
    )


def trace(chains: Float[np.ndarray, "c d"], title: str, note: str = "") -> Html:
    """Values of each chain in order; of a long one its least and greatest in each stretch."""
    low, high = float(chains.min()), float(chains.max())
    margin = 0.05 * (high - low) or 0.5
    plot = Plot(
        linear(0, chains.shape[1] - 1 or 1), linear(low - margin, high + margin, 4), height=230
    )
    parts = []
    for i, chain in enumerate(chains):
        places, values = thinned(chain)
        parts.append(plot.line(places, values, f"{_colour(i)} thin"))
    return plot.draw(
        parts,
        title=title,
        note=note,
        said=f"{len(chains)} chains of {chains.shape[1]} draws, from {spelled(low)} to "
        f"{spelled(high)}. {note}",
        x_label="draw",
    )


def ranks(chains: Float[np.ndarray, "c d"], title: str) -> Html:
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
    plot = Plot(linear(0, 1), linear(0, top, 4), height=230)
    edges = np.repeat(np.linspace(0, 1, bins + 1), 2)[1:-1]
    parts = [plot.line([0, 1], [1, 1], "ink dashed")]
    parts += [
        plot.line(edges, np.repeat(h, 2), f"{_colour(i)} thin") for i, h in enumerate(heights)
    ]
    most = float(np.abs(heights - 1).max())
    return plot.draw(
        parts,
        title=title,
        note=f"farthest from level: {spelled(most, 2)}",
        said=f"Heights are 1 where chains agree; the farthest is {spelled(most, 2)} away",
        x_label="rank among all draws, over their number",
    )


def function_figures(
    x: Float[np.ndarray, " m"],
    f: Float[np.ndarray, "s m"],
    log_weights: Float[np.ndarray, " s"],
    targets: Float[np.ndarray, " m"] | None,
    x_label: str = "x",
    f_label: str = "f",
) -> Html:
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
    plot = Plot(
        linear(float(x[0]) - beside, float(x[-1]) + beside),
        linear(least - margin, most + margin),
        width=440,
        top=26,
        left=40,
    )
    parts = [plot.band(x, low, high, "blue"), plot.line(x, mean, "blue")]
    parts += [plot.dot(a, b, "red hollow") for a, b in observed.tolist()]
    return plot.draw(
        parts,
        title=f"{f_label} against {x_label if x_label != 'x' else 'the one feature'}",
        said="Mean and 90 % interval of f against the one feature, with observed targets",
        x_label=x_label,
    )


def _colour(i: int) -> str:
    return _CHAIN_COLOURS[i % len(_CHAIN_COLOURS)]
