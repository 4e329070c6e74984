"""Transitions on a flat posterior, right ones and wrong ones, for `invariance.py` and the tests.

Each is made of the log density of a vector and returns step(key, vector).
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

import bnnpost
from bnnpost.likelihoods import Gaussian

Step = Callable[[Array, Array], Array]
Log = Callable[[Array], Array]

NOISE = 0.5


def posterior(noise_std: float = NOISE) -> bnnpost.Posterior:
    """Five patients, two hidden layers of eight units: 177 parameters, all standard normal."""
    x, y, *_ = bnnpost.datasets.diabetes_problem(5, 1)
    return bnnpost.Posterior(bnnpost.mlp(width=8, depth=2), Gaussian(noise_std), x, y)


def log_density(noise_std: float = NOISE) -> Log:
    """Of a vector of parameters, as `Posterior.flat` has it."""
    return posterior(noise_std).flat(jax.random.key(0)).log_density


def _accepted(key: Array, log_ratio: Array, proposed: Array, vector: Array) -> Array:
    return jnp.where(jnp.log(jax.random.uniform(key)) < log_ratio, proposed, vector)


def langevin(log: Log, size: float = 0.25, *, accept: bool = True) -> Step:
    """The Metropolis-adjusted Langevin algorithm; without acceptance an Euler step."""

    def mean(vector: Array) -> Array:
        return vector + 0.5 * size**2 * jax.grad(log)(vector)

    def step(key: Array, vector: Array) -> Array:
        noise_key, accept_key = jax.random.split(key)
        proposed = mean(vector) + size * jax.random.normal(noise_key, vector.shape)
        if not accept:
            return proposed
        there = jnp.sum((proposed - mean(vector)) ** 2)
        back = jnp.sum((vector - mean(proposed)) ** 2)
        ratio = log(proposed) - log(vector) + (there - back) / (2 * size**2)
        return _accepted(accept_key, ratio, proposed, vector)

    return step


def adapting(log: Log, size: float = 6.0) -> Step:
    """Langevin steps whose size goes by the gradient where they start, as if it were fixed."""

    def step(key: Array, vector: Array) -> Array:
        own = jnp.minimum(0.5, size / jnp.linalg.norm(jax.grad(log)(vector)))
        noise_key, accept_key = jax.random.split(key)
        mean = vector + 0.5 * own**2 * jax.grad(log)(vector)
        proposed = mean + own * jax.random.normal(noise_key, vector.shape)
        other = proposed + 0.5 * own**2 * jax.grad(log)(proposed)
        squares = jnp.sum((proposed - mean) ** 2) - jnp.sum((vector - other) ** 2)
        ratio = log(proposed) - log(vector) + squares / (2 * own**2)
        return _accepted(accept_key, ratio, proposed, vector)

    return step


def scaling(log: Log, size: float = 0.05, *, jacobian: bool = True) -> Step:
    """All parameters multiplied by one log-normal number."""

    def step(key: Array, vector: Array) -> Array:
        scale_key, accept_key = jax.random.split(key)
        log_scale = size * jax.random.normal(scale_key)
        proposed = jnp.exp(log_scale) * vector
        ratio = log(proposed) - log(vector) + (len(vector) * log_scale if jacobian else 0.0)
        return _accepted(accept_key, ratio, proposed, vector)

    return step


def hamiltonian(log: Log, size: float = 0.15, length: int = 8, *, refreshed: bool = True) -> Step:
    """HMC; not refreshed, its momentum only has its length set to what it should be on average."""

    def step(key: Array, vector: Array) -> Array:
        momentum_key, accept_key = jax.random.split(key)
        momentum = jax.random.normal(momentum_key, vector.shape)
        if not refreshed:
            momentum *= math.sqrt(len(vector)) / jnp.linalg.norm(momentum)

        def leap(_: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
            place, speed = state
            speed = speed + 0.5 * size * jax.grad(log)(place)
            place = place + size * speed
            return place, speed + 0.5 * size * jax.grad(log)(place)

        proposed, speed = jax.lax.fori_loop(0, length, leap, (vector, momentum))
        kinetic = 0.5 * (jnp.sum(momentum**2) - jnp.sum(speed**2))
        return _accepted(accept_key, log(proposed) - log(vector) + kinetic, proposed, vector)

    return step


def minibatch(of: bnnpost.Posterior, size: float = 0.15, batch: int = 2) -> Step:
    """Langevin steps without acceptance by the gradient of some of the data, scaled up."""
    unravel = of.flat(jax.random.key(0)).unravel
    x, targets = jnp.asarray(of.x, jnp.float32), jnp.asarray(of.targets, jnp.float32)

    def step(key: Array, vector: Array) -> Array:
        batch_key, noise_key = jax.random.split(key)
        rows = jax.random.choice(batch_key, of.num_points, (batch,), replace=False)

        def log(vector: Array) -> Array:
            parameters = unravel(vector)
            outputs = of.network.apply(parameters, x[rows])
            scale = of.num_points / batch
            return of.log_prior(parameters) + scale * of.likelihood.log_prob(outputs, targets[rows])

        noise = jax.random.normal(noise_key, vector.shape)
        return vector + 0.5 * size**2 * jax.grad(log)(vector) + size * noise

    return step


def halves(log: Log, size: float = 0.3) -> Step:
    """Random walks of the first half of the parameters, then of the others: not reversible."""

    def walk(key: Array, vector: Array, mask: Array) -> Array:
        noise_key, accept_key = jax.random.split(key)
        proposed = vector + size * mask * jax.random.normal(noise_key, vector.shape)
        return _accepted(accept_key, log(proposed) - log(vector), proposed, vector)

    def step(key: Array, vector: Array) -> Array:
        first_key, last_key = jax.random.split(key)
        mask = jnp.arange(len(vector)) < len(vector) // 2
        return walk(last_key, walk(first_key, vector, mask), ~mask)

    return step


RIGHT: dict[str, Callable[[], Step]] = {
    "Langevin": lambda: langevin(log_density()),
    "HMC": lambda: hamiltonian(log_density()),
    "scaling": lambda: scaling(log_density()),
    "halves in turn": lambda: halves(log_density(), 0.2),
}
WRONG: dict[str, Callable[[], Step]] = {
    "acceptance left out": lambda: langevin(log_density(), accept=False),
    "Jacobian forgotten": lambda: scaling(log_density(), jacobian=False),
    "momentum not refreshed": lambda: hamiltonian(log_density(), refreshed=False),
    "minibatch gradient": lambda: minibatch(posterior()),
    "step size adapting": lambda: adapting(log_density()),
    "half the noise variance": lambda: langevin(log_density(NOISE / math.sqrt(2))),
}
