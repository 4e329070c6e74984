"""What a wrong candidate may be instead of the posterior: laws with a parameter or none.

Each alteration is fitted to a candidate and a reference, and says what means and standard
deviations it then leaves unexplained. Pure functions of draws.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize_scalar

from bnnpost.verification.jackknife import Rows
from bnnpost.verification.prior_changes import LOG_FACTORS, PriorChange

Columns = Float[np.ndarray, " column"]
# Weighted draws that are worth fewer say nothing.
_FEWEST = 50
# Power of the likelihood below which it is as good as ignored. Newton's steps, and log odds that
# are as good as certain.
_LEAST_POWER, _STEPS, _FAR, _TINY = 0.02, 20, 500.0, 1e-9
# Of two modes: the density in the valley over that of the lower one, and the least share of one.
_VALLEY, _LEAST_MODE = 0.5, 0.05


@dataclass(frozen=True)
class Fitted:
    """An alteration, fitted. parameters: its own.

    left: what it leaves of each value, the error of the mean in standard deviations and the log
    ratio of the standard deviations.
    """

    parameters: Float[np.ndarray, " k"]
    left: Float[np.ndarray, " column2"]

    def both(self) -> Float[np.ndarray, " k2"]:
        """Parameters, then what is left."""
        return np.concatenate([self.parameters, self.left])


# None where it cannot be fitted.
Alteration: TypeAlias = Callable[[Rows, Rows], Fitted | None]


def moments_of(rows: Rows) -> tuple[Columns, Columns]:
    """Means and standard deviations, by the Gaussians that draws are from."""
    mean = rows.means.mean(axis=0)
    variance = np.mean((rows.means - mean) ** 2 + rows.variances, axis=0)
    return mean, np.sqrt(variance)


def _left(given: tuple[Columns, Columns], law: tuple[Columns, Columns]) -> np.ndarray:
    """What is unexplained of the moments given, by those of a law."""
    (mean, std), (centre, spread) = given, law
    return np.concatenate([(mean - centre) / spread, np.log(std / spread)])


def nothing(candidate: Rows, reference: Rows) -> Fitted:
    """The posterior itself."""
    return Fitted(np.empty(0), _left(moments_of(candidate), moments_of(reference)))


def stretched(candidate: Rows, reference: Rows) -> Fitted:
    """Every deviation from the posterior's mean times one factor. Parameter: its log."""
    (mean, std), (centre, spread) = moments_of(candidate), moments_of(reference)
    log = float(np.mean(np.log(std / spread)))
    return Fitted(np.array([log]), _left((mean, std), (centre, np.exp(log) * spread)))


def multiplied(candidate: Rows, reference: Rows) -> Fitted:
    """Every function value times one factor. Parameter: its log."""
    (mean, std), (centre, spread) = moments_of(candidate), moments_of(reference)
    log = float(np.mean(np.log(std / spread)))
    factor = np.exp(log)
    return Fitted(np.array([log]), _left((mean, std), (factor * centre, factor * spread)))


def shifted(candidate: Rows, reference: Rows) -> Fitted:
    """One constant added to every value. Parameter: it."""
    (mean, std), (centre, spread) = moments_of(candidate), moments_of(reference)
    added = float(np.average(mean - centre, weights=spread**-2))
    return Fitted(np.array([added]), _left((mean, std), (centre + added, spread)))


def shifted_by_stds(candidate: Rows, reference: Rows) -> Fitted:
    """Every mean off by the same part of its standard deviation. Parameter: it."""
    (mean, std), (centre, spread) = moments_of(candidate), moments_of(reference)
    added = float(np.mean((mean - centre) / spread))
    return Fitted(np.array([added]), _left((mean, std), (centre + added * spread, spread)))


def prior_changed(change: PriorChange) -> Alteration:
    """Some standard deviations of the prior times a factor. Parameter: its log.

    The posterior's means and log standard deviations move by what those of its limit do. None
    where the best factor is as far off as any that was tried.
    """
    right = np.flatnonzero(LOG_FACTORS == 0.0)[0]
    means, log_stds = (values - values[right] for values in (change.means, change.log_stds))
    moved = CubicSpline(LOG_FACTORS, np.concatenate([means, log_stds], axis=1))

    def fit(candidate: Rows, reference: Rows) -> Fitted | None:
        given, (mean, std) = moments_of(candidate), moments_of(reference)

        def left(log_factor: float) -> np.ndarray:
            by_mean, by_log_std = np.split(moved(log_factor), 2)
            return _left(given, (mean + by_mean, std * np.exp(by_log_std)))

        sizes = [np.sum(left(log_factor) ** 2) for log_factor in LOG_FACTORS]
        least = int(np.argmin(sizes))
        if least in (0, len(LOG_FACTORS) - 1):
            return None
        around = LOG_FACTORS[least - 1], LOG_FACTORS[least + 1]
        log_factor = minimize_scalar(lambda at: np.sum(left(at) ** 2), bounds=around).x
        return Fitted(np.array([log_factor]), left(log_factor))

    return fit


def tempered(candidate: Rows, reference: Rows) -> Fitted | None:
    """The likelihood to some power: data counted so often. Parameter: the log of the power.

    The log odds of a draw to be the candidate's are then linear in its log likelihood, with the
    power less 1 for a slope. Draws of the wider side, weighted by the likelihood to the power that
    is missing, must have the moments of the narrower.
    """
    given, held = candidate.log_likelihood, reference.log_likelihood
    if given is None or held is None:
        return None
    power = 1 + _slope_of_odds(given, held)
    if not power > _LEAST_POWER:
        return None
    wider, logs = (reference, held) if power > 1 else (candidate, given)
    weights = np.exp(abs(power - 1) * (logs - logs.max()))
    if np.sum(weights) ** 2 < _FEWEST * np.sum(weights**2):
        return None
    weighted = _weighted(wider, weights / weights.sum())
    if power > 1:
        left = _left(moments_of(candidate), weighted)
    else:
        left = _left(weighted, moments_of(reference))
    return Fitted(np.array([np.log(power)]), left)


def _slope_of_odds(given: Float[np.ndarray, " c"], held: Float[np.ndarray, " r"]) -> float:
    """Of a logistic regression of which of two laws a draw is from, by Newton's steps."""
    x = np.concatenate([given, held])
    middle, spread = float(x.mean()), float(x.std()) or 1.0
    design = np.stack([np.ones(len(x)), (x - middle) / spread])
    labels = np.arange(len(x)) < len(given)
    found = np.array([np.log(len(given) / len(held)), 0.0])
    for _ in range(_STEPS):
        odds = 1 / (1 + np.exp(-np.clip(found @ design, -_FAR, _FAR)))
        curvature = (design * (odds * (1 - odds))) @ design.T + _TINY * np.eye(2)
        step = np.linalg.solve(curvature, design @ (labels - odds))
        found = found + np.clip(step, -1.0, 1.0)
    return float(found[1]) / spread


def _weighted(rows: Rows, weights: Float[np.ndarray, " r"]) -> tuple[Columns, Columns]:
    mean = weights @ rows.draws
    return mean, np.sqrt(weights @ (rows.draws - mean) ** 2)


def modes_along(column: int, place: float) -> Alteration:
    """Modes on both sides of a place in one value, in other parts than the posterior's.

    Parameters: the candidate's part of the side below, and the posterior's.
    """

    def fit(candidate: Rows, reference: Rows) -> Fitted | None:
        below = reference.draws[:, column] < place
        right, given = float(below.mean()), float((candidate.draws[:, column] < place).mean())
        if not 0 < right < 1:
            return None
        weights = np.where(below, given / right, (1 - given) / (1 - right)) / len(reference)
        left = _left(moments_of(candidate), _weighted(reference, weights))
        return Fitted(np.array([given, right]), left)

    return fit


def valley(values: Float[np.ndarray, " r"]) -> float | None:
    """The place between two modes; None where there is one alone.

    Where the variance between both sides is largest (Otsu 1979), if the density there is less than
    half of that at the middle of either side.
    """
    ordered = np.sort(values)
    count = np.arange(1, len(ordered))
    below = np.cumsum(ordered)[:-1] / count
    above = (ordered.sum() - np.cumsum(ordered)[:-1]) / (len(ordered) - count)
    between = count * (len(ordered) - count) * (above - below) ** 2
    cut = int(np.argmax(between))
    share = (cut + 1) / len(ordered)
    if min(share, 1 - share) < _LEAST_MODE:
        return None
    # The lowest density between the middles of both sides, in windows of a tenth.
    low, high = float(np.median(ordered[: cut + 1])), float(np.median(ordered[cut + 1 :]))
    half = 0.1 * (high - low)
    places = np.linspace(low, high, 21)
    edges = [np.searchsorted(ordered, places + side * half) for side in (-1, 1)]
    densities = edges[1] - edges[0]
    lowest = int(np.argmin(densities))
    peaks = min(densities[0], densities[-1])
    return float(places[lowest]) if densities[lowest] < _VALLEY * peaks else None
