"""Posteriors whose function values have heavy tails, atoms or very different sizes.

One training point, where strict rejection takes microseconds a draw; f at two test inputs and at
the training input.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import distributions

import bnnpost

INPUT, TARGET, NOISE_STD = (0.5, -1.0), 0.4, 0.5
X_TEST = np.array([[2.0, 1.0], [-1.0, 2.0]])
_NORMAL, _CAUCHY = distributions.Normal(0.0, 1.0), distributions.StudentT(1.0)
_SIZES = (1e-3, 1.0, 30.0)

# The posterior; with another noise_std, or a readout whose prior is so many times as wide.
Make = Callable[..., bnnpost.Posterior]


def _posterior(network: bnnpost.Serial, noise_std: float, target: object = TARGET):
    likelihood = bnnpost.likelihoods.Gaussian(noise_std)
    targets = np.reshape(np.asarray(target, float), (1, -1))
    return bnnpost.Posterior(network, likelihood, np.array([INPUT]), targets)


def _mlp(*, half_cauchy: str = "", target: object = TARGET, **options: object) -> Make:
    """Eight ReLU units, unless the options say otherwise. half_cauchy: stds of that law."""

    def make(noise_std: float = NOISE_STD, factor: float = 1.0) -> bnnpost.Posterior:
        readout, hidden = 1.5 * factor, 1.5
        if "readout" in half_cauchy:
            readout = distributions.HalfCauchy(factor)
        if "hidden" in half_cauchy:
            hidden = distributions.HalfCauchy(1.0)
        given = {"width": 8, "depth": 1, "activation": "relu", "b_std": 0.3, **options}
        network = bnnpost.mlp(w_std=hidden, readout_w_std=readout, **given)
        return _posterior(network, noise_std, target)

    return make


def _few_values(noise_std: float = NOISE_STD, factor: float = 1.0) -> bnnpost.Posterior:
    """f takes 32 values only: five sign units with readout weights 1, 2, 4, 8 and 16."""
    hidden = bnnpost.Dense(5, w_std=1.5, b_std=0.3)
    weights = bnnpost.Fixed(2.0 ** np.arange(5)[:, None])
    readout = bnnpost.Dense(1, w_std=0.1 * factor, b_std=0.0, prior=weights)
    network = bnnpost.Serial([hidden, bnnpost.Activation("sign"), readout])
    return _posterior(network, noise_std)


class _OfSizes(bnnpost.WeightPrior):
    """Cauchy weights [unit, output], those of each output times a size of its own."""

    def sample(self, key, shape, dtype):
        return jax.random.cauchy(key, shape, dtype) * jnp.asarray(_SIZES, dtype)

    def log_prob(self, values):
        sizes = jnp.asarray(_SIZES, values.dtype)
        return jnp.sum(jax.scipy.stats.cauchy.logpdf(values / sizes) - jnp.log(sizes))


LIGHT: Mapping[str, Make] = {
    "normal weights": _mlp(),
    "normal weights, tanh": _mlp(activation="tanh"),
}
HEAVY: Mapping[str, Make] = {
    "Student-t(5) weights, width 16": _mlp(width=16, prior=distributions.StudentT(5.0)),
    "Student-t(3) readout": _mlp(readout_prior=distributions.StudentT(3.0)),
    "Student-t(2.2) hidden weights": _mlp(prior=distributions.StudentT(2.2), readout_prior=_NORMAL),
    "half-Cauchy readout std": _mlp(half_cauchy="readout"),
    "half-Cauchy hidden std": _mlp(half_cauchy="hidden"),
    "half-Cauchy stds of both": _mlp(half_cauchy="hidden and readout"),
    "Cauchy readout": _mlp(readout_prior=_CAUCHY),
    "Cauchy readout, tanh": _mlp(activation="tanh", readout_prior=_CAUCHY),
    "Cauchy hidden weights": _mlp(prior=_CAUCHY, readout_prior=_NORMAL),
    "Cauchy weights and biases": _mlp(prior=_CAUCHY, bias_prior=_CAUCHY),
    "Cauchy readout, outputs of sizes 0.001, 1, 30": _mlp(
        num_outputs=3, target=(0.0, 0.4, -0.4), readout_prior=_OfSizes()
    ),
}
ATOMS: Mapping[str, Make] = {
    "one ReLU, no bias": _mlp(width=1, b_std=0.0),
    "one ReLU, no readout bias": _mlp(width=1, readout_b_std=0.0),
    "one ReLU, no bias, Cauchy readout": _mlp(width=1, b_std=0.0, readout_prior=_CAUCHY),
    "three ReLU, no readout bias": _mlp(width=3, readout_b_std=0.0),
    "one sign unit, no readout bias": _mlp(width=1, activation="sign", readout_b_std=0.0),
    "five sign units, fixed readout": _few_values,
}

Sample = Callable[[jax.Array, int], Mapping[str, np.ndarray]]


def wrong(make: Make) -> Mapping[str, Sample]:
    """Samplers that are wrong for a posterior: function values by "f" and "f_train"."""

    def values(draws: bnnpost.Draws) -> Mapping[str, np.ndarray]:
        return {"f": draws.predict(X_TEST), "f_train": draws.training_outputs()}

    def exactly(posterior: bnnpost.Posterior) -> Sample:
        return lambda key, n: values(bnnpost.rejection.sample(key, posterior, num_samples=n))

    return {
        "noise variance halved": exactly(make(noise_std=NOISE_STD / 2**0.5)),
        "readout prior std 10 % off": exactly(make(factor=1.1)),
        "prior draws": lambda key, n: values(bnnpost.prior.sample(key, make(), num_samples=n)),
    }
