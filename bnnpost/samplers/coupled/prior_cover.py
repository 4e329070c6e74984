"""Whether prior draws reach all of a posterior, so that they may be proposed as they are.

Chains that move by proposals from the prior alone meet soon where these are accepted, and say
nothing of a region that none of them has hit. How much of the posterior lies there is told by the
largest weight.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.numerics.precision import in_double_precision
from bnnpost.samplers.chains.kernel import Normals

# The share of the posterior that may lie beyond all of so many prior draws; and beyond the first
# of them, if it is to be worth while to make the others.
_MOST_UNSEEN, _NUM_DRAWS = 0.01, 10_000
_MOST_UNSEEN_FIRST, _NUM_FIRST = 0.1, 1_000


class Cover(NamedTuple):
    """complete: whether prior draws reach the posterior; num_draws: of which that was found."""

    complete: bool
    num_draws: int


@in_double_precision
def prior_cover(key: Array, target: Normals) -> Cover:
    """By the weights of some 10,000 prior draws, or fewer where those miss much of it already."""
    first = _log_weights(key, target, jnp.arange(_NUM_FIRST))
    if not unseen_mass(first) <= _MOST_UNSEEN_FIRST:
        return Cover(False, _NUM_FIRST)
    others = _log_weights(key, target, jnp.arange(_NUM_FIRST, _NUM_DRAWS))
    unseen = unseen_mass(np.concatenate([first, others]))
    return Cover(unseen <= _MOST_UNSEEN, _NUM_DRAWS)


def unseen_mass(log_weights: Float[np.ndarray, " p"]) -> float:
    """About the share of the posterior whose weight is above those of all these prior draws.

    It is the share that the largest has of their sum. Each of M + 1 draws is as likely as the
    others to be the largest, so that the last one has, beyond the others, max w / (M + 1) on
    average, whatever the law of weights (the argument of Good 1953, Biometrika 40). 1 where all
    weights are 0.
    """
    largest = np.max(log_weights)
    if not math.isfinite(largest):
        return 1.0
    return float(1 / np.sum(np.exp(log_weights - largest)))


@jax.jit
def _draw_weights(key: Array, target: Normals, numbers: Array) -> Array:
    def one(number: Array) -> Array:
        return target.log_weight(target.prior(jax.random.fold_in(key, number)))

    return jax.lax.map(one, numbers)


def _log_weights(key: Array, target: Normals, numbers: Array) -> Float[np.ndarray, " p"]:
    return np.asarray(_draw_weights(key, target, numbers))
