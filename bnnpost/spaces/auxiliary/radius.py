"""What a unit's energy X does to it: a factor e^−X or, its radius integrated out, E e^−XR.

A bounded unit φ has R = 1. If φ(cu) = cφ(u) for c > 0, as of a ReLU, a unit with d standard normals
z behind it is √R ψ: R = ‖z‖²/d and ψ, which is φ where ‖z‖² = d, are independent, and ψ is bounded.
So "unit" means ψ here, X is of ψ, and E is over R ~ χ²_d/d. With d = ∞ that is R = 1.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np


class Radius(eqx.Module):
    """The law of R. freedom: d. Energies may be of numpy or JAX."""

    freedom: float = eqx.field(static=True, default=math.inf)

    @property
    def mean_square(self) -> float:
        """E R²; E R = 1."""
        return 1 + 2 / self.freedom

    def log_mean(self, energy: Any) -> Any:
        """log E e^{XR}, convex in X; ∞ from X = d/2 on."""
        if math.isinf(self.freedom):
            return energy
        xp, half = _module(energy), 0.5 * self.freedom
        share = xp.minimum(energy / half, np.nextafter(1.0, 0.0))
        return xp.where(energy < half, -half * xp.log1p(-share), np.inf)

    def energy_of(self, nats: Any) -> Any:
        """The X for which log E e^{XR} is this."""
        if math.isinf(self.freedom):
            return nats
        half = 0.5 * self.freedom
        return -half * _module(nats).expm1(-nats / half)

    def lost(self, energy: Any) -> Any:
        """1 − E e^−XR, concave in X."""
        return -_module(energy).expm1(self.log_mean(-energy))

    def slope(self, energy: Any) -> Any:
        """The derivative of that: E R e^−XR."""
        xp = _module(energy)
        return xp.exp(self.log_mean(-energy)) / (1 + 2 * energy / self.freedom)

    def hazard(self, on_v: Any, on_t: Any) -> Any:
        """−log of E e^{(X_v − X_t)R} / E e^{X_v R}: X_t where R = 1, and more otherwise."""
        if math.isinf(self.freedom):
            return on_t
        return -self.log_mean(-on_t / self.room(on_v))

    def room(self, energy: Any) -> Any:
        """1 − 2X/d: under a density tilted by e^{XR}, R is a prior one over this."""
        return 1.0 if math.isinf(self.freedom) else 1 - 2 * energy / self.freedom


def _module(value: Any) -> Any:
    return jnp if isinstance(value, jax.Array) else np
