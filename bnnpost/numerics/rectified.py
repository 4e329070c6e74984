"""The expectation of the product of four piecewise linear functions of normal variables.

Where all four are of two normals, that is an integral over their angle, of polynomials of sine
and cosine between angles where one of the four is 0. Otherwise
E Π u_i^{p_i} over where all u_i are positive follows by parts: with u_i taken out of the product,
E u_i g(u) = Σ_j C_ij E ∂g/∂u_j, where the derivative of a step is a point: u_j = 0, and the others
are normal given that. What is left are the probabilities that up to four normals are positive.
"""

import functools
import itertools
import math

import numpy as np
from jaxtyping import Bool, Float

from bnnpost.numerics.signs import expect_four_signs

# From here on two variables are one, or opposites.
_SAME = 1 - 1e-14
# Variances, of variables that had 1, that are rounding.
_NO_VARIANCE = 1e-14
# Determinants of correlations that are 0.
_FLAT = 1e-14
# Gauss–Legendre from one angle to the next, at most π/2 or so of a polynomial of degree four.
_NUM_NODES = 12


def expect_four_piecewise(
    covariances: Float[np.ndarray, "m 4 4"], left: float, right: float
) -> Float[np.ndarray, " m"]:
    """E φφφφ for φ(u) = left·min(u, 0) + right·max(u, 0) of centred normals.

    With fewer digits where a matrix is nearly singular; the order of the variables then changes the
    result by about its error.
    """
    stds = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    correlations = covariances / np.maximum(stds[:, :, None] * stds[:, None, :], 1e-300)
    found = np.zeros(len(covariances))
    for signs in itertools.product((1.0, -1.0), repeat=3):
        both = np.array([1.0, *signs])
        # These signs, and the opposite ones, under which the law is the same.
        share = sum(np.prod(np.where(one > 0, right, -left)) for one in (both, -both))
        if share != 0:
            found += share * _rectified(correlations * np.outer(both, both))
    return np.prod(stds, axis=1) * found


def _rectified(correlations: Float[np.ndarray, "m 4 4"]) -> Float[np.ndarray, " m"]:
    """E Π max(u, 0), with variables that are one another taken together."""
    found = np.zeros(len(correlations))
    flat = _flat(correlations)
    found[flat] = _in_plane(correlations[flat])
    first = np.argmax(correlations >= _SAME, axis=2)
    ranks = np.where(np.linalg.det(correlations) < _FLAT, 3, 4)
    ranks[flat | np.any(correlations <= -_SAME, axis=(1, 2))] = 0
    for *labels, rank in np.unique(np.column_stack([first, ranks]), axis=0):
        if rank == 0:
            continue
        chosen = np.all(first == labels, axis=1) & (ranks == rank)
        kept, powers = np.unique(labels, return_counts=True)
        some = correlations[chosen][:, kept[:, None], kept]
        found[chosen] = _Normals(some, int(rank)).moment(tuple(powers.tolist()))
    return found


def _flat(correlations: Float[np.ndarray, "m 4 4"]) -> Bool[np.ndarray, " m"]:
    """Whether all four are of two normals."""
    found = np.ones(len(correlations), bool)
    for chosen in itertools.combinations(range(4), 3):
        a, b, c = (correlations[:, i, j] for i, j in itertools.combinations(chosen, 2))
        found &= 1 + 2 * a * b * c - a**2 - b**2 - c**2 < _FLAT
    return found


def _in_plane(correlations: Float[np.ndarray, "m 4 4"]) -> Float[np.ndarray, " m"]:
    """E Π max(u, 0) of four variables that are of two normals."""
    values, vectors = np.linalg.eigh(correlations)
    x, y = np.moveaxis(vectors[:, :, 2:] * np.sqrt(np.maximum(values[:, None, 2:], 0)), 2, 0)
    across = np.arctan2(y, x)[:, :, None] + np.array([-0.5, 0.5]) * math.pi
    edges = np.sort(np.mod(across.reshape(len(x), 8), 2 * math.pi), axis=1)
    edges = np.concatenate([edges, edges[:, :1] + 2 * math.pi], axis=1)
    nodes, weights = np.polynomial.legendre.leggauss(_NUM_NODES)
    half = np.diff(edges)[:, :, None] / 2
    angles = edges[:, :-1, None] + half * (1 + nodes)
    each = np.cos(angles)[:, None] * x[:, :, None, None]
    each = each + np.sin(angles)[:, None] * y[:, :, None, None]
    products = np.prod(np.maximum(each, 0), axis=1)
    mean_fourth_power = 8  # of the radius
    return mean_fourth_power * np.sum(products * half * weights, axis=(1, 2)) / (2 * math.pi)


class _Normals:
    """Centred normals with these covariances, which are of a rank at most."""

    def __init__(self, covariances: Float[np.ndarray, "m q q"], rank: int):
        self._covariances, self._rank = covariances, rank
        self._given_zero = functools.cache(self._conditional)

    def moment(self, powers: tuple[int, ...]) -> Float[np.ndarray, " m"]:
        """E Π u^p over where all are positive."""
        if not any(powers):
            return self._positive
        i = int(np.argmax(powers))
        left = _less(powers, i)
        found = np.zeros(len(self._covariances))
        for j, power in enumerate(left):
            cross = self._covariances[:, i, j]
            if power:
                found = found + power * cross * self.moment(_less(left, j))
            elif self._rank > 0:
                rest = (*left[:j], *left[j + 1 :])
                found = found + cross * self._density(j) * self._given_zero(j).moment(rest)
        return found

    def _density(self, j: int) -> Float[np.ndarray, " m"]:
        """Of u_j at 0."""
        variances = self._covariances[:, j, j]
        safe = np.where(variances > _NO_VARIANCE, variances, math.inf)
        return 1 / np.sqrt(2 * math.pi * safe)

    def _conditional(self, j: int) -> "_Normals":
        """The others, given that u_j is 0."""
        others = [i for i in range(self._covariances.shape[1]) if i != j]
        cross = self._covariances[:, others, j]
        variances = np.maximum(self._covariances[:, j, j], _NO_VARIANCE)
        apart = cross[:, :, None] * cross[:, None, :] / variances[:, None, None]
        return _Normals(self._covariances[:, others][:, :, others] - apart, self._rank - 1)

    @functools.cached_property
    def _positive(self) -> Float[np.ndarray, " m"]:
        """The probability that all are positive."""
        count = self._covariances.shape[1]
        stds = np.sqrt(np.maximum(np.diagonal(self._covariances, axis1=1, axis2=2), _NO_VARIANCE))
        correlations = np.clip(self._covariances / (stds[:, :, None] * stds[:, None, :]), -1, 1)
        if self._rank == 1:
            correlations = np.sign(correlations)
        found = np.ones(len(stds))
        for i, j in itertools.combinations(range(count), 2):
            found = found + 2 / math.pi * np.arcsin(correlations[:, i, j])
        if count == 4:
            found = found + expect_four_signs(correlations)
        return found / 2**count


def _less(powers: tuple[int, ...], place: int) -> tuple[int, ...]:
    """Powers with one less at a place."""
    return tuple(power - (i == place) for i, power in enumerate(powers))
