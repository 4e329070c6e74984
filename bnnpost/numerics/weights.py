"""Running sums of importance weights, from which the evidence and its error follow."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_LARGEST_LOG = 700.0


class LogMean(NamedTuple):
    """The log of a mean weight, in nats, and its standard error (delta method)."""

    value: float
    standard_error: float


# Of the number of events where none was seen: the one-sided 95 % point.
NONE_SEEN_95 = 3.0


@dataclass(frozen=True)
class WeightSum:
    """Σ w and Σ w² of weights given as logs, kept relative to the largest so far.

    NaN weights count as proposals of weight 0.
    """

    largest: float = -math.inf
    total: float = 0.0
    total_square: float = 0.0
    count: int = 0

    def add(self, log_weights: Float[np.ndarray, " b"]) -> "WeightSum":
        """The sums with these weights added."""
        logs = np.where(np.isnan(log_weights), -np.inf, log_weights)
        largest = float(np.max(logs, initial=-np.inf))
        relative = np.exp(logs - largest) if largest > -math.inf else np.zeros(len(logs))
        return self.merge(
            WeightSum(largest, float(relative.sum()), float((relative**2).sum()), len(logs))
        )

    def merge(self, other: "WeightSum") -> "WeightSum":
        """The sums over these weights and the other's."""
        largest = max(self.largest, other.largest)
        total, total_square = 0.0, 0.0
        for part in (self, other):
            rescale = math.exp(part.largest - largest) if part.largest > -math.inf else 0.0
            total += part.total * rescale
            total_square += part.total_square * rescale**2
        return WeightSum(largest, total, total_square, self.count + other.count)

    def log_mean(self) -> LogMean:
        """log of the mean weight over all proposals, and its standard error in nats."""
        if self.total == 0.0:
            return LogMean(-math.inf, math.inf)
        mean = self.total / self.count
        variance = max(self.total_square / self.count - mean**2, 0.0)
        return LogMean(self.largest + math.log(mean), math.sqrt(variance / self.count) / mean)

    def unseen_mass_upper(self, log_bound: float) -> float:
        """The most, at 95 %, that a region which none of the proposals visited has of the mass.

        log_bound: an upper bound W of the log weight, in nats; ∞ where none is known. A region
        of mass m under the target has at least m·Z/W of the proposals, Z their mean weight, so
        that all of P miss it with probability at most exp(−P m Z/W). With Z what was seen and
        what was not, m ≤ 1/(1 + P Z_seen/3W). 1 says that there is no bound.
        """
        if self.total == 0.0 or log_bound == math.inf:
            return 1.0
        log_odds = self.largest + math.log(self.total) - math.log(NONE_SEEN_95) - log_bound
        return 1 / (1 + math.exp(log_odds)) if log_odds < _LARGEST_LOG else 0.0

    def effective_sample_size(self) -> float:
        """(Σw)²/Σw²: how many equally weighted draws these weights are worth (Kish 1965)."""
        return self.total**2 / self.total_square if self.total_square else 0.0


def normalised(log_weights: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
    """Weights that sum to 1; NaN counts as 0."""
    logs = np.where(np.isnan(log_weights), -np.inf, log_weights)
    relative = np.exp(logs - np.max(logs))
    return relative / relative.sum()


def weighted_quantile(
    values: Float[np.ndarray, "s *m"], weights: Float[np.ndarray, " s"], level: float
) -> Float[np.ndarray, " *m"]:
    """Over the first axis the least value up to which the weights, of sum 1, come to `level`."""
    order = np.argsort(values, axis=0)
    total = np.cumsum(weights[order], axis=0)
    place = np.minimum((total < level).sum(axis=0), len(values) - 1)
    return np.asarray(np.take_along_axis(values, np.take_along_axis(order, place[None], 0), 0)[0])
