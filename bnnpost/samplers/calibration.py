"""How long proposals take on this device, from timing a few blocks of them."""

import time

from jaxtyping import Array

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
    # A run keeps so many blocks going at once; fewer would look faster a block than it is.
    threads = engine.num_threads(trials.trial, space, key, ())
    _seconds(key, space, threads * block)  # compiles
    taken = _seconds(key, space, threads * block)
    rounds = min(int(_SECONDS / max(taken, 1e-9)), _MOST_BLOCKS)
    if rounds > 1:
        taken = _seconds(key, space, rounds * threads * block) / rounds
    return taken / (threads * block)


def _seconds(key: Array, space: Space, num_proposals: int) -> float:
    start = time.perf_counter()
    for _ in trials.blocks(space, pilot.own_key(key), num_proposals):
        pass
    return time.perf_counter() - start
