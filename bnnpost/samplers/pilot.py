"""A short pilot: weights and times of a few thousand proposals that no run ever uses."""

import dataclasses
import math
import time

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.numerics.threads import num_cores
from bnnpost.samplers import trials
from bnnpost.samplers.progress import Progress
from bnnpost.spaces import engine
from bnnpost.spaces.engine import BlockShape
from bnnpost.spaces.space import Space

NUM_PILOT = 4096
# Folded into a run's key, so that a pilot shares no random number with the run.
_PILOT = 0x70696C74


# Of one block: about a second on a core.
_STEPS = 2**29
# Seconds in which most pilots are over.
_DELAY = 3.0
# Long enough to tell, short enough not to be noticed beside what is compiled for it.
_TIMED = 0.3
_MOST_BLOCKS = 64
# Of one proposal: about two seconds on a core.
_MOST_NORMALS = 2**27


def own_key(key: Array) -> Array:
    """The key of a pilot before the run with this key."""
    return jax.random.fold_in(key, _PILOT)


def short_blocks(space: Space) -> BlockShape:
    """The shape of a run's blocks, or of shorter ones where these would take more than seconds.

    A run's are chosen by the random numbers they take; at many points elimination, of n³ steps for
    each layer and the evidence, takes longer than those.
    """
    shape, normals = engine.block_shape(space), engine.num_normals(space)
    steps = sum(normals) + (len(normals) + 1) * space.posterior.num_points**3
    block = max(shape.batch, 1 << max(0, (_STEPS // steps).bit_length() - 1))
    return dataclasses.replace(shape, block=min(shape.block, block))


def log_weights(
    key: Array,
    space: Space,
    num_pilot: int,
    shape: BlockShape | None = None,
    progress: bool = False,
) -> Float[np.ndarray, " p"]:
    """Log weights of `num_pilot` proposals, in the blocks that a run would use; NaN as they are."""
    kept: list[np.ndarray] = []
    blocks = trials.blocks(
        space, own_key(key), math.inf, max_proposals=num_pilot, keep=num_pilot, shape=shape
    )
    bar = Progress(num_pilot, enabled=progress, label="pilot", unit="proposal", delay=_DELAY)
    with bar:
        for block in blocks:
            kept.append(block.kept)
            bar.show(block.start + block.count)
    return np.concatenate(kept)


def seconds_per_proposal(key: Array, space: Space) -> float | None:
    """Seconds a proposal takes in a run, blocks on all its threads, once all is compiled.

    The proposals are the pilot's: a run with this key uses none of their random numbers. None
    where one takes so many random numbers that timing a few would itself take minutes.
    """
    if sum(engine.num_normals(space)) > _MOST_NORMALS:
        return None
    shape = short_blocks(space)
    block = shape.block
    # A run keeps about so many blocks going at once; fewer would look faster a block than it is.
    at_once = max(num_cores(), jax.local_device_count())
    _seconds(key, space, shape, at_once * block)  # compiles
    taken = _seconds(key, space, shape, at_once * block)
    rounds = min(int(_TIMED / max(taken, 1e-9)), _MOST_BLOCKS)
    if rounds > 1:
        taken = _seconds(key, space, shape, rounds * at_once * block) / rounds
    return taken / (at_once * block)


def _seconds(key: Array, space: Space, shape: BlockShape, count: int) -> float:
    start, own = time.perf_counter(), own_key(key)
    for _ in trials.blocks(space, own, math.inf, max_proposals=count, shape=shape):
        pass
    return time.perf_counter() - start
