"""Factors of covariances that may be singular, and of those that may not."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# A pivot at or below this fraction of its own variance is rounding: Gram matrices of up to
# 10^5 features carry relative errors of about 1e-14 in double precision. A row with such a
# pivot is, to a relative error of 3e-7 in its standard deviation, a linear combination of the
# rows before it.
ZERO_PIVOT = 1e-13
# Above this many rows the elimination is a compiled loop instead of straight-line code.
_UNROLLED_ROWS = 8


def nested_cholesky(covariance: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Lower-triangular C with C Cᵀ equal to a positive semidefinite covariance, to rounding.

    Where a row is a linear combination of earlier ones (duplicate inputs, dead ReLU rows, a
    fine one-dimensional grid) its pivot is set to exactly 0 and its column with it, so no
    jitter is added, a duplicate row of C equals the row it repeats, and nothing is NaN. Row
    i of C depends only on the leading (i + 1) × (i + 1) block, so a factor of the training
    block stays as it is when test rows are appended. NaN in the input gives NaN.
    """
    num_rows = covariance.shape[0]
    variances = jnp.diagonal(covariance)
    index = jnp.arange(num_rows)

    def eliminate(j: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        remainder, factor = state
        pivot = remainder[j, j]
        is_zero = pivot <= ZERO_PIVOT * variances[j]
        inverse_root = jnp.where(is_zero, 0.0, jax.lax.rsqrt(jnp.where(is_zero, 1.0, pivot)))
        column = jnp.where(index >= j, remainder[:, j] * inverse_root, 0.0)
        return remainder - column[:, None] * column[None, :], factor.at[:, j].set(column)

    state = (covariance, jnp.zeros_like(covariance))
    unroll = num_rows if 0 < num_rows <= _UNROLLED_ROWS else 1
    return jax.lax.fori_loop(0, num_rows, eliminate, state, unroll=unroll)[1]


def nonzero_pivots(factor: Float[Array, "n n"]) -> Bool[Array, " n"]:
    """Which rows of a `nested_cholesky` factor are independent of the rows before them."""
    return jnp.diagonal(factor) > 0


def orthonormal_rows(
    rows: Float[Array, "n p"], independent: Bool[Array, " n"]
) -> Float[Array, "p n"]:
    """Q with orthonormal columns such that rows = RᵀQᵀ, R upper triangular, diag(R) ≥ 0.

    Columns that belong to dependent rows are 0: a QR factorisation would fill them with
    directions made of rounding. Needs n ≤ p.
    """
    q, r = jnp.linalg.qr(jnp.where(independent[:, None], rows, 0.0).T)
    signs = jnp.where(jnp.diagonal(r) < 0, -1.0, 1.0)
    return q * jnp.where(independent, signs, 0.0)


def gaussian_log_density(
    values: Float[Array, "n k"], covariance: Float[Array, "n n"]
) -> Float[Array, ""]:
    """Σ_o log N(values[:, o]; 0, covariance) in nats; NaN if the covariance is not definite."""
    num_rows, num_outputs = values.shape
    factor = jnp.linalg.cholesky(covariance, symmetrize_input=False)
    whitened = jax.scipy.linalg.solve_triangular(factor, values, lower=True)
    log_det = jnp.sum(jnp.log(jnp.diagonal(factor)))
    constant = 0.5 * num_rows * math.log(2 * math.pi)
    return -0.5 * jnp.sum(whitened**2) - num_outputs * (log_det + constant)
