"""Unbiased estimates of posterior expectations, by pairs of chains that meet."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.posterior import Posterior, require_posterior
from bnnpost.samplers.coupled.pairs import At, Pairs, begun, further, require_start, step_key
from bnnpost.samplers.coupled.tuning import NotMet, set_up
from bnnpost.samplers.kernels.kernel import Arrays, Normals, Number, Paired
from bnnpost.samplers.progress import Progress
from bnnpost.spaces.completions import AS_FUNCTION, jointly
from bnnpost.spaces.sources import Origin
from bnnpost.spaces.space import Space

# Folded into a run's key for its pairs, and into that of a transition for what completes a draw.
_PAIRS, _COMPLETED = 0x65787063, 1
# Averages are over so many times as many steps as pairs need at most to meet.
_TIMES = 4

# A function of f, [point, output].
Function = Callable[[Array], Array]


class UnbiasedMean(NamedTuple):
    """value, standard_error: of the mean of the replicates, which are independent and unbiased.

    replicates: [pair, …], one of each pair: means over steps first_step to last_step, corrected for
    what X has not forgotten by then. meeting_times: of the pairs, one chain `lag` steps ahead.
    """

    value: np.ndarray
    standard_error: np.ndarray
    replicates: np.ndarray
    first_step: int
    last_step: int
    lag: int
    meeting_times: np.ndarray


class Averaged(NamedTuple):
    """lag: L; first, last: k and m; most: X goes no further in search of Y."""

    lag: Number
    first: Number
    last: Number
    most: Number


def expectation(
    key: Array,
    posterior: Posterior,
    function: Function,
    x_test: object | None = None,
    *,
    num_pairs: int = 200,
    first_step: int | None = None,
    last_step: int | None = None,
    progress: bool = False,
    **options: Any,
) -> UnbiasedMean:
    """E h(f) under the exact posterior, without bias, however short the chains.

    function: h, of the latent values f [point, output] at x_test, or without it at the training
    inputs; any array, by JAX. Each pair gives the mean of h over X's steps first_step (k) to
    last_step (m) and a sum of differences of X and Y until they meet that takes its bias away
    (Jacob, O'Leary and Atchadé 2020; lag L: Biswas, Jacob and Vanetti 2019, appendix). By default
    k is when the pilot's pairs had met, and m such that means are over four times as many.
    standard_error: from the replicates' variance, which is finite if meeting times have geometric
    tails. options: kernel, lag, max_steps, space, collapse, precision as in `sample`.

    Raises what `sample` raises, and NotMet where a pair has not met in max_steps.
    """
    require_posterior(posterior)
    num_pairs = positive_integer("num_pairs", num_pairs)
    if num_pairs < 2:
        raise ValueError("expected num_pairs to be 2 or more, for a standard error; got 1")
    points = None if x_test is None else posterior.checked_test_points(x_test)
    setting = set_up(key, posterior, **options)
    found = setting.tuned
    most_needed = int(np.max(found.meetings))
    begin = most_needed if first_step is None else _step("first_step", first_step)
    end = begin + _TIMES * most_needed if last_step is None else _step("last_step", last_step)
    if end < begin:
        raise ValueError(f"expected last_step to be {begin} or more, got {end}")
    plan = Averaged(found.lag, begin, end, max(setting.max_steps, found.lag + 1))
    pairs = Pairs(setting.programs, found.kernel, jax.random.fold_in(key, _PAIRS), found.lag)
    program = _estimator(setting.space, function, points)
    replicates, meetings = [], []
    with Progress(num_pairs, enabled=progress, label="pairs", unit="pair") as bar:
        for one, meeting, alive in pairs.each(program, ((i, plan) for i in range(num_pairs))):
            require_start(alive)
            if meeting < 0:
                raise NotMet(f"a pair did not meet in {setting.max_steps:,} steps: raise max_steps")
            replicates.append(one)
            meetings.append(int(meeting))
            bar.show(len(replicates))
    values = np.stack(replicates)
    error = np.std(values, axis=0, ddof=1) / math.sqrt(num_pairs)
    mean = np.mean(values, axis=0)
    return UnbiasedMean(mean, error, values, begin, end, found.lag, np.array(meetings))


def _step(name: str, value: object) -> int:
    return 0 if value == 0 else positive_integer(name, value)


def _estimator(space: Space, function: Function, points: Float[np.ndarray, "m *f"] | None) -> Any:
    """A program that gives the replicate of a pair, when it met, and whether it had a start."""
    posterior = space.posterior
    way = AS_FUNCTION if points is None else jointly(posterior.network, posterior.x, points)
    inputs = None if points is None else jnp.asarray(points)

    def h(target: Normals, key: Array, position: Arrays) -> Array:
        outputs = space.outputs(Origin(key, target.given(position)), inputs, way)
        count = posterior.num_points
        return jnp.asarray(function(outputs[:count] if points is None else outputs[count:]))

    @jax.jit
    def estimate(
        kernel: Paired, target: Normals, key: Array, plan: Averaged
    ) -> tuple[Float[Array, "..."], Array, Array]:
        at, alive = begun(kernel, target, key)

        def both(at: At) -> Array:
            one = jax.random.fold_in(step_key(key, at.step), _COMPLETED)
            values = jax.lax.map(lambda position: h(target, one, position), at.pair.position)
            mean, difference = _shares(plan, at)
            return mean * values[0] + difference * (values[0] - values[1])

        def more(carry: tuple[At, Array]) -> Array:
            at, _ = carry
            return (at.step < plan.last) | (~at.met & (at.step < plan.most))

        def step(carry: tuple[At, Array]) -> tuple[At, Array]:
            at, total = carry
            at = further(kernel, target, key, plan.lag, at)
            return at, total + counted(at, total)

        def counted(at: At, like: Array) -> Array:
            return jax.lax.cond(at.step >= plan.first, both, lambda _: jnp.zeros_like(like), at)

        shape = jax.eval_shape(both, at)
        nothing = jnp.zeros(shape.shape, shape.dtype)
        end, total = jax.lax.while_loop(more, step, (at, counted(at, nothing)))
        return total, end.meeting, alive

    return estimate


def _shares(plan: Averaged, at: At) -> tuple[Array, Array]:
    """What h(X_t), and h(X_t) − h(Y_{t−L}), are multiplied by in a replicate."""
    step, length = at.step, plan.last - plan.first + 1
    mean = jnp.where((step >= plan.first) & (step <= plan.last), 1 / length, 0.0)
    late = -(jnp.minimum(-plan.lag, plan.last - step) // plan.lag)
    times = (step - plan.first) // plan.lag - late + 1
    apart = (step >= plan.first + plan.lag) & ~at.met
    return mean, jnp.where(apart, times / length, 0.0)
