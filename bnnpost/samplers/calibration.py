"""How long proposals take on this device, from timing a few blocks of them."""

import math
import time

import jax
from jaxtyping import Array

from bnnpost.numerics.threads import num_cores
from bnnpost.samplers import pilot, trials
from bnnpost.spaces import engine
from bnnpost.spaces.space import Space

# Long enough to tell, short enough not to be noticed beside what is compiled for it.
_SECONDS = 0.3
_MOST_BLOCKS = 64


def seconds_per_proposal(key: Array, space: Space) -> float:
    """Seconds a proposal takes in a run, blocks on all its threads, once all is compiled.

    The proposals are the pilot's: a run with this key uses none of their random numbers.
    """
    block = engine.block_shape(space).block
    # A run keeps about so many blocks going at once; fewer would look faster a block than it is.
    at_once = max(num_cores(), jax.local_device_count())
    _seconds(key, space, at_once * block)  # compiles
    taken = _seconds(key, space, at_once * block)
    rounds = min(int(_SECONDS / max(taken, 1e-9)), _MOST_BLOCKS)
    if rounds > 1:
        taken = _seconds(key, space, rounds * at_once * block) / rounds
    return taken / (at_once * block)


def _seconds(key: Array, space: Space, num_proposals: int) -> float:
    start = time.perf_counter()
    for _ in trials.blocks(space, pilot.own_key(key), math.inf, max_proposals=num_proposals):
        pass
    return time.perf_counter() - start
