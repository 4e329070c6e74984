"""Approximations of the posterior that people use for it, for `scoreboard.py`.

Each is called with (key, posterior, x_test) and settings, and returns what `bnnpost.verify` takes:
vectors of `posterior.flat`, [draw, parameter], or function values by "f" and "f_train".
"""

import warnings
from collections.abc import Callable

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import optax
from _scoreboard_chains import NotApplicable, require_standard_normal, starts
from blackjax.vi import pathfinder as one_pathfinder
from jax.flatten_util import ravel_pytree
from jaxtyping import Array
from numpyro.infer import autoguide

import bnnpost
from bnnpost import likelihoods

Loss = Callable[[Array, Array, Array], Array]


def descended(loss: Loss, first: Array, rate: float, steps: int) -> Array:
    """Adam on loss(vector, start, number of the step) from each start [member, parameter]."""
    adam = optax.adam(rate)

    def one(start: Array) -> Array:
        def step(state: tuple[Array, optax.OptState], number: Array) -> tuple:
            vector, moments = state
            change, moments = adam.update(jax.grad(loss)(vector, start, number), moments)
            return (optax.apply_updates(vector, change), moments), None

        begin = (start, adam.init(start))
        return jax.lax.scan(step, begin, jnp.arange(steps))[0][0]

    return jax.jit(jax.vmap(one))(first)


def guide(
    key: Array,
    posterior: bnnpost.Posterior,
    x_test: np.ndarray,
    *,
    kind: str,
    steps: int,
    rate: float,
    particles: int,
    draws: int,
) -> np.ndarray:
    """A Gaussian over all parameters, fitted by numpyro."""
    flat = posterior.flat(key)
    size = len(flat.start)

    def model() -> None:
        # A flat prior in the place of the real one, which the density has in it.
        anywhere = numpyro.distributions.ImproperUniform(
            numpyro.distributions.constraints.real_vector, (), (size,)
        )
        numpyro.factor("log density", flat.log_density(numpyro.sample("v", anywhere)))

    begin = numpyro.infer.init_to_value(values={"v": flat.start})
    made = getattr(autoguide, kind)(model, init_loc_fn=begin)
    elbo = numpyro.infer.Trace_ELBO(particles)
    svi = numpyro.infer.SVI(model, made, numpyro.optim.Adam(rate), elbo)
    fit_key, draw_key = jax.random.split(key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        params = svi.run(fit_key, steps, progress_bar=False).params
        return np.asarray(made.sample_posterior(draw_key, params, sample_shape=(draws,))["v"])


def pathfinder(
    key: Array, posterior: bnnpost.Posterior, x_test: np.ndarray, *, paths: int, draws: int
) -> np.ndarray:
    """Equal numbers of draws from so many paths, without weights."""
    log_density = posterior.flat(key).log_density
    start_key, path_key = jax.random.split(key)

    def one(each: tuple[Array, Array]) -> Array:
        key, start = each
        fit_key, draw_key = jax.random.split(key)
        state, _ = one_pathfinder.approximate(fit_key, log_density, start)
        return one_pathfinder.sample(draw_key, state, draws // paths)[0]

    first = starts(start_key, posterior, paths)
    found = jax.jit(lambda keys: jax.lax.map(one, (keys, first)))(jax.random.split(path_key, paths))
    return np.asarray(found).reshape(-1, first.shape[1])


def svgd(
    key: Array,
    posterior: bnnpost.Posterior,
    x_test: np.ndarray,
    *,
    particles: int,
    steps: int,
    rate: float,
) -> np.ndarray:
    flat = posterior.flat(key)
    sampler = blackjax.svgd(jax.grad(flat.log_density), optax.adam(rate))
    first = starts(key, posterior, particles)

    def step(state, _):
        return sampler.step(state), None

    state = jax.jit(lambda s: jax.lax.scan(step, s, None, length=steps)[0])(sampler.init(first))
    return np.asarray(state.particles)


def ensemble(
    key: Array,
    posterior: bnnpost.Posterior,
    x_test: np.ndarray,
    *,
    pull: str,
    decay: float,
    members: int,
    steps: int,
    rate: float,
) -> np.ndarray:
    """Networks from prior draws, trained; pull: to nothing, to the prior's mode, to the start.

    decay: of the pull, over what the prior says.
    """
    if pull == "start":
        require_standard_normal(posterior)
    flat = posterior.flat(key)

    def log_likelihood(vector: Array) -> Array:
        return posterior.log_likelihood(flat.unravel(vector))

    def log_prior(vector: Array) -> Array:
        return flat.log_density(vector) - log_likelihood(vector)

    losses: dict[str, Loss] = {
        "nothing": lambda v, start, _: -log_likelihood(v),
        "prior": lambda v, start, _: -log_likelihood(v) - decay * log_prior(v),
        "start": lambda v, start, _: -log_likelihood(v) + 0.5 * decay * jnp.sum((v - start) ** 2),
    }
    return np.asarray(descended(losses[pull], starts(key, posterior, members), rate, steps))


def dropout(
    key: Array,
    posterior: bnnpost.Posterior,
    x_test: np.ndarray,
    *,
    probability: float,
    decay: float,
    steps: int,
    rate: float,
    draws: int,
) -> np.ndarray:
    """One network trained with units of hidden layers left out at random, and drawn with them so.

    The loss is −log likelihood + decay (1 − p) ‖w‖²/2, where the paper has a decay of 1.
    """
    require_standard_normal(posterior)
    flat = posterior.flat(key)
    train_key, draw_key = jax.random.split(key)

    def masked(vector: Array, key: Array) -> list:
        """Parameters whose weights from a hidden unit left out are 0, the others larger."""
        leaves, tree = jax.tree.flatten(flat.unravel(vector))
        matrices = [number for number, leaf in enumerate(leaves) if leaf.ndim == 2]
        for number in matrices[1:]:
            shape = (leaves[number].shape[0], 1)
            mask = jax.random.bernoulli(jax.random.fold_in(key, number), 1 - probability, shape)
            leaves[number] = leaves[number] * mask / (1 - probability)
        return jax.tree.unflatten(tree, leaves)

    weight = 0.5 * decay * (1 - probability)

    def loss(vector: Array, start: Array, number: Array) -> Array:
        parameters = masked(vector, jax.random.fold_in(train_key, number))
        return weight * jnp.sum(vector**2) - posterior.log_likelihood(parameters)

    trained = descended(loss, flat.start[None], rate, steps)[0]
    keys = jax.random.split(draw_key, draws)
    return jax.jit(jax.vmap(lambda one: masked(trained, one)))(keys)


def laplace(
    key: Array,
    posterior: bnnpost.Posterior,
    x_test: np.ndarray,
    *,
    layers: str,
    steps: int,
    rate: float,
    draws: int,
) -> dict[str, np.ndarray]:
    """Linearised about the mode: f is normal with the generalised Gauss-Newton covariance.

    layers: "all" or "last". Function values of the linear model (Immer et al. 2021), exact in the
    dual space of the data: with prior covariance I the covariance of f at all inputs is
    K − K_t Λ^½ (I + Λ^½ K_tt Λ^½)⁻¹ Λ^½ K_tᵀ, K = J Jᵀ, Λ = −∂² log p(y | f) / ∂f².
    """
    require_standard_normal(posterior)
    if not isinstance(
        posterior.likelihood,
        likelihoods.Gaussian | likelihoods.Bernoulli | likelihoods.Categorical,
    ):
        raise NotApplicable("needs a likelihood that is log-concave in f")
    flat = posterior.flat(key)
    mode = descended(lambda v, start, _: -flat.log_density(v), flat.start[None], rate, steps)[0]
    inputs = jnp.concatenate([jnp.asarray(posterior.x), jnp.asarray(x_test)])

    def outputs(vector: Array) -> Array:
        return posterior.network.apply(flat.unravel(vector), inputs)

    centre = outputs(mode)
    slopes = jax.jacrev(lambda v: outputs(v).ravel())(mode)
    if layers == "last":
        slopes = slopes * _of_last_layer(flat.unravel(mode))
    known = posterior.num_points * posterior.num_outputs
    targets = jnp.asarray(posterior.targets)

    def log_likelihood(values: Array) -> Array:
        return posterior.likelihood.log_prob(values.reshape(-1, posterior.num_outputs), targets)

    curvature = -np.asarray(jax.hessian(log_likelihood)(centre.ravel()[:known]), np.float64)
    values, vectors = np.linalg.eigh(curvature)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    slopes = np.asarray(slopes, np.float64)
    kernel = slopes @ slopes.T
    cross = kernel[:, :known] @ root
    inner = np.eye(known) + root.T @ kernel[:known, :known] @ root
    covariance = kernel - cross @ np.linalg.solve(inner, cross.T)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    made = rng.multivariate_normal(
        np.asarray(centre, np.float64).ravel(), covariance, draws, method="eigh"
    )
    made = made.reshape(draws, len(inputs), posterior.num_outputs)
    return {"f_train": made[:, : posterior.num_points], "f": made[:, posterior.num_points :]}


def _of_last_layer(parameters: list) -> Array:
    """1 at the parameters of the last layer, 0 elsewhere."""
    marked = [jax.tree.map(jnp.zeros_like, layer) for layer in parameters]
    marked[-1] = jax.tree.map(jnp.ones_like, parameters[-1])
    return ravel_pytree(marked)[0]


def infinite_width(
    key: Array, posterior: bnnpost.Posterior, x_test: np.ndarray, *, draws: int
) -> dict[str, np.ndarray]:
    """The Gaussian process of infinitely wide layers in the place of the network."""
    try:
        limit = bnnpost.limit(posterior, key=key)
    except (TypeError, ValueError) as error:
        raise NotApplicable("has no Gaussian limit") from error
    inputs = np.concatenate([posterior.x, x_test])
    values = np.asarray(limit.sample(key, inputs, draws)).reshape(draws, len(inputs), -1)
    return {"f_train": values[:, : posterior.num_points], "f": values[:, posterior.num_points :]}
