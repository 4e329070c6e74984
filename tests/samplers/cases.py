"""Small posteriors that the tests of samplers, spaces and draws share, so as to compile once."""

import functools
from dataclasses import dataclass

import jax
import numpy as np
import scipy.special

import bnnpost
from tests.samplers import oracles

# More acceptances than any run here has proposals: such a run ends at max_proposals.
ALL = 10**9

ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "erf": scipy.special.erf,
    "tanh": np.tanh,
}
X = np.array([[0.9, -0.4, 0.3, 0.5], [-0.2, 0.8, 0.6, -0.7], [0.5, 0.5, -1.0, 0.2]])
X_TEST = np.array([[0.4, 0.1, -0.3, 1.1], [-0.9, 0.3, 0.8, 0.2]])
Y = np.array([[0.9, -0.6, 0.4], [-0.3, 0.2, 0.8], [0.5, 1.1, -0.7]])


@dataclass(frozen=True)
class Case:
    """A multilayer perceptron on fixed data, described in plain numbers."""

    width: int = 8
    depth: int = 1
    activation: str = "erf"
    num_outputs: int = 1
    w_std: float = 1.5
    b_std: float = 0.2
    noise_std: float = 0.5

    @property
    def targets(self):
        """Targets [point, output]."""
        return Y[:, : self.num_outputs]

    def posterior(self):
        """The library's description of it."""
        network = bnnpost.mlp(
            width=self.width,
            depth=self.depth,
            activation=self.activation,
            w_std=self.w_std,
            b_std=self.b_std,
            num_outputs=self.num_outputs,
        )
        likelihood = bnnpost.likelihoods.Gaussian(noise_std=self.noise_std)
        return bnnpost.Posterior(network, likelihood, X, self.targets)

    def importance(self, seed, num):
        """The posterior at X and X_TEST in plain numpy."""
        layer = oracles.Layer(self.w_std, self.b_std)
        return oracles.importance(
            np.random.default_rng(seed),
            [layer] * self.depth,
            layer,
            self.width,
            ACTIVATIONS[self.activation],
            X,
            X_TEST,
            self.targets,
            self.noise_std**2,
            num,
        )


def key(seed):
    """A typed key."""
    return jax.random.key(seed)


def with_noise(posterior, factor):
    """The same posterior with the noise's standard deviation multiplied."""
    noise_std = float(posterior.likelihood.noise_std) * factor
    likelihood = bnnpost.likelihoods.Gaussian(noise_std=noise_std)
    return bnnpost.Posterior(posterior.network, likelihood, posterior.x, posterior.targets)


def run(posterior, num_proposals=2**16, seed=0, **options):
    """All that is accepted of a fixed number of proposals."""
    return bnnpost.rejection.sample(
        key(seed), posterior, num_samples=ALL, max_proposals=num_proposals, **options
    )


@functools.cache
def standard_draws():
    """Draws of the standard case, for tests of what draws can do; one compiled batch of them."""
    posterior = Case().posterior()
    return bnnpost.rejection.sample(key(7), posterior, num_samples=2000)


def forward(parameters, case, x):
    """A forward pass in numpy in double precision: inputs of the readout, and outputs."""
    hidden = x
    for index, affine in enumerate(parameters):
        hidden = ACTIVATIONS[case.activation](x) if index else x
        x = case.w_std / np.sqrt(hidden.shape[-1]) * hidden @ np.asarray(affine.weights)
        x = x + case.b_std * np.asarray(affine.biases)
    return hidden, x
