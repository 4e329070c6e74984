"""What pairs of chains are run with, found by pilot chains and pairs of their own.

It is frozen then: a chain that adapts may not be coupled.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from bnnpost.numerics.precision import in_double_precision
from bnnpost.samplers.chains.kernel import Kernel, Normals, State
from bnnpost.samplers.coupled.choices import Choice
from bnnpost.samplers.coupled.pair_kernel import Paired
from bnnpost.samplers.coupled.pair_threads import Pairs, Programs

# Transitions in which each finds its step, of those of one evaluation more; pairs that try it.
_NUM_WARMUP, _NUM_EVALUATIONS, _NUM_PAIRS = 100, 500, 8
# Folded into the key of the pilot: its chains, and its pairs.
_CHAIN, _PAIRS = 0, 1


class Tuned(NamedTuple):
    """kernel: what moves chains; lag; meetings: of the pilot's pairs; evaluations: what it took."""

    kernel: Paired
    lag: int
    meetings: Int[np.ndarray, " p"]
    evaluations: int

    @property
    def first_kept(self) -> int:
        """A step that X makes at any rate, and that is not late enough for most tolerances."""
        return self.lag + int(np.median(self.meetings))


@in_double_precision
def tuned(
    key: Array, programs: Programs, choices: Sequence[Choice], max_steps: int
) -> Tuned | None:
    """Of some kernels, the cheapest first, that with which pairs meet at the least cost.

    lag: the longest until they met; a shorter one would count late pairs several times, and save
    little, as X has to go about as far as that. None if no pair of any meets in so many steps.
    """
    best, least, evaluations = None, math.inf, 0
    for number, choice in enumerate(choices):
        one_key = jax.random.fold_in(key, number)
        kernel, spent = _with_step(jax.random.fold_in(one_key, _CHAIN), programs.target, choice)
        # What costs more than the best by far need not be run to its end.
        cost = kernel.evaluations_per_step
        most = max_steps if best is None else min(max_steps, math.ceil(2 * least / cost))
        pairs = Pairs(programs, kernel, jax.random.fold_in(one_key, _PAIRS), 1)
        outcomes = list(pairs.run(range(_NUM_PAIRS), 0, most))
        meetings = np.array([int(one.meeting) for one in outcomes])
        evaluations += spent + sum(int(one.evaluations) for one in outcomes)
        if np.all(meetings > 0) and cost * np.mean(meetings) < least:
            least = cost * float(np.mean(meetings))
            best = Tuned(kernel, int(np.max(meetings)), meetings, 0)
        elif best is not None:
            break
    return None if best is None else best._replace(evaluations=evaluations)


def _with_step(key: Array, target: Normals, choice: Choice) -> tuple[Paired, int]:
    """Coupled with the step that a plain chain has adapted to, and what that took."""
    if not choice.adapts:
        return choice.coupled(choice.given_step), 0
    cost = int(getattr(choice.plain, "num_steps", 1))
    steps = max(_NUM_WARMUP, _NUM_EVALUATIONS // cost)
    found = float(_adapted(choice.plain, target, key, jnp.asarray(steps)))
    return choice.coupled(found), steps * cost


@jax.jit
def _adapted(kernel: Kernel, target: Normals, key: Array, count: Array) -> Array:
    def step(number: Array, state: State) -> State:
        one = jax.random.fold_in(key, number)
        return kernel.step(one, state, target, jnp.ones((), bool))[0]

    state, _ = kernel.init(jax.random.fold_in(key, count), target)
    found: Array = kernel.tuned(jax.lax.fori_loop(0, count, step, state))
    return found
