"""Gaussian noise of known standard deviation."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.likelihoods.base import Likelihood, check_noise_std, check_one_column_an_output
from bnnpost.networks.nonlinearities import Scalar, cast, named


class Gaussian(Likelihood):
    """Independent Gaussian noise of known standard deviation `noise_std` on every output.

    Raises ValueError unless noise_std is positive and finite: without noise the posterior
    has no density with respect to the prior, and rejection no acceptance.
    """

    noise_std: Scalar = eqx.field(converter=named("noise_std"))

    def __check_init__(self) -> None:
        check_noise_std(self.noise_std)

    @property
    def known_std(self) -> Scalar:
        return self.noise_std

    @property
    def noise_var(self) -> Scalar:
        """The noise variance, noise_std²."""
        return self.noise_std**2

    def check(self, targets: np.ndarray, num_outputs: int) -> None:
        check_one_column_an_output(targets, num_outputs)

    def log_prob(self, outputs: Array, targets: Array) -> Array:
        noise_var = cast(self.noise_var, outputs)
        log_constant = 0.5 * jnp.log(2 * np.pi * noise_var) * outputs.size
        return -0.5 * jnp.sum((targets - outputs) ** 2) / noise_var - log_constant

    def log_bound(self, targets: np.ndarray) -> float:
        return -0.5 * targets.size * math.log(2 * math.pi * float(self.noise_var))

    def sample(self, key: Array, outputs: Array) -> Array:
        return outputs + cast(self.noise_std, outputs) * jax.random.normal(
            key, outputs.shape, outputs.dtype
        )
