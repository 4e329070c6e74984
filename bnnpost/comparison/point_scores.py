"""What predictions at test targets are worth, under any likelihood: log loss, and errors.

At each test input the predictive density is Σ_i w_i p(y* | f_i(x*)) / Σ_i w_i over draws f_i.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.draws import Draws
from bnnpost.likelihoods import Likelihood
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.weights import normalised


def scores_of_draws(
    draws: Draws, x_test: Float[np.ndarray, "m *f"], targets: Float[np.ndarray, "m t"]
) -> dict[str, Float[np.ndarray, " m"]]:
    """As `scores`, with each draw's own noise where that has one unknown size."""
    likelihood = draws.posterior.likelihood
    noise_std = draws.noise_std() if likelihood.shares_noise else None
    return scores(likelihood, draws.predict(x_test), draws.log_weights, targets, noise_std)


@in_double_precision
def scores(
    likelihood: Likelihood,
    f: Float[np.ndarray, "s m k"],
    log_weights: Float[np.ndarray, " s"],
    targets: Float[np.ndarray, "m t"],
    noise_std: Float[np.ndarray, " s"] | None = None,
) -> dict[str, Float[np.ndarray, " m"]]:
    """log_loss of each test target, in nats; accuracy of classes, squared_error of numbers.

    accuracy: whether the class of the largest mean probability is the target. squared_error: of
    the mean of f, summed over outputs. noise_std: of the Gaussian noise of each draw, which is then
    the whole of the likelihood.
    """
    weights = normalised(log_weights)
    if noise_std is None:
        logs = np.asarray(_log_densities(likelihood, jnp.asarray(f), jnp.asarray(targets)))
    else:
        squares = ((targets - f) / noise_std[:, None, None]) ** 2 + np.log(2 * np.pi)
        logs = -0.5 * squares.sum(axis=2) - f.shape[2] * np.log(noise_std)[:, None]
    with np.errstate(divide="ignore"):
        found = {"log_loss": -functools.reduce(np.logaddexp, logs + np.log(weights)[:, None])}
    if likelihood.defines("probabilities"):
        chances = np.tensordot(weights, np.asarray(likelihood.probabilities(jnp.asarray(f))), 1)
        found["accuracy"] = np.mean(_classes(chances, targets) == targets, axis=1)
    elif likelihood.target_kind == "numbers":
        found["squared_error"] = np.sum((np.tensordot(weights, f, 1) - targets) ** 2, axis=1)
    return found


def _classes(
    chances: Float[np.ndarray, "m k"], targets: Float[np.ndarray, "m t"]
) -> Float[np.ndarray, "m t"]:
    """The most probable class of each target: of one column over all outputs, else of each."""
    if chances.shape == targets.shape:
        return (chances > 0.5).astype(float)
    return chances.argmax(axis=1)[:, None].astype(float)


@jax.jit
def _log_densities(
    likelihood: Likelihood, f: Float[Array, "s m k"], targets: Float[Array, "m t"]
) -> Float[Array, "s m"]:
    def one(outputs: Float[Array, " k"], target: Float[Array, " t"]) -> Float[Array, ""]:
        return likelihood.log_prob(outputs[None], target[None])

    return jax.lax.map(lambda outputs: jax.vmap(one)(outputs, targets), f)
