"""What pairs of chains are run with, found by pilot chains and pairs of their own.

It is frozen then: a chain that adapts may not be coupled.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from bnnpost.numerics.precision import in_double_precision
from bnnpost.samplers.chains.kernel import Normals, State
from bnnpost.samplers.chains.rotation import Rotation
from bnnpost.samplers.coupled.blend import Blend
from bnnpost.samplers.coupled.pair_threads import Pairs, Programs

# Rotations of a trajectory that are tried, the cheapest first; what they accept; transitions in
# which each finds its angle; pairs that try it.
_ROTATIONS = (3, 5, 8, 12)
_TARGET_ACCEPT, _NUM_WARMUP, _NUM_PAIRS = 0.93, 100, 8
# Folded into the key of the pilot: its chains, and its pairs.
_CHAIN, _PAIRS = 0, 1


class Tuned(NamedTuple):
    """blend: what moves chains; lag; meetings: of the pilot's pairs; evaluations: what it took."""

    blend: Blend
    lag: int
    meetings: Int[np.ndarray, " p"]
    evaluations: int

    @property
    def first_kept(self) -> int:
        """A step that X makes at any rate, and that is not late enough for most tolerances."""
        return self.lag + int(np.median(self.meetings))


@in_double_precision
def tuned(key: Array, programs: Programs, step_size: float, max_steps: int) -> Tuned | None:
    """Of some numbers of rotations, that with which pairs meet at the least cost.

    lag: the median of when they met. None if no pair of any meets in so many steps.
    """
    best, least, evaluations = None, math.inf, 0
    for number in _ROTATIONS:
        one_key = jax.random.fold_in(key, number)
        chain_key = jax.random.fold_in(one_key, _CHAIN)
        blend = _with_angle(chain_key, programs.target, number, step_size)
        cost = number + 1
        # What costs more than the best by far need not be run to its end.
        most = max_steps if best is None else min(max_steps, math.ceil(2 * least / cost))
        pairs = Pairs(programs, blend, jax.random.fold_in(one_key, _PAIRS), 1)
        outcomes = list(pairs.run(range(_NUM_PAIRS), 0, most))
        meetings = np.array([int(one.meeting) for one in outcomes])
        evaluations += _NUM_WARMUP * number + sum(int(one.evaluations) for one in outcomes)
        if np.all(meetings > 0) and cost * np.mean(meetings) < least:
            least = cost * float(np.mean(meetings))
            best = Tuned(blend, max(1, int(np.median(meetings))), meetings, 0)
        elif best is not None:
            break
    return None if best is None else best._replace(evaluations=evaluations)


def _with_angle(key: Array, target: Normals, number: int, step_size: float) -> Blend:
    """Rotations of an angle that a plain chain has adapted to."""
    angle = float(_adapted(Rotation(None, _TARGET_ACCEPT, number), target, key))
    return Blend(Rotation(angle, _TARGET_ACCEPT, number), step_size)


@jax.jit
def _adapted(kernel: Rotation, target: Normals, key: Array) -> Array:
    def step(number: Array, state: State) -> State:
        one = jax.random.fold_in(key, number)
        return kernel.step(one, state, target, jnp.ones((), bool))[0]

    state, _ = kernel.init(jax.random.fold_in(key, _NUM_WARMUP), target)
    return kernel.tuned(jax.lax.fori_loop(0, _NUM_WARMUP, step, state))
