"""Samplers that are known to be wrong, as people have written them: for the verifier to find.

Each makes function values by "f" and "f_train", [draw, point, output], for a posterior.
"""

import functools
import warnings
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jax.flatten_util import ravel_pytree
from jaxtyping import Array
from numpyro.infer.autoguide import AutoLaplaceApproximation, AutoNormal

import bnnpost
from bnnpost.verification.references import Reference
from bnnpost.verification.sets import TEST, TRAIN

Values = Mapping[str, np.ndarray]
_AT_ONCE = 500


def of_draws(draws: bnnpost.Draws, x_test: np.ndarray) -> Values:
    return {TEST: draws.predict(x_test), TRAIN: draws.training_outputs()}


def exactly(
    posterior: bnnpost.Posterior, noise_std: float | None = None, readout_std: float | None = None
) -> bnnpost.Posterior:
    """The posterior with another noise or another prior of the readout."""
    likelihood, network = posterior.likelihood, posterior.network
    if noise_std is not None:
        likelihood = bnnpost.likelihoods.Gaussian(noise_std)
    if readout_std is not None:
        width = network.layers[0].width
        depth = sum(isinstance(layer, bnnpost.Dense) for layer in network.layers) - 1
        network = bnnpost.mlp(width=width, depth=depth, readout_w_std=readout_std)
    return bnnpost.Posterior(network, likelihood, posterior.x, posterior.targets)


def halved_noise(key, posterior, x_test, held, count) -> Values:
    """Noise variance halved; for Gaussian noise the same as data counted twice."""
    std = float(posterior.likelihood.noise_std) / 2**0.5
    wrong = exactly(posterior, noise_std=std)
    return of_draws(bnnpost.rejection.sample(key, wrong, num_samples=count), x_test)


def wider_readout(key, posterior, x_test, held, count) -> Values:
    """Prior std of the readout 10 % too large."""
    wrong = exactly(posterior, readout_std=1.1 * 1.5)
    return of_draws(bnnpost.rejection.sample(key, wrong, num_samples=count), x_test)


class Flat:
    """The posterior on one vector of standard normals, in weight space."""

    def __init__(self, posterior: bnnpost.Posterior, x_test: np.ndarray):
        self.posterior = posterior
        self.x = jnp.concatenate([jnp.asarray(posterior.x), jnp.asarray(x_test)])
        self.num_train = posterior.num_points
        start = posterior.network.init(jax.random.key(0), posterior.x.shape[1])
        flat, self.tree = ravel_pytree(start)
        self.size = len(flat)

    def outputs(self, flat: Array) -> Array:
        return self.posterior.network.apply(self.tree(flat), self.x)

    def log_density(self, flat: Array) -> Array:
        outputs = self.outputs(flat)[: self.num_train]
        targets = jnp.asarray(self.posterior.targets, outputs.dtype)
        return self.posterior.likelihood.log_prob(outputs, targets) - 0.5 * jnp.sum(flat**2)

    def run(self, one: Callable[[Array], Array], keys: Array, count: int) -> Values:
        """`one` of many keys (or other items) gives a vector each; the function values there."""
        many = jax.jit(jax.vmap(lambda k: self.outputs(one(k))))
        found = [np.asarray(many(keys[i : i + _AT_ONCE])) for i in range(0, count, _AT_ONCE)]
        values = np.concatenate(found).astype(np.float64)
        return {TRAIN: values[:, : self.num_train], TEST: values[:, self.num_train :]}


def short_chains(key, posterior, x_test, held, count) -> Values:
    """Chains stopped after 20 short HMC steps from a start three times as far out as the prior."""
    flat = Flat(posterior, x_test)
    gradient, step, length = jax.grad(flat.log_density), 0.01, 10

    def leap(carry, _):
        q, p = carry
        p = p + 0.5 * step * gradient(q)
        q = q + step * p
        return (q, p + 0.5 * step * gradient(q)), None

    def transition(q, key):
        momentum_key, accept_key = jax.random.split(key)
        p = jax.random.normal(momentum_key, q.shape)
        (new, end), _ = jax.lax.scan(leap, (q, p), None, length=length)
        gain = flat.log_density(new) - flat.log_density(q) + 0.5 * (jnp.sum(p**2) - jnp.sum(end**2))
        return jnp.where(jnp.log(jax.random.uniform(accept_key)) < gain, new, q), None

    def one(key):
        start_key, chain_key = jax.random.split(key)
        start = 3 * jax.random.normal(start_key, (flat.size,))
        return jax.lax.scan(transition, start, jax.random.split(chain_key, 20))[0]

    return flat.run(one, jax.random.split(key, count), count)


def ensemble(key, posterior, x_test, held, count) -> Values:
    """Deep ensemble: maxima of the posterior density found from prior draws."""
    flat = Flat(posterior, x_test)
    gradient = jax.grad(flat.log_density)

    def descend(carry, step):
        q, first, second = carry
        g = gradient(q)
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        t = step + 1.0
        rate = 0.02 * first / (1 - 0.9**t) / (jnp.sqrt(second / (1 - 0.999**t)) + 1e-8)
        return (q + rate, first, second), None

    def one(key):
        start = jax.random.normal(key, (flat.size,))
        carry = (start, jnp.zeros_like(start), jnp.zeros_like(start))
        return jax.lax.scan(descend, carry, jnp.arange(300.0))[0][0]

    return flat.run(one, jax.random.split(key, count), count)


def fitted(guide_kind, num_steps, key, posterior, x_test, held, count) -> Values:
    """Draws from a Gaussian over weights, fitted by numpyro."""
    flat = Flat(posterior, x_test)

    def model():
        vector = numpyro.sample("q", numpyro.distributions.Normal().expand([flat.size]).to_event(1))
        numpyro.factor("data", flat.log_density(vector) + 0.5 * jnp.sum(vector**2))

    guide = guide_kind(model)
    optimiser = numpyro.optim.Adam(0.01)
    svi = numpyro.infer.SVI(model, guide, optimiser, numpyro.infer.Trace_ELBO(8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit_key, draw_key = jax.random.split(key)
        params = svi.run(fit_key, num_steps, progress_bar=False).params
        vectors = guide.sample_posterior(draw_key, params, sample_shape=(count,))["q"]
    return flat.run(lambda vector: vector, vectors, count)


def independent_points(key, posterior, x_test, held, count) -> Values:
    """Right at each point, correlations between points removed."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    fresh = of_draws(bnnpost.rejection.sample(key, posterior, num_samples=count), x_test)
    return {
        name: np.stack([rng.permutation(v[:, i]) for i in range(v.shape[1])], axis=1)
        for name, v in fresh.items()
    }


def cut_tails(key, posterior, x_test, held: Reference, count) -> Values:
    """No draw further than 2.5 posterior stds out at any point."""
    fresh = of_draws(
        bnnpost.rejection.sample(key, posterior, num_samples=int(1.15 * count)), x_test
    )
    inside = np.ones(len(fresh[TEST]), bool)
    for name, values in fresh.items():
        exact = held.values[name]
        z = np.abs(values - exact.mean(axis=0)) / exact.std(axis=0)
        inside &= np.all(z <= 2.5, axis=(1, 2))
    return {name: values[inside][:count] for name, values in fresh.items()}


WRONG = {
    "exact draws (right)": lambda key, posterior, x_test, held, count: of_draws(
        bnnpost.rejection.sample(key, posterior, num_samples=count), x_test
    ),
    "noise variance halved (data twice)": halved_noise,
    "readout prior std 10 % off": wider_readout,
    "20 short HMC steps, far start": short_chains,
    "mean-field Gaussian": functools.partial(fitted, AutoNormal, 3000),
    "Laplace approximation": functools.partial(fitted, AutoLaplaceApproximation, 3000),
    "deep ensemble": ensemble,
    "correlations removed": independent_points,
    "tails cut at 2.5 std": cut_tails,
}
