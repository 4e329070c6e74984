"""Gaussian conditioning for one draw's kernel, in array operations that batch."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.numerics.linalg import schur


class Conditional(NamedTuple):
    """A Gaussian over function values: the same covariance for every output."""

    mean: Float[Array, "m k"]
    covariance: Float[Array, "m m"]


def condition(
    kernel: Float[Array, "n+m n+m"], targets: Float[Array, "n k"], noise_var: Array
) -> Conditional:
    """f* | y for (f, f*) ~ N(0, kernel) and y = f + noise, training rows first.

    mean k*ᵀ(K+σ²I)⁻¹y, covariance K** − k*ᵀ(K+σ²I)⁻¹k*: both are one Schur complement, of
    the kernel with the targets beside it. NaN if K+σ²I is not positive definite.
    """
    num_train, num_outputs = targets.shape
    num_test = kernel.shape[0] - num_train
    observed = jnp.concatenate([jnp.full(num_train, noise_var), jnp.zeros(num_test)])
    below = jnp.zeros((num_test, num_outputs), kernel.dtype)
    bordered = jnp.block([[kernel + jnp.diag(observed), jnp.concatenate([targets, below])]])
    complement = schur(bordered, num_train).complement
    return Conditional(-complement[:, num_test:], complement[:, :num_test])
