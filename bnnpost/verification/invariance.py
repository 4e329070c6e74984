"""The exact test of a transition: started from exact draws, it must give exact draws again."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import number_between, positive_integer
from bnnpost.draws import Draws
from bnnpost.networks.layers import Parameters
from bnnpost.networks.linear import linear_layers
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import require_key
from bnnpost.posterior import Posterior
from bnnpost.verification import permutation, sign_flips
from bnnpost.verification.invariance_report import Invariance, Movement, checks_of
from bnnpost.verification.markov_kernels import Transition, moved, transition_of
from bnnpost.verification.references import independent_draws, require_fit
from bnnpost.verification.sets import TEST, TRAIN, columns_of, kept_draws

# Fewer could hardly fail.
_FEWEST = 50
_AT_ONCE = 256

Values = Float[np.ndarray, "draw column"]


def invariance(
    key: Array,
    step: Any,
    posterior: Posterior | Draws,
    *,
    num_steps: int = 1,
    num_draws: int = 2000,
    x_test: object | None = None,
    level: float = 0.01,
    flat: bool = False,
    paired: bool = True,
) -> Invariance:
    """Whether a Markov kernel leaves the posterior invariant, from one step of each exact draw.

    If it does, what comes out of an exact draw is an exact draw: there is no warmup, no
    autocorrelation, and nothing to estimate. step(key, parameters) returns parameters, both as
    `network.init` gives them; or a BlackJAX algorithm (init and step), or a numpyro kernel that
    adapts nothing (with a potential_fn of parameters, or on `hmc.model`). flat: it moves vectors of
    `Posterior.flat`. What JAX cannot trace is run on one draw after the other. posterior: of which
    num_draws are drawn by rejection, or independent `Draws`, of which num_draws are used.
    num_steps: from each draw. x_test [point, feature]: test inputs besides.

    Compared are function values at the training and test inputs, the log likelihood, the log prior
    and the mean square of each layer's parameters: their locations, spreads, distributions, tails,
    pairs, projections and joint law, as in `verify`, corrected for one another (Westfall and Young
    1993). paired: by flips of the sign of what a draw changed by, which is much sharper where steps
    are small. That is exact for reversible kernels (Metropolis–Hastings, HMC, NUTS, slices, and
    several steps of one of these), and for others right to the accuracy of a central limit theorem
    over the draws. paired=False compares half of the draws, moved, with the other half: exact for
    every kernel. A kernel that leaves the posterior invariant fails with probability `level`.

    It says nothing of how well a kernel mixes: one that does nothing passes. The report says how
    far draws moved. Raises ValueError for bad arguments, a posterior without exact draws in reach,
    draws that are not independent, a step that returns other shapes or NaN, a kernel that adapts;
    TypeError for no step, or a legacy key.
    """
    draw_key, keep_key, step_key, test_key = jax.random.split(require_key(key), 4)
    num_steps = positive_integer("num_steps", num_steps)
    num_draws = positive_integer("num_draws", num_draws)
    level = number_between("level", level, 0.0, 1.0)
    if num_draws < _FEWEST:
        raise ValueError(f"expected num_draws of at least {_FEWEST}, got {num_draws}")
    of = posterior.posterior if isinstance(posterior, Draws) else posterior
    points = None if x_test is None else of.checked_test_points(x_test)
    transition = transition_of(step, of, flat)
    draws = _draws(draw_key, keep_key, posterior, num_draws)
    columns = _columns(of, points)
    before, after, changed = _both(step_key, transition, draws, points, num_steps)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(test_key)))
    distance = 0.0 if draws.info.coupled is None else draws.info.coupled.tv_upper
    if paired:
        tests = sign_flips.paired_tests(before, after, columns, level, rng, distance)
    else:
        half = len(before) // 2
        tests = permutation.all_tests(
            after[:half], before[half:], columns, level, rng, distance=distance
        )
    return Invariance(
        level=level,
        checks=checks_of(tests, len(before), paired),
        columns=columns,
        num_draws=len(before),
        num_steps=num_steps,
        paired=paired,
        source=draws.info.kind,
        movement=Movement.of(before, after, changed, columns),
    )


def _draws(key: Array, keep_key: Array, given: Posterior | Draws, count: int) -> Draws:
    """So many independent, equally weighted ones. Raises ValueError where there are too few."""
    if isinstance(given, Draws):
        coupled = given.info.coupled
        require_fit(
            given.info.kind, given.info.pareto_k, None if coupled is None else coupled.tv_upper
        )
    draws = given if isinstance(given, Draws) else independent_draws(key, given, count)
    kept = np.flatnonzero(kept_draws(draws.log_weights, keep_key))[:count]
    if len(kept) < _FEWEST:
        raise ValueError(
            f"{len(draws):,} draws are worth {len(kept)} independent ones of equal weight: "
            f"expected at least {_FEWEST}"
        )
    return draws.some(kept)


def _columns(posterior: Posterior, points: np.ndarray | None) -> tuple[str, ...]:
    outputs = posterior.num_outputs
    shapes = {} if points is None else {TEST: (len(points), outputs)}
    names = list(columns_of({**shapes, TRAIN: (posterior.num_points, outputs)}))
    count = len(linear_layers(posterior.network, posterior.x.shape[1:]))
    layers = (f"mean square of layer {number}" for number in range(count))
    return (*names, "log likelihood", "log prior", *layers)


def _both(
    key: Array, transition: Transition, draws: Draws, points: np.ndarray | None, num_steps: int
) -> tuple[Values, Values, np.ndarray]:
    """What is compared of each draw before and after, and whether it changed at all."""
    parts = list(_blocks(key, transition, draws, points, num_steps))
    before, after, changed = (np.concatenate(part) for part in zip(*parts, strict=True))
    wrong = np.flatnonzero(~np.all(np.isfinite(after), axis=1))
    if len(wrong):
        raise ValueError(
            f"the step returned parameters with NaN or infinite values from {len(wrong):,} of "
            f"{len(after):,} draws, the first of number {wrong[0]}"
        )
    return before, after, changed


def _blocks(
    key: Array, transition: Transition, draws: Draws, points: np.ndarray | None, num_steps: int
) -> Iterator[tuple[Values, Values, np.ndarray]]:
    start, posterior = 0, draws.posterior
    for block in draws.parameter_blocks():
        # As the step is run: in single precision unless JAX's x64 flag says otherwise.
        given = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float)), block)
        count = len(jax.tree.leaves(given)[0])
        numbers = jnp.arange(start, start + count)
        after = moved(transition, key, numbers, given, num_steps)
        yield (
            _values(posterior, given, points),
            _values(posterior, after, points),
            _changed(given, after),
        )
        start += count


def _changed(before: Parameters, after: Parameters) -> np.ndarray:
    """Whether any parameter of a draw is another one."""
    found = [
        np.any(np.asarray(a != b).reshape(len(a), -1), axis=1)
        for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    ]
    return np.any(found, axis=0)


@in_double_precision
def _values(posterior: Posterior, stacked: Parameters, points: np.ndarray | None) -> Values:
    doubled = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), stacked)
    x_test = None if points is None else jnp.asarray(points)
    return np.asarray(_compared(posterior, doubled, x_test))


@jax.jit
def _compared(posterior: Posterior, stacked: Parameters, x_test: Array | None) -> Array:
    targets, x = jnp.asarray(posterior.targets), jnp.asarray(posterior.x)

    def one(parameters: Parameters) -> Array:
        outputs = posterior.network.apply(parameters, x)
        test = () if x_test is None else (posterior.network.apply(parameters, x_test).ravel(),)
        numbers = [posterior.likelihood.log_prob(outputs, targets), posterior.log_prior(parameters)]
        for layer in parameters:
            entries = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(layer)])
            numbers.append(jnp.mean(entries**2))
        return jnp.concatenate([*test, outputs.ravel(), jnp.stack(numbers)])

    return jax.lax.map(one, stacked, batch_size=_AT_ONCE)
