"""The auxiliary vector's law, bounded by a Gaussian in each of some shells.

A unit of a shell has a lower bound of 1 − e^−X, X = (φ·t)²/2N: f(X) = X(α − γX), 0 ≤ f, with E f
known. The density of t is then at most h(t) = exp(−½ tᵀSt − N E f/Z̄), a Gaussian but for the term
of fourth order. That term is at most τ times the one of second order in a shell, which is where
low ≤ ‖t‖₁ < high and least ≤ q < most, q = tᵀKt/Z̄. Gaussians of shells far out are multiplied by
exp(½λ(‖t‖₂² − low²/n)) or exp(½μ(q − least)), at least 1 there, and so have less mass.
With k outputs t is [n, k], and ‖t‖₁² stands for the sum of squares of its columns' 1-norms.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float

from bnnpost.spaces.auxiliary.fourth_moments import FourthMoments


class LowerBound(NamedTuple):
    """f(X) = X(α − γX) ≤ 1 − e^−X. linear: α; square: γ; rise: the most 1 − e^−X − f, X small.

    Where X is not small, the difference rises with X.
    """

    linear: Any
    square: Any
    rise: Any

    def of(self, energies: Array) -> Array:
        """f(X)."""
        return energies * (self.linear - self.square * energies)


class Shell(NamedTuple):
    """Where a shell is, what bounds 1 − e^−X there, and its Gaussian N(0, F Fᵀ).

    slack: τ; tilt: λ; kernel_tilt: μ; log_mass: of the Gaussian times what it bounds, in nats,
    constants of the density apart; factor: F. Of several shells all arrays have an axis first.
    """

    low: Any
    high: Any
    least: Any
    most: Any
    bound: LowerBound
    slack: Any
    tilt: Any
    kernel_tilt: Any
    log_mass: Any
    factor: Any


class Vector(NamedTuple):
    """An auxiliary vector, whether it is from h, x(t), the largest X, and what bounds 1 − e^−X."""

    t: Float[Array, "n k"]
    kept: Array
    size: Float[Array, ""]
    bound: LowerBound


class Shells(eqx.Module):
    """A partition of all vectors t.

    kernel: K/Z̄; scale: a²/2N, by which x(t) = scale ‖t‖₁²; fourth: of a unit, None where no f has
    a γ; fourth_scale: 1/(2N Z̄).
    """

    each: Shell
    kernel: Float[np.ndarray, "n n"]
    scale: np.float64
    fourth: FourthMoments | None
    fourth_scale: np.float64
    num_outputs: int = eqx.field(static=True)

    def log_mass(self) -> float:
        """Of all Gaussians, in nats: log Σ ∫."""
        return float(scipy.special.logsumexp(self.each.log_mass))

    def typical_size(self) -> float:
        """About x(t)."""
        factor = self.each.factor[np.argmax(self.each.log_mass)]
        lengths = np.sqrt(np.sum(factor**2, axis=1) * 2 / np.pi)
        return float(self.scale * self.num_outputs * np.sum(lengths) ** 2)

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
        return Vector(t, kept, self.scale * length**2, shell.bound)

    def excess(self, shell: Shell, t: Float[Array, "n k"], quadratic: Array) -> Array:
        """−2 log of h over a shell's Gaussian: at least 0 inside. quadratic: q."""
        found = shell.tilt * (jnp.sum(t**2) - shell.low**2 / len(t))
        found += shell.kernel_tilt * (quadratic - shell.least)
        if self.fourth is None:
            return found
        fourth = self.fourth_scale * self.fourth.of(t)
        return found + shell.bound.square * (shell.slack * quadratic - fourth)
