"""Shells of little mass: among some edges those of the least, by dynamic programming.

Where fourth moments are known, shells of q = tᵀKt/Z̄, whose f is X times a tangent of the convex
(1 − E e^−XR)/X. Otherwise units must be bounded, and shells are of ‖t‖₁, with f a chord of
1 − e^−X, γ = 0. Draws are exact whatever shells are chosen.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import jax
import numpy as np
import scipy.linalg
import scipy.special
from jaxtyping import Float

from bnnpost.spaces.auxiliary.fourth_moments import FourthMoments
from bnnpost.spaces.auxiliary.radius import Radius
from bnnpost.spaces.auxiliary.shells import LowerBound, Shell, Shells
from bnnpost.spaces.auxiliary.sizes import BoundedSizes, UnitSizes

# Edges by length, of which the innermost and the outermost are so many times the mean of ‖t‖₁.
_NUM_LENGTHS, _NEAREST, _FARTHEST = 48, 0.5, 8.0
# Edges by q, over its mean.
_NUM_QUADRATICS, _LEAST, _MOST = 40, 0.3, 60.0
# Tilts, as shares of the largest.
_TILTS = np.linspace(0.0, 1.0, 24, endpoint=False)
# A tangent as good as that at 0, which is had without rounding.
_NEAR = 1e-3


class Region(NamedTuple):
    """What shells are for. noise: S; kernel: K/Z̄; sizes: x(t); width: N; mean: Z̄."""

    noise: Float[np.ndarray, "n n"]
    kernel: Float[np.ndarray, "n n"]
    sizes: UnitSizes
    radius: Radius
    width: int
    mean: float
    num_outputs: int
    fourth: FourthMoments | None

    def precision(self, linear: float, tilt: float = 0.0) -> Float[np.ndarray, "n n"]:
        """S + cK/Z̄ − λ."""
        return self.noise + linear * self.kernel - tilt * np.eye(len(self.noise))


class _Chain(NamedTuple):
    """Shells one after another, and the log of their mass."""

    log_mass: float
    shells: tuple[Shell, ...]


# The shell between two edges, by their numbers.
_Between: TypeAlias = Callable[[int, int], Shell]


def shells(region: Region) -> Shells:
    """The shells of the least mass, among some."""
    if region.fourth is None:
        lengths = _lengths(region)
        return with_factors(region, _chain(by_length(region, lengths), len(lengths)))
    quadratics = _quadratics(region)
    return with_factors(region, _chain(by_quadratic(region, quadratics), len(quadratics)))


def with_factors(region: Region, chosen: Sequence[Shell]) -> Shells:
    """These shells, with what to draw from them."""
    each = [shell._replace(factor=_factor(region, shell)) for shell in chosen]
    return Shells(
        jax.tree.map(lambda *values: np.array(values), *each),
        region.kernel,
        region.sizes,
        region.fourth,
        np.float64(1 / (2 * region.width * region.mean)),
        region.num_outputs,
    )


def _factor(region: Region, shell: Shell) -> Float[np.ndarray, "n n"]:
    """F with F Fᵀ the inverse; of Cholesky's factor, since eigenvectors may have any sign."""
    linear = shell.bound.linear - shell.bound.square * shell.slack - shell.kernel_tilt
    return np.linalg.inv(np.linalg.cholesky(region.precision(linear, shell.tilt))).T


def _chain(between: _Between, count: int) -> tuple[Shell, ...]:
    """From the first edge to the last one, the shells of the least mass."""
    chains = [_Chain(-math.inf, ())]
    for low in reversed(range(count - 1)):
        firsts = (between(low, high) for high in range(low + 1, count))
        options = [
            _joined(_Chain(first.log_mass, (first,)), rest)
            for first, rest in zip(firsts, chains, strict=True)
        ]
        chains.insert(0, min(options, key=lambda chain: chain.log_mass))
    return chains[0].shells


def _joined(one: _Chain, other: _Chain) -> _Chain:
    return _Chain(float(np.logaddexp(one.log_mass, other.log_mass)), one.shells + other.shells)


def _lengths(region: Region) -> list[float]:
    """0, lengths about those of t, and ∞."""
    stds = np.sqrt(np.diag(np.linalg.inv(region.precision(1.0))))
    typical = float(np.sum(stds)) * math.sqrt(2 / math.pi)
    middle = np.geomspace(_NEAREST * typical, _FARTHEST * typical, _NUM_LENGTHS)
    return [0.0, *middle.tolist(), math.inf]


def _quadratics(region: Region) -> list[float]:
    """0, values about those of q, and ∞."""
    mean = np.trace(region.kernel @ np.linalg.inv(region.precision(1.0))) * region.num_outputs
    return [0.0, *np.geomspace(_LEAST * mean, _MOST * mean, _NUM_QUADRATICS).tolist(), math.inf]


def by_length(region: Region, lengths: Sequence[float]) -> _Between:
    """Shells of ‖t‖₁, with a chord of 1 − e^−X; without any bound beyond the last edge."""
    sizes = region.sizes
    assert isinstance(sizes, BoundedSizes)
    chords = [_chord(sizes.scale * high**2) for high in lengths]
    values = [np.linalg.eigvalsh(region.precision(chord.linear)) for chord in chords]

    def between(low: int, high: int) -> Shell:
        start = lengths[low]
        tilts = _TILTS[: None if low else 1] * values[high][0]
        rest = np.sum(np.log(values[high] - tilts[:, None]), axis=1)
        masses = -0.5 * (region.num_outputs * rest + tilts * start**2 / len(region.noise))
        best = int(np.argmin(masses))
        tilt, mass = float(tilts[best]), float(masses[best])
        edges = start, lengths[high], 0.0, math.inf, math.inf
        return Shell(*edges, chords[high], 0.0, tilt, 0.0, mass, None)

    return between


def _chord(size: float) -> LowerBound:
    """ψX with ψ = (1 − e^−x)/x, that is at most 1 − e^−X up to a size x."""
    psi = 1.0 if size == 0 else -math.expm1(-size) / size
    return LowerBound(psi, 0.0, 1 - psi + float(scipy.special.xlogy(psi, psi)))


def by_quadratic(region: Region, quadratics: Sequence[float]) -> _Between:
    """Shells of q, with tangents; beyond the last finite edge vectors are shortened to it.

    The term of fourth order is at most κ Z̄ q/2N =: τ of that of second order.
    """
    assert region.fourth is not None
    growth = float(region.fourth.excess) * region.mean / (2 * region.width)
    tangents = [tangent(region.radius, growth * reach) for reach in quadratics[:-1]]
    relative, log_det = _relative(region)

    def between(low: int, high: int) -> Shell:
        least, most = quadratics[low], quadratics[high]
        at = min(high, len(quadratics) - 2)
        bound, slack = tangents[at], growth * quadratics[at]
        linear = bound.linear - bound.square * slack
        tilts = np.array([linear]) if math.isinf(most) else _TILTS[: None if low else 1] * linear
        rest = log_det + np.sum(np.log1p((linear - tilts)[:, None] * relative), axis=1)
        masses = -0.5 * (region.num_outputs * rest + tilts * least)
        best = int(np.argmin(masses))
        tilt, mass = float(tilts[best]), float(masses[best])
        edges = 0.0, math.inf, least, most, quadratics[at]
        return Shell(*edges, bound, slack, 0.0, tilt, mass, None)

    return between


def _relative(region: Region) -> tuple[Float[np.ndarray, " n"], float]:
    """Of K/Z̄ with respect to S, the eigenvalues; and log det S."""
    values = scipy.linalg.eigvalsh(region.kernel, region.noise)
    return np.maximum(values, 0.0), float(np.linalg.slogdet(region.noise)[1])


def tangent(radius: Radius, place: float) -> LowerBound:
    """X(α − γX) ≤ 1 − E e^−XR, with α − γ·place as large as it can be.

    ψ(X) = (1 − E e^−XR)/X is convex: its tangent at that place has γ = −ψ′, α = ψ + γ·place, and
    lies below it. Up to there 1 − E e^−XR − X(α − γX) is at most place·(1 − α); beyond, it rises.
    """
    if place < _NEAR:
        return LowerBound(1.0, 0.5 * radius.mean_square, 0.0)
    psi = float(radius.lost(place)) / place
    square = (psi - float(radius.slope(place))) / place
    linear = psi + square * place
    return LowerBound(linear, square, place * (1 - linear))
