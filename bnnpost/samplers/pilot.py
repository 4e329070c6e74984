"""A short pilot: log weights of a few thousand proposals that no run ever uses."""

import math

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.samplers import trials
from bnnpost.spaces.engine import BlockShape
from bnnpost.spaces.space import Space

NUM_PILOT = 4096
# Folded into a run's key, so that a pilot shares no random number with the run.
_PILOT = 0x70696C74


def own_key(key: Array) -> Array:
    """The key of a pilot before the run with this key."""
    return jax.random.fold_in(key, _PILOT)


def log_weights(
    key: Array, space: Space, num_pilot: int, shape: BlockShape | None = None
) -> Float[np.ndarray, " p"]:
    """Log weights of `num_pilot` proposals, in the blocks that a run would use; NaN as they are."""
    blocks = trials.blocks(
        space, own_key(key), math.inf, max_proposals=num_pilot, keep=num_pilot, shape=shape
    )
    return np.concatenate([block.kept for block in blocks])
