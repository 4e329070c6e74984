"""A second route to E φ(u)φ(v): Gauss–Legendre in polar coordinates, plain numpy.

With u = s₁ r cos θ, v = s₂ r cos(θ − α), ρ = cos α, kinks and jumps of φ at 0 lie on four
rays; between them the integrand is smooth, so every activation with at most a kink or jump
at 0 is integrated to rounding.
"""

import functools
import itertools
from collections.abc import Callable

import numpy as np

# exp(−r²/2) r at 14 is 4e-42: room for activations that grow like exp.
_REACH, _RADIAL_NODES, _ANGULAR_NODES = 14.0, 160, 48


def product_moment(
    phi: Callable[[np.ndarray], np.ndarray], var1: float, var2: float, correlation: float
) -> float:
    """E φ(u)φ(v) for (u, v) centred normal with these variances and correlation."""
    alpha = np.arccos(correlation)
    theta, theta_weights = _angles(alpha)
    r, r_weights = _on_interval(0.0, _REACH, _RADIAL_NODES)
    u = np.sqrt(var1) * np.outer(r, np.cos(theta))
    v = np.sqrt(var2) * np.outer(r, np.cos(theta - alpha))
    density = r_weights * r * np.exp(-0.5 * r**2)
    return float(density @ (phi(u) * phi(v)) @ theta_weights) / (2 * np.pi)


def second_moment(phi: Callable[[np.ndarray], np.ndarray], var: float) -> float:
    """E φ(u)² for u centred normal."""
    return product_moment(phi, var, var, 1.0)


def _angles(alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on the circle, in the sectors between the rays u = 0 and v = 0."""
    right = np.pi / 2
    rays = np.sort(np.mod([right, -right, alpha + right, alpha - right], 2 * np.pi))
    ends = np.append(rays, rays[0] + 2 * np.pi)
    # Half a sector at a time: fewer nodes for the same digits.
    cuts = np.sort(np.concatenate([ends, (ends[1:] + ends[:-1]) / 2]))
    parts = [_on_interval(a, b, _ANGULAR_NODES) for a, b in itertools.pairwise(cuts)]
    nodes, weights = zip(*parts, strict=True)
    return np.concatenate(nodes), np.concatenate(weights)


def _on_interval(a: float, b: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = _gauss_legendre(count)
    return a + (b - a) * (nodes + 1) / 2, weights * (b - a) / 2


@functools.cache
def _gauss_legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(count)
