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
from bnnpost.samplers.coupled.choices import Choice, given_step
from bnnpost.samplers.coupled.pair_kernel import Paired
from bnnpost.samplers.coupled.pair_threads import Pairs, Programs
from bnnpost.samplers.coupled.prior_cover import prior_cover

# Transitions in which each finds its step, of those of one evaluation more; pairs that try it.
_NUM_WARMUP, _NUM_EVALUATIONS, _NUM_PAIRS = 100, 500, 8
# Pairs that try prior draws: they cost little, and a few of them meet late.
_NUM_BY_LUCK = 64
# Folded into the key of the pilot: its chains, and its pairs.
_CHAIN, _PAIRS = 0, 1
# The same for prior draws of which it is told whether these will do.
_COVER = 0x636F7665
# Of a pair, X the lag and then both until they meet, at the least.
_FEWEST_STEPS = 3


class Tuned(NamedTuple):
    """kernel: what moves chains; lag; meetings: of the pilot's pairs; evaluations: what it took."""

    kernel: Paired
    lag: int
    meetings: Int[np.ndarray, " p"]
    evaluations: int

    @property
    def first_kept(self) -> int:
        """A step that X makes at any rate, and that is not late enough for most tolerances."""
        return self.lag


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
        if _FEWEST_STEPS * choice.cost >= least:
            continue
        if choice.by_luck:
            cover = prior_cover(jax.random.fold_in(key, _COVER), programs.target)
            evaluations += cover.num_draws
            if not cover.complete:
                continue
        one_key = jax.random.fold_in(key, number)
        kernel, spent = _with_steps(jax.random.fold_in(one_key, _CHAIN), programs.target, choice)
        # What costs more than the best need not be run to its end.
        most = min(max_steps, least / choice.cost)
        pairs = Pairs(programs, kernel, jax.random.fold_in(one_key, _PAIRS), 1)
        count = _NUM_BY_LUCK if choice.by_luck else _NUM_PAIRS
        outcomes = list(pairs.run(range(count), 0, math.ceil(most)))
        meetings = np.array([int(one.meeting) for one in outcomes])
        evaluations += spent + sum(int(one.evaluations) for one in outcomes)
        taken = _evaluations(choice, meetings)
        if taken < least:
            best, least = Tuned(kernel, int(np.max(meetings)), meetings, 0), taken
    return None if best is None else best._replace(evaluations=evaluations)


def _evaluations(choice: Choice, meetings: Int[np.ndarray, " p"]) -> float:
    """What a pair takes, about: X the lag, then both until they meet, X on to where it is kept."""
    if np.any(meetings < 0):
        return math.inf
    return choice.cost * float(np.max(meetings) + 2 * np.mean(meetings))


def _with_steps(key: Array, target: Normals, choice: Choice) -> tuple[Paired, int]:
    """Coupled with the steps that plain chains have adapted to, and what that took."""
    steps, spent = [], 0
    for number, plain in enumerate(choice.plains):
        step = given_step(plain)
        if step is None:
            cost = int(getattr(plain, "num_steps", 1))
            count = max(_NUM_WARMUP, _NUM_EVALUATIONS // cost)
            own_key = jax.random.fold_in(key, number)
            step = float(_adapted(plain, target, own_key, jnp.asarray(count)))
            spent += count * cost
        steps.append(step)
    return choice.coupled(*steps), spent


@jax.jit
def _adapted(kernel: Kernel, target: Normals, key: Array, count: Array) -> Array:
    def step(number: Array, state: State) -> State:
        one = jax.random.fold_in(key, number)
        return kernel.step(one, state, target, jnp.ones((), bool))[0]

    state, _ = kernel.init(jax.random.fold_in(key, count), target)
    found: Array = kernel.tuned(jax.lax.fori_loop(0, count, step, state))
    return found
