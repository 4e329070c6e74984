"""Gaussian conditioning, written once for the limit and for every finite kernel."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Conditional(NamedTuple):
    """A Gaussian over function values: the same covariance for every output."""

    mean: Float[Array, "m k"]
    covariance: Float[Array, "m m"]


def condition(
    kernel: Float[Array, "n+m n+m"], targets: Float[Array, "n k"], noise_var: Array
) -> Conditional:
    """f* | y for (f, f*) ~ N(0, kernel) and y = f + noise, training rows first.

    mean k*ᵀ(K+σ²I)⁻¹y, covariance K** − k*ᵀ(K+σ²I)⁻¹k*. NaN if K+σ²I is not definite.
    """
    num_train = targets.shape[0]
    noise = noise_var * jnp.eye(num_train, dtype=kernel.dtype)
    factor = jnp.linalg.cholesky(kernel[:num_train, :num_train] + noise, symmetrize_input=False)
    solved = jax.scipy.linalg.solve_triangular(
        factor, jnp.concatenate([kernel[:num_train, num_train:], targets], axis=1), lower=True
    )
    cross, whitened = solved[:, : kernel.shape[0] - num_train], solved[:, kernel.shape[0] - num_train :]
    return Conditional(cross.T @ whitened, kernel[num_train:, num_train:] - cross.T @ cross)
