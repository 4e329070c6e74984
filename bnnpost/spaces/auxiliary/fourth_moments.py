"""E X² of a unit, X = (φ·t)²/2N, by E φφφφ: a sharper lower bound of E[1 − e^−X] than a chord's."""

import itertools
from typing import Any

import equinox as eqx
import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from bnnpost.networks.nonlinearities import Nonlinearity
from bnnpost.spaces.auxiliary.radius import Radius

# With more points the n⁴/24 moments, and the (n²/2)² of their matrix, are too many.
MOST_POINTS = 64
# Moments may change by so much, relative to the largest, with the order of the points.
_MOST_MOVED = 1e-9
# Eigenvalues of a kernel, relative to the largest, that are rounding.
_NO_EIGENVALUE = 1e-13
# Any share of the matrix of means leaves a bound that is valid; this one is about the best.
_SHARE = 1.1


class FourthMoments(eqx.Module):
    """E φ_a φ_b φ_c φ_d of a unit, for a ≤ b ≤ c ≤ d in the order of Python's combinations.

    excess: κ, with Σ E (φ·t_i)²(φ·t_j)² ≤ κ (Σ t_iᵀ K t_i)² whatever the vectors t.
    """

    moments: Float[np.ndarray, " m"]
    excess: np.float64

    def of(self, t: Any) -> Any:
        """Σ_ij E (φ·t_i)²(φ·t_j)² over the columns of t, [n, k], of numpy or JAX."""
        rows, columns = np.triu_indices(len(t))
        products = (t @ t.T)[rows, columns] * np.where(rows == columns, 1.0, 2.0)
        return products @ (self.moments[_places(len(t))] @ products)


def fourth_moments(
    nonlinearity: Nonlinearity,
    covariance: Float[np.ndarray, "n n"],
    scale: float,
    kernel: Float[np.ndarray, "n n"],
    radius: Radius,
) -> FourthMoments | None:
    """Those of scale·φ(u), u with this covariance; None where they are not known to rounding.

    kernel: K = E φφᵀ, with the scale; radius: that of units, of which they are then free.
    """
    count = len(covariance)
    if count > MOST_POINTS:
        return None
    chosen = _quadruples(count)
    covariances = covariance[chosen[:, :, None], chosen[:, None, :]]
    found = nonlinearity.fourth_moments(covariances)
    if found is None:
        return None
    again = nonlinearity.fourth_moments(covariances[:, ::-1, ::-1])
    if not np.max(np.abs(found - again)) <= _MOST_MOVED * np.max(np.abs(found)):
        return None
    moments = scale**4 / radius.mean_square * found
    return FourthMoments(moments, np.float64(_excess(moments[_places(count)], kernel)))


def _excess(matrix: Float[np.ndarray, "p p"], kernel: Float[np.ndarray, "n n"]) -> float:
    """κ: where K is 1 by a change of coordinates, a share of tr², and an eigenvalue of the rest."""
    rows, columns = np.triu_indices(len(kernel))
    values, vectors = np.linalg.eigh(kernel)
    kept = values > _NO_EIGENVALUE * values[-1]
    root = vectors[:, kept].T / np.sqrt(values[kept])[:, None]
    firsts, seconds = np.triu_indices(len(root))
    # Products t_a t_b as sums over those of whitened coordinates, a matrix on pairs.
    change = root[:, rows][firsts] * root[:, columns][seconds]
    swapped = root[:, rows][seconds] * root[:, columns][firsts]
    change = np.where(rows == columns, change, change + swapped)
    lengths = np.where(firsts == seconds, 1.0, np.sqrt(2.0))
    white = lengths[:, None] * (change @ matrix @ change.T) * lengths
    trace = (firsts == seconds).astype(float)
    rest = white - _SHARE * np.outer(trace, trace)
    largest = scipy.linalg.eigvalsh(rest, subset_by_index=[len(rest) - 1] * 2)[0]
    return (_SHARE + max(float(largest), 0.0)) * (1 + 1e-9)


def _quadruples(count: int) -> Int[np.ndarray, "m 4"]:
    return np.array(list(itertools.combinations_with_replacement(range(count), 4)))


def _places(count: int) -> Int[np.ndarray, "p p"]:
    """Where the moment of each pair of pairs a ≤ b is among the quadruples."""
    rows, columns = np.triu_indices(count)
    pairs = np.broadcast_arrays(rows[:, None], columns[:, None], rows, columns)
    ordered = np.sort(np.stack(pairs, axis=-1).astype(np.int32), axis=-1)
    numbers = np.zeros((count,) * 4, np.int32)
    quadruples = _quadruples(count)
    numbers[tuple(quadruples.T)] = np.arange(len(quadruples))
    return numbers[tuple(np.moveaxis(ordered, -1, 0))]
