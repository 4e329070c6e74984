"""The auxiliary vector's law, bounded by a Gaussian in each of some shells.

A unit of a shell has a lower bound of 1 − E e^−XR, X = (φ·t)²/2N: f(X) = X(α − γX), of which E f is
known. The density of t is then at most h(t) = exp(−½ tᵀSt − N E f/Z̄), a Gaussian but for the term
of fourth order. That term is at most τ times the one of second order in a shell, which is where
low ≤ ‖t‖₁ < high and least ≤ q < most, q = tᵀKt/Z̄. Gaussians of shells far out are multiplied by
exp(½λ(‖t‖₂² − low²/n)) or exp(½μ(q − least)), at least 1 there, and so have less mass. Beyond some
q, its `reach`, the f of a vector is that of the vector shortened to it: units lose more the longer
t is. With k outputs t is [n, k], and ‖t‖₁² stands for the sum of squares of its columns' 1-norms.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float

from bnnpost.spaces.auxiliary.fourth_moments import FourthMoments
from bnnpost.spaces.auxiliary.sizes import UnitSizes

# Vectors for a typical size.
_FEW = 32


class LowerBound(NamedTuple):
    """f(X) = X(α − γX) ≤ 1 − E e^−XR. linear: α; square: γ; rise: the most it misses, X small.

    What it misses is 1 − E e^−XR − f⁺, which where X is not small rises with X.
    """

    linear: Any
    square: Any
    rise: Any

    def of(self, energies: Array) -> Array:
        """f(X)."""
        return energies * (self.linear - self.square * energies)

    def shortened(self, share: Array) -> "LowerBound":
        """f(share·X), as a function of X."""
        rise = jnp.where(share < 1, 1.0, self.rise)
        return LowerBound(self.linear * share, self.square * share**2, rise)


class Shell(NamedTuple):
    """Where a shell is, what bounds 1 − E e^−XR there, and its Gaussian N(0, F Fᵀ).

    slack: τ; tilt: λ; kernel_tilt: μ; log_mass: of the Gaussian times what it bounds, in nats,
    constants of the density apart; factor: F. Of several shells all arrays have an axis first.
    """

    low: Any
    high: Any
    least: Any
    most: Any
    reach: Any
    bound: LowerBound
    slack: Any
    tilt: Any
    kernel_tilt: Any
    log_mass: Any
    factor: Any


class Vector(NamedTuple):
    """An auxiliary vector, whether it is from h, x(t), the largest X, and its f."""

    t: Float[Array, "n k"]
    kept: Array
    size: Float[Array, ""]
    bound: LowerBound


class Shells(eqx.Module):
    """A partition of all vectors t.

    kernel: K/Z̄; fourth: of a unit, None where no f has a γ; fourth_scale: 1/(2N Z̄).
    """

    each: Shell
    kernel: Float[np.ndarray, "n n"]
    sizes: UnitSizes
    fourth: FourthMoments | None
    fourth_scale: np.float64
    num_outputs: int = eqx.field(static=True)

    def log_mass(self) -> float:
        """Of all Gaussians, in nats: log Σ ∫."""
        return float(scipy.special.logsumexp(self.each.log_mass))

    def typical_size(self) -> float:
        """About x(t): its mean under the Gaussian with the most mass."""
        factor = self.each.factor[np.argmax(self.each.log_mass)]
        normals = np.random.default_rng(0).standard_normal((_FEW, len(factor), self.num_outputs))
        return float(jnp.mean(jax.vmap(self.sizes.of)(jnp.asarray(factor @ normals))))

    def propose(self, key: Array) -> Vector:
        """A t from one of the Gaussians, kept if it is in its shell and below h."""
        shell_key, normal_key, keep_key = jax.random.split(key, 3)
        number = jax.random.categorical(shell_key, jnp.asarray(self.each.log_mass))
        shell = jax.tree.map(lambda of_all: jnp.asarray(of_all)[number], self.each)
        shape = (len(shell.factor), self.num_outputs)
        t = shell.factor @ jax.random.normal(normal_key, shape, jnp.float64)
        length = jnp.sqrt(jnp.sum(jnp.sum(jnp.abs(t), axis=0) ** 2))
        quadratic = jnp.sum(t * (jnp.asarray(self.kernel) @ t))
        inside = (shell.low <= length) & (length < shell.high)
        inside &= (shell.least <= quadratic) & (quadratic < shell.most)
        uniform = jax.random.uniform(keep_key, (), jnp.float64)
        kept = inside & (jnp.log(uniform) < -0.5 * self.excess(shell, t, quadratic))
        bound = shell.bound.shortened(_share(shell, quadratic))
        return Vector(t, kept, self.sizes.of(t), bound)

    def excess(self, shell: Shell, t: Float[Array, "n k"], quadratic: Array) -> Array:
        """−2 log of h over a shell's Gaussian: at least 0 inside. quadratic: q."""
        found = shell.tilt * (jnp.sum(t**2) - shell.low**2 / len(t))
        if self.fourth is None:
            return found
        share = _share(shell, quadratic)
        within = share * quadratic
        fourth = share**2 * self.fourth_scale * self.fourth.of(t)
        found += shell.kernel_tilt * (within - shell.least)
        return found + shell.bound.square * (shell.slack * within - fourth)


def _share(shell: Shell, quadratic: Array) -> Array:
    """What is left of q within reach."""
    return jnp.minimum(shell.reach / jnp.maximum(quadratic, 1e-300), 1.0)
