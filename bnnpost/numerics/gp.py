"""Gaussian conditioning for one draw's kernel, in array operations that batch."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.numerics.linalg import (
    bordered_by,
    gaussian_log_density,
    nested_factor,
    schur,
    solve,
    whitened,
)


class Sites(eqx.Module):
    """Gaussian observations of function values: targets [n, k] = f + noise of these variances.

    variances: [n, 1] where all outputs share them, else [n, k]. contrasts: only differences
    between the outputs are observed, not their mean (variances are then shared).
    """

    targets: Float[Array | np.ndarray, "n k"]
    variances: Float[Array | np.ndarray, "n c"]
    contrasts: bool = eqx.field(static=True, default=False)

    @property
    def shared(self) -> bool:
        """Whether all outputs have one covariance."""
        return bool(self.variances.shape[1] == 1)

    def less(self, shift: Float[Array, " k"] | None) -> "Sites":
        """The same observations of f − shift."""
        if shift is None:
            return self
        return Sites(jnp.asarray(self.targets) - shift, self.variances, self.contrasts)

    def arrays(self) -> tuple[Float[Array, "n k"], Float[Array, "n c"]]:
        """Targets and variances as JAX arrays."""
        return jnp.asarray(self.targets), jnp.asarray(self.variances)


class Conditional(NamedTuple):
    """A Gaussian over function values; one covariance where all outputs share it, else k."""

    mean: Float[Array, "m k"]
    covariance: Float[Array, "c m m"]

    def plus(self, shift: Float[Array, " k"] | None) -> "Conditional":
        """The law of f + shift."""
        return self if shift is None else Conditional(self.mean + shift, self.covariance)


def contrasts(count: int) -> Float[np.ndarray, "k k-1"]:
    """Orthonormal contrasts of `count` outputs (Helmert's)."""
    sums = np.triu(np.ones((count, count - 1))) - np.eye(count, count - 1, -1) * np.arange(
        1.0, count
    )
    return sums / np.linalg.norm(sums, axis=0)


def log_density(kernel: Float[Array, "n n"], sites: Sites) -> Float[Array, ""]:
    """Σ_o log N(targets_o; 0, kernel + diag(variances_o)), in nats; of the contrasts if so."""
    values, variances = sites.arrays()
    if sites.shared:
        if sites.contrasts:
            values = values @ contrasts(values.shape[1])
        return gaussian_log_density(values, kernel + jnp.diag(variances[:, 0]))

    def one(target: Array, variance: Array) -> Array:
        return gaussian_log_density(target[:, None], kernel + jnp.diag(variance))

    return jnp.sum(jax.vmap(one, in_axes=1)(values, variances))


def condition(kernel: Float[Array, "n+m n+m"], sites: Sites) -> Conditional:
    """f* given the sites, for (f, f*) ~ N(0, kernel), training rows first.

    mean k*ᵀ(K+D)⁻¹y, covariance K** − k*ᵀ(K+D)⁻¹k*: both are one Schur complement, of the
    kernel with the targets beside it. NaN if K+D is not positive definite.
    """

    def one(targets: Array, variances: Array) -> Conditional:
        num_train, num_outputs = targets.shape
        num_test = kernel.shape[0] - num_train
        observed = jnp.concatenate([variances, jnp.zeros(num_test)])
        beside = jnp.concatenate([targets, jnp.zeros((num_test, num_outputs), kernel.dtype)])
        bordered = bordered_by(beside, kernel + jnp.diag(observed))
        complement = schur(bordered, num_train).complement
        return Conditional(-complement[:num_test, num_test:], complement[:num_test, :num_test])

    values, noise = sites.arrays()
    if sites.shared:
        mean, covariance = one(values, noise[:, 0])
        return Conditional(mean, covariance[None])
    each = jax.vmap(one, in_axes=1)(values[:, :, None], noise)
    return Conditional(each.mean[:, :, 0].T, each.covariance)


def condition_on_values(
    kernel: Float[Array, "n+m n+m"], values: Float[Array, "n k"], order: Array
) -> Conditional:
    """f* given f itself, of any rank: rows of f that others determine are not looked at.

    order: of elimination of all rows, those of f first.
    """
    num_train, num_rows = values.shape[0], kernel.shape[0]
    below = jnp.zeros((num_rows - num_train, values.shape[1]), values.dtype)
    matrix, normals = whitened(kernel, order, jnp.concatenate([values, below]))
    rest = matrix[num_train:, num_train:]
    return Conditional(matrix[num_train:, :num_train] @ normals[:num_train], (rest @ rest.T)[None])


def law_draws(
    law: Conditional, normals: Float[Array, "r m k"], order: Int[Array, " m"]
) -> Float[Array, "r m k"]:
    """Draws from a Gaussian of any rank, one for each row of standard normals.

    order: of elimination of its points.
    """
    factors = jax.vmap(lambda covariance: nested_factor(covariance, order).matrix)(law.covariance)
    each = jnp.broadcast_to(factors, (normals.shape[2], *factors.shape[1:]))
    return law.mean + jnp.einsum("kml,rlk->rmk", each, normals)


def condition_normals(
    noise: Float[Array, "n k"],
    factor: Float[Array, "n q"],
    normals: Float[Array, "q k"],
    sites: Sites,
) -> Float[Array, "q k"]:
    """Turn prior normals g into a draw of g given sites on F g (Matheron's rule).

    noise: standard normals, one for each target.
    """
    targets, variances = sites.arrays()
    residual = targets - (factor @ normals + jnp.sqrt(variances) * noise)
    if sites.contrasts:
        residual = residual - jnp.mean(residual, axis=1, keepdims=True)
    covariance = factor @ factor.T

    def change(variance: Array, residual: Array) -> Array:
        return factor.T @ solve(covariance + jnp.diag(variance), residual)

    if sites.shared:
        return normals + change(variances[:, 0], residual)
    changes = jax.vmap(change, in_axes=1)(variances, residual[:, :, None])
    return normals + changes[:, :, 0].T
