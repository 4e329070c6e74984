"""Capped rejection (rejection control; Liu, Chen and Wong 1998): the cap, and what it leaves.

With a cap c a proposal of weight ℓ is accepted with probability min(1, ℓ/c) and an accepted
draw weighs max(ℓ, c)/c. The weighted draws target the exact posterior whatever the cap;
draws are equally weighted but for those above it.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from bnnpost.draws.arviz_view import pareto_k
from bnnpost.numerics.weights import NONE_SEEN_95, WeightSum
from bnnpost.samplers.tally import Tally, exceeds

# A cap chosen from a pilot leaves this part of the posterior's mass to unequal weights.
EXCESS_MASS = 0.01
# Weights of a heavier tail have no variance that could be estimated (Vehtari et al. 2024).
LARGEST_PARETO_K = 0.7
# The one-sided 95 % point of a normal.
_NORMAL_95 = 1.645


def choose_cap(log_weights: Float[np.ndarray, " p"]) -> float:
    """The smallest log cap, in nats, that leaves the excess mass E(ℓ − c)⁺/Eℓ at EXCESS_MASS.

    Raises ValueError if no weight is positive.
    """
    logs = np.sort(np.where(np.isnan(log_weights), -np.inf, log_weights))
    if logs[-1] == -np.inf:
        raise ValueError(
            "no proposal of the pilot has a positive weight: the prior and the targets are at "
            "odds, or the likelihood gives no number; bnnpost.forecast says more"
        )
    weights = np.exp(logs - logs[-1])
    # Excess over each weight as the cap: the sum above it, less the cap for each of them.
    above = np.cumsum(weights[::-1])[::-1]
    excess = above - weights * np.arange(len(weights), 0, -1)
    first = int(np.argmax(excess <= EXCESS_MASS * above[0]))
    return float(logs[first])


@dataclass(frozen=True)
class Excess:
    """How unequal the weights of a capped run are.

    num_excess: proposals above the cap. excess_mass: the part of the posterior's mass that the cap
    cuts off and the weights give back, E(ℓ − c)⁺/Eℓ. pareto_k: of all proposals' weights.
    unseen_mass_upper: the most, at 95 %, that a region which no proposal visited has of the
    posterior's mass, by the bound of the weights; 1 where that says nothing, since no bound is
    known or the proposals are too few for it. tv_unweighted: total variation between the posterior
    and the law of the draws when their weights are ignored, by what was visited; tv_visited_upper:
    an approximate 95 % upper confidence bound of that; tv_unweighted_upper: the same with
    unseen_mass_upper. All three are None where pareto_k is above 0.7: the tail is then too heavy
    for any to mean anything. pareto_k is None for a handful of proposals.
    """

    num_excess: int
    excess_mass: float
    pareto_k: float | None
    unseen_mass_upper: float
    tv_unweighted: float | None
    tv_visited_upper: float | None
    tv_unweighted_upper: float | None


def excess(tally: Tally, log_limit: float) -> Excess:
    """What a finished run says of the weights above its cap. log_limit: of the log weights."""
    log_weights = np.concatenate([np.zeros(0), *tally.log_weights])
    # As parts of all proposals' weights; every proposal above the cap was accepted.
    log_total = (
        tally.weights.log_mean().value - tally.log_level + math.log(tally.num_proposals or 1)
    )
    above = log_weights[log_weights > 0]
    parts = np.exp(above - log_total)
    clipped = tally.num_proposals * tally.acceptance_rate()
    k = pareto_k(np.concatenate([np.zeros(0), *tally.first_log_weights]))
    mass = float(np.sum(parts * -np.expm1(-above)))
    # A bound that was exceeded is none.
    bounded = not exceeds(tally.weights.largest, log_limit)
    unseen = tally.weights.unseen_mass_upper(log_limit if bounded else math.inf)
    if not (k <= LARGEST_PARETO_K and clipped > 0):
        return Excess(len(above), mass, None if math.isnan(k) else k, unseen, None, None, None)
    terms = np.maximum(parts - 1 / clipped, 0.0)
    tv = float(np.sum(terms))
    visited = min(1.0, tv + _margin(terms, tally.weights))
    return Excess(len(above), mass, k, unseen, tv, visited, min(1.0, visited + unseen))


def _margin(terms: Float[np.ndarray, " e"], weights: WeightSum) -> float:
    """How much larger the distance may be: by the spread of the terms, or of those not seen."""
    spread = _NORMAL_95 * float(np.sqrt(np.sum(terms**2)))
    return max(spread, NONE_SEEN_95 / weights.effective_sample_size())
