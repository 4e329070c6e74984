"""Shells of little mass: among some edges those of the least, by dynamic programming.

By ‖t‖₁ alone where fourth moments are not known: there f is a chord of 1 − e^−X, γ = 0. Where they
are, vectors that are not too long are in shells of q = tᵀKt/Z̄, whose f is X times a tangent of
the convex (1 − e^−X)/X. Draws are exact whatever shells are chosen.
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
from bnnpost.spaces.auxiliary.shells import LowerBound, Shell, Shells

# Edges by length, of which the innermost and the outermost are so many times the mean of ‖t‖₁.
_NUM_LENGTHS, _NEAREST, _FARTHEST = 48, 0.5, 8.0
# Edges by q, over its mean.
_NUM_QUADRATICS, _LEAST, _MOST = 16, 0.3, 6.0
# Tilts, as shares of the largest.
_TILTS = np.linspace(0.0, 1.0, 24, endpoint=False)
# Where tangents touch, as shares of the largest X.
_PLACES = np.linspace(0.0, 1.0, 101)[1:]


class Region(NamedTuple):
    """What shells are for. noise: S; kernel: K/Z̄; scale: a²/2N; width: N; mean: Z̄."""

    noise: Float[np.ndarray, "n n"]
    kernel: Float[np.ndarray, "n n"]
    scale: float
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
    lengths = _lengths(region)
    outer = _chains(_long(region, lengths), len(lengths))
    found = outer[0]
    if region.fourth is not None:
        quadratics, precisions = _quadratics(region), _relative(region)
        for high, rest in zip(lengths[1:-1], outer[1:-1], strict=True):
            short = _short(region, region.scale * high**2, quadratics, precisions)
            inner = _chains(short, len(quadratics))[0]
            inner = inner._replace(shells=tuple(s._replace(high=high) for s in inner.shells))
            found = min(found, _joined(inner, rest), key=lambda chain: chain.log_mass)
    return with_factors(region, found.shells)


def with_factors(region: Region, chosen: Sequence[Shell]) -> Shells:
    """These shells, with what to draw from them."""
    each = [shell._replace(factor=_factor(region, shell)) for shell in chosen]
    return Shells(
        jax.tree.map(lambda *values: np.array(values), *each),
        region.kernel,
        np.float64(region.scale),
        region.fourth,
        np.float64(1 / (2 * region.width * region.mean)),
        region.num_outputs,
    )


def _factor(region: Region, shell: Shell) -> Float[np.ndarray, "n n"]:
    """F with F Fᵀ the inverse; of Cholesky's factor, since eigenvectors may have any sign."""
    linear = shell.bound.linear - shell.bound.square * shell.slack - shell.kernel_tilt
    return np.linalg.inv(np.linalg.cholesky(region.precision(linear, shell.tilt))).T


def _chains(between: _Between, count: int) -> list[_Chain]:
    """From each edge to the last one, the shells of the least mass."""
    chains = [_Chain(-math.inf, ())]
    for low in reversed(range(count - 1)):
        firsts = (between(low, high) for high in range(low + 1, count))
        options = [
            _joined(_Chain(first.log_mass, (first,)), rest)
            for first, rest in zip(firsts, chains, strict=True)
        ]
        chains.insert(0, min(options, key=lambda chain: chain.log_mass))
    return chains


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


def _long(region: Region, lengths: list[float]) -> _Between:
    """Shells of ‖t‖₁, with a chord of 1 − e^−X; without any bound beyond the last edge."""
    chords = [_chord(region.scale * high**2) for high in lengths]
    values = [np.linalg.eigvalsh(region.precision(chord.linear)) for chord in chords]

    def between(low: int, high: int) -> Shell:
        start = lengths[low]
        tilts = _TILTS[: None if low else 1] * values[high][0]
        rest = np.sum(np.log(values[high] - tilts[:, None]), axis=1)
        masses = -0.5 * (region.num_outputs * rest + tilts * start**2 / len(region.noise))
        best = int(np.argmin(masses))
        tilt, mass = float(tilts[best]), float(masses[best])
        return Shell(start, lengths[high], 0.0, math.inf, chords[high], 0.0, tilt, 0.0, mass, None)

    return between


def _chord(size: float) -> LowerBound:
    """ψX with ψ = (1 − e^−x)/x, that is at most 1 − e^−X up to a size x."""
    psi = 1.0 if size == 0 else -math.expm1(-size) / size
    return LowerBound(psi, 0.0, 1 - psi + float(scipy.special.xlogy(psi, psi)))


def _relative(region: Region) -> tuple[Float[np.ndarray, " n"], float]:
    """Of K/Z̄ with respect to S, the eigenvalues; and log det S."""
    values = scipy.linalg.eigvalsh(region.kernel, region.noise)
    return np.maximum(values, 0.0), float(np.linalg.slogdet(region.noise)[1])


def _short(
    region: Region,
    size: float,
    quadratics: list[float],
    precisions: tuple[Float[np.ndarray, " n"], float],
) -> _Between:
    """Shells of q, of vectors with X up to a size, with tangents; `high` is left open."""
    assert region.fourth is not None
    growth = float(region.fourth.excess) * region.mean / (2 * region.width)
    slacks = [min(growth * most, size) for most in quadratics]
    bounds = [_tangent(size, slack) for slack in slacks]
    values, log_det = precisions

    def between(low: int, high: int) -> Shell:
        least, bound, slack = quadratics[low], bounds[high], slacks[high]
        linear = bound.linear - bound.square * slack
        tilts = _TILTS[: None if low else 1] * linear
        rest = log_det + np.sum(np.log1p((linear - tilts)[:, None] * values), axis=1)
        masses = -0.5 * (region.num_outputs * rest + tilts * least)
        best = int(np.argmin(masses))
        tilt, mass = float(tilts[best]), float(masses[best])
        return Shell(0.0, math.inf, least, quadratics[high], bound, slack, 0.0, tilt, mass, None)

    return between


def _tangent(size: float, slack: float) -> LowerBound:
    """X(α − γX) ≤ 1 − e^−X, not below 0 up to a size, of the largest α − γ·slack.

    (1 − e^−X)/X =: ψ is convex: its tangent where X = s has γ = −ψ′(s), α = ψ(s) + γs, and lies
    below it everywhere. Up to s the difference 1 − e^−X − X(α − γX) is at most s(1 − α).
    """
    places = _PLACES * size
    psi = -np.expm1(-places) / places
    squares = np.concatenate([[0.5], (psi - np.exp(-places)) / places])
    places = np.concatenate([[0.0], places])
    linears = np.concatenate([[1.0], psi]) + squares * places
    values = np.where(linears >= squares * size, linears - squares * slack, -math.inf)
    best = int(np.argmax(values))
    linear = float(linears[best])
    return LowerBound(linear, float(squares[best]), float(places[best]) * (1 - linear))
