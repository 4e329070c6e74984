"""The auxiliary vector's law, bounded by Gaussians in shells of ‖t‖₁.

With units of size at most a, X = (φ·t)²/2N is at most x(t) = a²‖t‖₁²/2N, and 1 − e^−X ≥ ψX there,
ψ = (1 − e^−x)/x. The density of t is then at most h(t) = exp(−½ tᵀ(S + ψ(t) K/Z̄) t), which in a
shell, where ψ is at least that of its outer edge, is at most a Gaussian. In a shell far out that
Gaussian is multiplied by exp(½λ(‖t‖₂² − low²/n)), at least 1 there, and so has less mass.
With k outputs t is [n, k], and ‖t‖₁² stands for the sum of squares of its columns' 1-norms.
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float

# Edges that a partition into shells is chosen from, and tilts λ, as shares of the least eigenvalue.
_NUM_EDGES, _NUM_TILTS = 48, 24
# The innermost edge and the outermost finite one, over the mean of ‖t‖₁.
_NEAREST, _FARTHEST = 0.5, 8.0


class Vector(NamedTuple):
    """An auxiliary vector, whether it is from h, and ψ there. size: x(t), the largest X."""

    t: Float[Array, "n k"]
    kept: Array
    size: Float[Array, ""]
    chord: Float[Array, ""]


def chord(size: Array) -> Array:
    """ψ(x) = (1 − e^−x)/x."""
    return -jnp.expm1(-size) / jnp.maximum(size, 1e-300)


class Shells(eqx.Module):
    """Gaussians N(0, F Fᵀ), one a shell low ≤ ‖t‖₁ < high, and what they are kept with.

    kernel: K/Z̄; scale: a²/2N, by which x(t) = scale ‖t‖₁². chords: ψ at the outer edges; tilts: λ;
    log_masses: of the Gaussians times what they bound, in nats, constants of the density apart.
    """

    lows: Float[np.ndarray, " s"]
    highs: Float[np.ndarray, " s"]
    chords: Float[np.ndarray, " s"]
    tilts: Float[np.ndarray, " s"]
    log_masses: Float[np.ndarray, " s"]
    factors: Float[np.ndarray, "s n n"]
    kernel: Float[np.ndarray, "n n"]
    scale: np.float64
    num_outputs: int = eqx.field(static=True)

    def log_mass(self) -> float:
        """Of all Gaussians, in nats: log Σ ∫."""
        return float(scipy.special.logsumexp(self.log_masses))

    def typical_size(self) -> float:
        """About x(t): that of half the innermost shell's edge."""
        return float(self.scale * (0.5 * self.highs[0]) ** 2)

    def propose(self, key: Array) -> Vector:
        """A t from one of the Gaussians, kept if it is in its shell and below h."""
        shell_key, normal_key, keep_key = jax.random.split(key, 3)
        shell = jax.random.categorical(shell_key, jnp.asarray(self.log_masses))
        factor = jnp.asarray(self.factors)[shell]
        num_train = factor.shape[0]
        shape = (num_train, self.num_outputs)
        t = factor @ jax.random.normal(normal_key, shape, jnp.float64)
        length = jnp.sqrt(jnp.sum(jnp.sum(jnp.abs(t), axis=0) ** 2))
        low, high, edge, tilt = (
            jnp.asarray(array)[shell] for array in (self.lows, self.highs, self.chords, self.tilts)
        )
        size = self.scale * length**2
        psi = chord(size)
        quadratic = jnp.sum(t * (jnp.asarray(self.kernel) @ t))
        excess = (psi - edge) * quadratic + tilt * (jnp.sum(t**2) - low**2 / num_train)
        uniform = jax.random.uniform(keep_key, (), jnp.float64)
        kept = (low <= length) & (length < high) & (jnp.log(uniform) < -0.5 * excess)
        return Vector(t, kept, size, psi)


def shells(
    noise: Float[np.ndarray, "n n"],
    kernel: Float[np.ndarray, "n n"],
    scale: float,
    num_outputs: int,
) -> Shells:
    """The shells of least total mass, among some edges. noise: S; kernel: K/Z̄."""
    edges = _edges(noise, kernel)
    chords = np.array([1.0, *(_chord(scale * edge**2) for edge in edges[1:-1]), 0.0])
    precisions = [np.linalg.eigvalsh(noise + psi * kernel) for psi in chords[1:]]
    count = len(edges)
    best, chosen = np.full(count, math.inf), np.zeros(count, int)
    options = {}
    best[0] = -math.inf
    for high in range(1, count):
        for low in range(high):
            option = _tilted(precisions[high - 1], edges[low], num_outputs)
            options[low, high] = option
            total = np.logaddexp(best[low], option[0])
            if total < best[high]:
                best[high], chosen[high] = total, low
    found = [count - 1]
    while found[-1]:
        found.append(int(chosen[found[-1]]))
    pairs = list(zip(found[:0:-1], found[-2::-1], strict=True))
    tilts = np.array([options[pair][1] for pair in pairs])
    identity = np.eye(len(noise))
    factors = [
        _root(noise + chords[high] * kernel - tilt * identity)
        for (_, high), tilt in zip(pairs, tilts, strict=True)
    ]
    return Shells(
        np.array([edges[low] for low, _ in pairs]),
        np.array([edges[high] for _, high in pairs]),
        np.array([chords[high] for _, high in pairs]),
        tilts,
        np.array([options[pair][0] for pair in pairs]),
        np.array(factors),
        kernel,
        np.float64(scale),
        num_outputs,
    )


def _root(precision: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """F with F Fᵀ the inverse; of Cholesky's factor, since eigenvectors may have any sign."""
    return np.linalg.inv(np.linalg.cholesky(precision)).T


def _chord(size: float) -> float:
    return -math.expm1(-size) / size


def _edges(
    noise: Float[np.ndarray, "n n"], kernel: Float[np.ndarray, "n n"]
) -> Float[np.ndarray, " e"]:
    """0, lengths about those of t, and ∞."""
    stds = np.sqrt(np.diag(np.linalg.inv(noise + kernel)))
    typical = float(np.sum(stds)) * math.sqrt(2 / math.pi)
    middle = np.geomspace(_NEAREST * typical, _FARTHEST * typical, _NUM_EDGES)
    return np.array([0.0, *middle, math.inf])


def _tilted(values: Float[np.ndarray, " n"], low: float, num_outputs: int) -> tuple[float, float]:
    """The least log mass of a Gaussian with these precisions, beyond a length, and its tilt."""
    tilts = np.linspace(0.0, 1.0, _NUM_TILTS, endpoint=False) * values[0]
    if low == 0:
        tilts = tilts[:1]
    rest = -0.5 * num_outputs * np.sum(np.log(values - tilts[:, None]), axis=1)
    masses = rest - 0.5 * tilts * low**2 / len(values)
    place = int(np.argmin(masses))
    return float(masses[place]), float(tilts[place])
