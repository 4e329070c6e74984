"""The most that the energy X_t = Σ (φ·t)²/2N of a unit can be, by what bounds its activation."""

import abc

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Relative to the length of a unit's normals, what its output may be off by in single precision.
_ROUNDING = 1e-6


class UnitSizes(eqx.Module):
    """x(t) ≥ X_t, with x(ct) = c² x(t)."""

    @abc.abstractmethod
    def of(self, t: Float[Array, "n k"]) -> Float[Array, ""]:
        """x(t)."""


class BoundedSizes(UnitSizes):
    """|φ| ≤ a. scale: a²/2N, so that x(t) = scale Σ ‖t‖₁² over the columns."""

    scale: np.float64

    def of(self, t: Float[Array, "n k"]) -> Float[Array, ""]:
        return self.scale * jnp.sum(jnp.sum(jnp.abs(t), axis=0) ** 2)


class PiecewiseSizes(UnitSizes):
    """φ(u) = mean·u + half·|u|, u = F z with ‖z‖² = d.

    rows: √(d/2N) w_std F. On |x| ≤ 1 the distance of |x| from x² + 1/8 is at most 1/8. So with the
    lengths s of the rows, (φ·t)² /2N is at most the square of
    ‖mean Σ t_a F_a‖ + ‖half Σ t_a (F_a F_aᵀ/s_a + s_a/8)‖ + |half| Σ |t_a| s_a/8.
    """

    rows: Float[np.ndarray, "n d"]
    mean: np.float64
    half: np.float64

    def of(self, t: Float[Array, "n k"]) -> Float[Array, ""]:
        rows = jnp.asarray(self.rows)
        lengths = jnp.linalg.norm(rows, axis=1)
        directions = rows / jnp.maximum(lengths, 1e-300)[:, None]
        linear = jnp.linalg.norm(rows.T @ t, axis=0)
        weights = t * lengths[:, None]
        squares = jnp.einsum("ak,ai,aj->kij", weights, directions, directions)
        eighth = jnp.sum(weights, axis=0)[:, None, None] * jnp.eye(rows.shape[1]) / 8
        total = jnp.sum(jnp.abs(weights), axis=0)
        half = jnp.abs(self.half)
        rest = half / 8 + _ROUNDING * (half + jnp.abs(self.mean))
        largest = jnp.abs(self.mean) * linear + half * _norm(squares + eighth) + rest * total
        return jnp.sum(largest**2)


def _norm(matrices: Float[Array, "k d d"]) -> Float[Array, " k"]:
    """At least the largest |eigenvalue| of symmetric matrices, and at most d^(1/16) of it."""
    scale = jnp.maximum(jnp.linalg.norm(matrices, axis=(1, 2)), 1e-300)
    power = matrices / scale[:, None, None]
    for _ in range(3):
        power = power @ power
    return scale * jnp.sum(power**2, axis=(1, 2)) ** (1 / 16)
