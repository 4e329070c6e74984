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

    def collapsed_log_bound(self, targets: np.ndarray, bias_var: float = 0.0) -> float:
        """The supremum of Σ_o log N(y_o; 0, K̂ + σ²I) over all kernels K̂ ⪰ bias_var·11ᵀ, in nats.

        Whiten Y by S₀ = σ²I + bias_var·11ᵀ, whose eigenvalues are σ² + n·bias_var along 1 and σ²
        across it; with s_i the eigenvalues of ỸỸᵀ/k and m_i = max(s_i, 1) it is
        −(k/2) [Σ_i (log 2πm_i + s_i/m_i) + log det S₀].
        """
        num_points, num_outputs = targets.shape
        noise_var = float(self.noise_var)
        along, mean = noise_var + num_points * bias_var, targets.mean(axis=0)
        whitened = (targets - mean) / math.sqrt(noise_var) + mean / math.sqrt(along)
        spectrum = np.zeros(num_points)
        singular = np.linalg.svd(whitened, compute_uv=False)
        spectrum[: singular.size] = singular**2 / num_outputs
        fitted = np.maximum(spectrum, 1.0)
        log_det = math.log(along) + (num_points - 1) * math.log(noise_var)
        terms = np.sum(np.log(2 * np.pi * fitted) + spectrum / fitted)
        return float(-0.5 * num_outputs * (terms + log_det))
