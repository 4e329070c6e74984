"""Ranks of the truth among draws, uniform on 0 … L if the truth is one more of these draws.

Nothing here needs moments: ranks are uniform for laws with heavy tails, and with ties broken at
random for laws with atoms.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri


def selected(log_weights: Float[np.ndarray, " s"], count: int, place: float) -> np.ndarray:
    """Places of `count` draws, each chosen as often as its weight says, as few twice as can be.

    Systematic: at (i + place)/count of the summed weights, with `place` uniform in [0, 1). Of
    equally weighted draws evenly spaced ones, so that a chain is thinned as far as it can be.
    """
    weights = np.exp(log_weights - np.max(log_weights))
    edges = np.cumsum(weights) / weights.sum()
    places = (np.arange(count) + place) / count
    return np.minimum(np.searchsorted(edges, places, side="right"), len(edges) - 1)


def rank(
    truth: Float[np.ndarray, " q"], draws: Float[np.ndarray, "l q"], places: Float[np.ndarray, " q"]
) -> Int[np.ndarray, " q"]:
    """How many draws are less than the truth; one place of those with equal draws at random.

    places: uniform in [0, 1), one for each quantity.
    """
    below, equal = np.sum(draws < truth, axis=0), np.sum(draws == truth, axis=0)
    return below + np.floor(places * (equal + 1)).astype(int)  # type: ignore[no-any-return]


def distances(
    truth: Float[np.ndarray, " p"], draws: Float[np.ndarray, "l p"]
) -> Float[np.ndarray, " l+1"]:
    """Mean squared distance from the mean, in standard deviations, of the truth and each draw.

    Mean and standard deviation of each value are of the truth and the draws together, which
    makes all of them exchangeable if the truth is one more draw, whatever their law (where tails
    are heavy the furthest draws decide, which finds less but is as valid). It tells at many values
    at once whether draws spread as they should. Values that never change are left out.
    """
    together = np.concatenate([truth[None], draws])
    std = together.std(axis=0)
    changing = std > 0
    scores = (together - together.mean(axis=0))[:, changing] / std[changing]
    return np.sum(scores**2, axis=1) / max(int(changing.sum()), 1)


def normal_scores(values: Float[np.ndarray, " draw"]) -> Float[np.ndarray, " draw"]:
    """Of the ranks of one quantity's values among each other; equal values have the same."""
    from scipy.stats import rankdata  # slow to import

    return ndtri((rankdata(values) - 0.5) / len(values))  # type: ignore[no-any-return]
