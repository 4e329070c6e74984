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
# Of one proposal: about two seconds on a core.
_MOST_NORMALS = 2**27


def seconds_per_proposal(key: Array, space: Space) -> float | None:
    """Seconds a proposal takes in a run, blocks on all its threads, once all is compiled.

    The proposals are the pilot's: a run with this key uses none of their random numbers. None
    where one takes so many random numbers that timing a few would itself take minutes.
    """
    if sum(engine.num_normals(space)) > _MOST_NORMALS:
        return None
    shape = pilot.short_blocks(space)
    block = shape.block
    # A run keeps about so many blocks going at once; fewer would look faster a block than it is.
    at_once = max(num_cores(), jax.local_device_count())
    _seconds(key, space, shape, at_once * block)  # compiles
    taken = _seconds(key, space, shape, at_once * block)
    rounds = min(int(_SECONDS / max(taken, 1e-9)), _MOST_BLOCKS)
    if rounds > 1:
        taken = _seconds(key, space, shape, rounds * at_once * block) / rounds
    return taken / (at_once * block)


def _seconds(key: Array, space: Space, shape: engine.BlockShape, count: int) -> float:
    start, own = time.perf_counter(), pilot.own_key(key)
    for _ in trials.blocks(space, own, math.inf, max_proposals=count, shape=shape):
        pass
    return time.perf_counter() - start
