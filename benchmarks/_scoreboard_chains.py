"""Markov chains of other packages and of bnnpost, for `scoreboard.py`.

Each is called with (key, posterior, x_test) and settings, and returns what `bnnpost.verify` takes:
here positions of `posterior.flat`, [chain, draw, parameter], or bnnpost's own draws.
"""

import warnings
from collections.abc import Callable
from typing import Any

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.infer
from blackjax.mcmc import adjusted_mclmc_dynamic
from blackjax.sgmcmc.gradients import grad_estimator
from jaxtyping import Array

import bnnpost

NUM_CHAINS = 4
Positions = np.ndarray
Move = Callable[[Array, Any], tuple[Any, Array]]


class NotApplicable(Exception):
    """What a sampler needs and the posterior does not have."""


def starts(key: Array, posterior: bnnpost.Posterior, count: int = NUM_CHAINS) -> Array:
    """Prior draws, one a chain."""
    return jnp.stack([posterior.flat(one).start for one in jax.random.split(key, count)])


def require_standard_normal(posterior: bnnpost.Posterior) -> None:
    """Raises NotApplicable if some parameter's prior is not a standard normal."""
    flat = posterior.flat(jax.random.key(0))

    def log_prior(vector: Array) -> Array:
        return flat.log_density(vector) - posterior.log_likelihood(flat.unravel(vector))

    if not np.allclose(jax.grad(log_prior)(flat.start), -flat.start, rtol=1e-3, atol=1e-3):
        raise NotApplicable("needs normal priors of all weights")


def in_turn(one: Callable[[Array, Array], Array], key: Array, first: Array) -> Positions:
    """`one` of a key and a start makes a chain's draws; chains one after another, compiled once."""
    start_key, chain_key = jax.random.split(key)
    del start_key
    keys = jax.random.split(chain_key, len(first))
    return np.asarray(
        jax.jit(lambda k, s: jax.lax.map(lambda each: one(*each), (k, s)))(keys, first)
    )


def kept(move: Move, key: Array, state: Any, draws: int, thinning: int) -> Array:
    """So many states of a chain, each after `thinning` moves."""

    def one(state: Any, key: Array) -> tuple[Any, None]:
        return move(key, state)[0], None

    def several(state: Any, key: Array) -> tuple[Any, Array]:
        state, _ = jax.lax.scan(one, state, jax.random.split(key, thinning))
        return state, state.position

    return jax.lax.scan(several, state, jax.random.split(key, draws))[1]


def numpyro_chain(
    key: Array,
    posterior: bnnpost.Posterior,
    x_test: np.ndarray,
    *,
    kernel: str,
    warmup: int,
    draws: int,
    **options: float,
) -> Positions:
    start_key, run_key = jax.random.split(key)
    log_density = posterior.flat(key).log_density
    made = getattr(numpyro.infer, kernel)(potential_fn=lambda v: -log_density(v), **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # chains run one after another on one device
        mcmc = numpyro.infer.MCMC(
            made,
            num_warmup=warmup,
            num_samples=draws,
            num_chains=NUM_CHAINS,
            chain_method="sequential",
            progress_bar=False,
        )
    mcmc.run(run_key, init_params=starts(start_key, posterior))
    return np.asarray(mcmc.get_samples(group_by_chain=True))


def blackjax_nuts(
    key: Array,
    posterior: bnnpost.Posterior,
    x_test: np.ndarray,
    *,
    warmup: int,
    draws: int,
    target: float,
) -> Positions:
    log_density = posterior.flat(key).log_density

    def one(key: Array, start: Array) -> Array:
        warmup_key, run_key = jax.random.split(key)
        adaptation = blackjax.window_adaptation(
            blackjax.nuts, log_density, target_acceptance_rate=target
        )
        (state, found), _ = adaptation.run(warmup_key, start, warmup)
        return kept(blackjax.nuts(log_density, **found).step, run_key, state, draws, 1)

    return in_turn(one, key, starts(key, posterior))


def mclmc(
    key: Array,
    posterior: bnnpost.Posterior,
    x_test: np.ndarray,
    *,
    tuning: int,
    draws: int,
    thinning: int,
    energy_variance: float,
) -> Positions:
    log_density = posterior.flat(key).log_density

    def one(key: Array, start: Array) -> Array:
        start_key, tune_key, run_key = jax.random.split(key, 3)
        state = blackjax.mcmc.mclmc.init(start, log_density, start_key)
        state, found, _ = blackjax.mclmc_find_L_and_step_size(
            blackjax.mcmc.mclmc.build_kernel(),
            tuning,
            state,
            tune_key,
            logdensity_fn=log_density,
            desired_energy_var=energy_variance,
        )
        sampler = blackjax.mclmc(
            log_density,
            L=found.L,
            step_size=found.step_size,
            inverse_mass_matrix=found.inverse_mass_matrix,
        )
        return kept(sampler.step, run_key, state, draws, thinning)

    return in_turn(one, key, starts(key, posterior))


def adjusted_mclmc(
    key: Array,
    posterior: bnnpost.Posterior,
    x_test: np.ndarray,
    *,
    tuning: int,
    draws: int,
    thinning: int,
    target: float,
) -> Positions:
    log_density = posterior.flat(key).log_density

    def steps_of(average: Array) -> Callable[[Array], Array]:
        """A uniform number of steps with this average."""
        return lambda key: jnp.ceil(jax.random.uniform(key) * (2 * average - 1)).astype(int)

    def one(key: Array, start: Array) -> Array:
        start_key, tune_key, run_key = jax.random.split(key, 3)
        state = adjusted_mclmc_dynamic.init(start, log_density, start_key)

        def kernel(rng_key, state, logdensity_fn, step_size, inverse_mass_matrix,
                   integration_steps_params):  # fmt: skip
            return adjusted_mclmc_dynamic.build_kernel(
                integration_steps_fn=lambda k, average: steps_of(average)(k)
            )(
                rng_key,
                state,
                logdensity_fn,
                step_size,
                inverse_mass_matrix=inverse_mass_matrix,
                integration_steps_params=integration_steps_params,
            )

        state, found, _ = blackjax.adjusted_mclmc_find_L_and_step_size(
            kernel, log_density, tuning, state, tune_key, target
        )
        sampler = blackjax.adjusted_mclmc_dynamic(
            log_density,
            step_size=found.step_size,
            inverse_mass_matrix=found.inverse_mass_matrix,
            integration_steps_fn=steps_of(found.L / found.step_size),
        )
        return kept(sampler.step, run_key, state, draws, thinning)

    return in_turn(one, key, starts(key, posterior))


def elliptical_slice(
    key: Array,
    posterior: bnnpost.Posterior,
    x_test: np.ndarray,
    *,
    warmup: int,
    draws: int,
    thinning: int,
) -> Positions:
    require_standard_normal(posterior)
    unravel = posterior.flat(key).unravel
    first = starts(key, posterior)
    sampler = blackjax.elliptical_slice(
        lambda vector: posterior.log_likelihood(unravel(vector)),
        mean=jnp.zeros(first.shape[1]),
        cov=jnp.ones(first.shape[1]),
    )

    def one(key: Array, start: Array) -> Array:
        all_draws = kept(sampler.step, key, sampler.init(start), warmup + draws, thinning)
        return all_draws[warmup:]

    return in_turn(one, key, first)


def _minibatch_gradient(posterior: bnnpost.Posterior) -> Callable[[Array, Any], Array]:
    """BlackJAX's estimate of the gradient of the log density from some rows of the data."""
    flat = posterior.flat(jax.random.key(0))

    def log_prior(vector: Array) -> Array:
        return flat.log_density(vector) - posterior.log_likelihood(flat.unravel(vector))

    def log_likelihood(vector: Array, row: tuple[Array, Array]) -> Array:
        x, target = row
        outputs = posterior.network.apply(flat.unravel(vector), x[None])
        return posterior.likelihood.log_prob(outputs, target[None])

    return grad_estimator(log_prior, log_likelihood, posterior.num_points)


def stochastic_gradient(
    key: Array,
    posterior: bnnpost.Posterior,
    x_test: np.ndarray,
    *,
    kind: str,
    batch_share: float,
    steps: int,
    draws: int,
    first_step: float,
    last_step: float,
    **options: float,
) -> Positions:
    """Steps ε_t = a (b + t)^−0.55 from the first to the last; the first fifth is warmup.

    ε is the variance of the noise that a step of SGLD adds. batch_share: of the data in a
    minibatch, at least one row.
    """
    sampler = getattr(blackjax, kind)(_minibatch_gradient(posterior), **options)
    num_points = posterior.num_points
    batch = max(1, round(batch_share * num_points))
    x, targets = jnp.asarray(posterior.x, jnp.float32), jnp.asarray(posterior.targets)
    ratio = (first_step / last_step) ** (1 / 0.55)
    b = steps / (ratio - 1) if ratio > 1 else np.inf
    sizes = first_step * (1 + np.arange(steps) / b) ** -0.55
    sizes = jnp.asarray(sizes if kind == "sghmc" else sizes / 2, jnp.float32)
    warmup = steps // 5
    thinning = (steps - warmup) // draws
    used = warmup + draws * thinning

    def one(key: Array, start: Array) -> Array:
        def step(vector: Array, each: tuple[Array, Array]) -> tuple[Array, None]:
            key, size = each
            batch_key, step_key = jax.random.split(key)
            rows = jax.random.choice(batch_key, num_points, (batch,), replace=False)
            return sampler.step(step_key, vector, (x[rows], targets[rows]), size), None

        keys = jax.random.split(key, used)
        vector, _ = jax.lax.scan(step, start, (keys[:warmup], sizes[:warmup]))

        def several(vector: Array, each: tuple[Array, Array]) -> tuple[Array, Array]:
            vector, _ = jax.lax.scan(step, vector, each)
            return vector, vector

        parts = (
            keys[warmup:].reshape(draws, thinning),
            sizes[warmup:used].reshape(draws, thinning),
        )
        return jax.lax.scan(several, vector, parts)[1]

    return in_turn(one, key, starts(key, posterior))


def own_chain(
    key: Array, posterior: bnnpost.Posterior, x_test: np.ndarray, *, method: str, **options: int
) -> bnnpost.Draws:
    return getattr(bnnpost, method).sample(key, posterior, num_chains=NUM_CHAINS, **options)


def own_coupled(
    key: Array, posterior: bnnpost.Posterior, x_test: np.ndarray, *, draws: int, tolerance: float
) -> bnnpost.Draws:
    return bnnpost.coupled.sample(key, posterior, num_samples=draws, tolerance=tolerance)


def own_rejection(
    key: Array, posterior: bnnpost.Posterior, x_test: np.ndarray, *, draws: int
) -> bnnpost.Draws:
    return bnnpost.rejection.sample(key, posterior, num_samples=draws)
