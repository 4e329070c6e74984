"""Posteriors whose function values have heavy tails, atoms or very different sizes.

One training point, where strict rejection takes microseconds a draw; f at one or two test inputs
and at the training input.
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
_HALF_CAUCHY = distributions.HalfCauchy(1.0)

Make = Callable[[], bnnpost.Posterior]


def posterior(network: bnnpost.Serial, target: object = TARGET) -> bnnpost.Posterior:
    """Of one training point, with Gaussian noise."""
    likelihood = bnnpost.likelihoods.Gaussian(NOISE_STD)
    targets = np.reshape(np.asarray(target, float), (1, -1))
    return bnnpost.Posterior(network, likelihood, np.array([INPUT]), targets)


def _mlp_of(**options: object) -> bnnpost.Serial:
    given = {"width": 8, "depth": 1, "activation": "relu", "w_std": 1.5, "b_std": 0.3, **options}
    return bnnpost.mlp(**given)


def _mlp(**options: object) -> Make:
    return lambda: posterior(_mlp_of(**options))


def _few_values() -> bnnpost.Posterior:
    """f takes 32 values only: five sign units with readout weights 1, 2, 4, 8 and 16."""
    hidden = bnnpost.Dense(5, w_std=1.5, b_std=0.3)
    weights = bnnpost.Fixed(2.0 ** np.arange(5)[:, None])
    readout = bnnpost.Dense(1, w_std=0.1, b_std=0.0, prior=weights)
    return posterior(bnnpost.Serial([hidden, bnnpost.Activation("sign"), readout]))


class _OfSizes(bnnpost.WeightPrior):
    """Cauchy weights [unit, output], those of each output times a size of its own."""

    sizes: tuple[float, ...] = (1e-3, 1.0, 30.0)

    def sample(self, key, shape, dtype):
        return jax.random.cauchy(key, shape, dtype) * jnp.asarray(self.sizes, dtype)

    def log_prob(self, values):
        sizes = jnp.asarray(self.sizes, values.dtype)
        return jnp.sum(jax.scipy.stats.cauchy.logpdf(values / sizes) - jnp.log(sizes))


def _outputs_of_sizes() -> bnnpost.Posterior:
    network = _mlp_of(num_outputs=3, readout_prior=_OfSizes())
    return posterior(network, (0.0, 0.4, -0.4))


LIGHT: Mapping[str, Make] = {
    "normal weights": _mlp(),
    "normal weights, tanh": _mlp(activation="tanh"),
}
HEAVY: Mapping[str, Make] = {
    "Student-t(5) weights, width 16": _mlp(width=16, prior=distributions.StudentT(5.0)),
    "Student-t(3) readout": _mlp(readout_prior=distributions.StudentT(3.0)),
    "Student-t(2.2) hidden weights": _mlp(
        prior=distributions.StudentT(2.2), readout_prior=_NORMAL
    ),
    "half-Cauchy readout std": _mlp(readout_w_std=_HALF_CAUCHY),
    "half-Cauchy hidden std": _mlp(w_std=_HALF_CAUCHY, readout_w_std=1.5),
    "half-Cauchy stds of both": _mlp(w_std=_HALF_CAUCHY),
    "Cauchy readout": _mlp(readout_prior=_CAUCHY),
    "Cauchy readout, tanh": _mlp(activation="tanh", readout_prior=_CAUCHY),
    "Cauchy hidden weights": _mlp(prior=_CAUCHY, readout_prior=_NORMAL),
    "Cauchy weights and biases": _mlp(prior=_CAUCHY, bias_prior=_CAUCHY),
    "three outputs of sizes 0.001, 1 and 30, Cauchy readout": _outputs_of_sizes,
}
ATOMS: Mapping[str, Make] = {
    "one ReLU, no bias": _mlp(width=1, b_std=0.0),
    "one ReLU, no readout bias": _mlp(width=1, readout_b_std=0.0),
    "one ReLU, Cauchy readout, no bias": _mlp(width=1, b_std=0.0, readout_prior=_CAUCHY),
    "three ReLU, no readout bias": _mlp(width=3, readout_b_std=0.0),
    "one sign unit, no readout bias": _mlp(width=1, activation="sign", readout_b_std=0.0),
    "five sign units, fixed readout": _few_values,
}
