"""Capped rejection (rejection control; Liu, Chen and Wong 1998): the cap, and what it leaves.

With a cap c a proposal of weight ℓ is accepted with probability min(1, ℓ/c) and an accepted
draw weighs max(ℓ, c)/c. The weighted draws target the exact posterior whatever the cap;
draws are equally weighted but for those above it.
"""

import math
from typing import Any

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


def excess(tally: Tally, log_bound: float) -> dict[str, Any]:
    """What a finished run says of the weights above its cap, by the names of `DrawsInfo`.

    log_bound: of the log weights. tv_unweighted and its bounds are None where the tail is too heavy
    for any to mean anything (pareto_k above 0.7); pareto_k is None for a handful of proposals.
    """
    log_weights = np.concatenate([np.zeros(0), *tally.log_weights])
    # As parts of all proposals' weights; every proposal above the cap was accepted.
    log_total = (
        tally.weights.log_mean().value - tally.log_bound + math.log(tally.num_proposals or 1)
    )
    above = log_weights[log_weights > 0]
    parts = np.exp(above - log_total)
    clipped = tally.num_proposals * tally.acceptance_rate()
    k = pareto_k(np.concatenate([np.zeros(0), *tally.first_log_weights]))
    mass = float(np.sum(parts * -np.expm1(-above)))
    # A bound that was exceeded is none.
    bounded = not exceeds(tally.weights.largest, log_bound)
    unseen = tally.weights.unseen_mass_upper(log_bound if bounded else math.inf)
    tv = visited = upper = None
    if k <= LARGEST_PARETO_K and clipped > 0:
        terms = np.maximum(parts - 1 / clipped, 0.0)
        tv = float(np.sum(terms))
        visited = min(1.0, tv + _margin(terms, tally.weights))
        upper = min(1.0, visited + unseen)
    return {
        "num_excess": len(above),
        "excess_mass": mass,
        "pareto_k": None if math.isnan(k) else k,
        "unseen_mass_upper": unseen,
        "tv_unweighted": tv,
        "tv_visited_upper": visited,
        "tv_unweighted_upper": upper,
    }


def _margin(terms: Float[np.ndarray, " e"], weights: WeightSum) -> float:
    """How much larger the distance may be: by the spread of the terms, or of those not seen."""
    spread = _NORMAL_95 * float(np.sqrt(np.sum(terms**2)))
    return max(spread, NONE_SEEN_95 / weights.effective_sample_size())
