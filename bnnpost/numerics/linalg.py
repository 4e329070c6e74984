"""Elimination for covariances, singular ones included, in plain array operations.

Every function here runs inside vmap over many proposals at once, and blocks of proposals run
on several threads. LAPACK is kept out of that: its batched kernels in jaxlib wait for the
same few threads that they run on, and two of them at once can wait for ever.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

# A pivot at or below this fraction of its own variance is rounding: a row with such a pivot is, to
# a relative error of 3e-6 in its standard deviation, a linear combination of the rows before it.
# What later rows take from a pivot is known to the rounding of the Gram matrix (1e-15) over this
# fraction, and to that of features that another program computes (1e-7 in single precision) over
# its root: at 1e-13, two draws in a thousand of a network with saturated units had predictions
# that did not go through their own training outputs.
ZERO_PIVOT = 1e-11
# What `pivot_order` takes for determined: its covariance comes from elsewhere, with a rounding
# of its own. And what it takes for alike.
_DETERMINED, _ALIKE = 1e-10, 0.01
# Above this many rows the elimination is a compiled loop instead of straight-line code.
_UNROLLED_ROWS = 8
# Up to this many rows a product with a square factor is straight-line code, no matrix product.
_WRITTEN_OUT_ROWS = 6


class Factor(NamedTuple):
    """A square root C of a covariance, C Cᵀ, found by elimination in a certain order.

    Column j belongs to row j; those of rows that depend on rows eliminated before are 0.
    order: the rows as they were eliminated; C is lower triangular in that order.
    """

    matrix: Float[Array, "n n"]
    order: Int[Array, " n"]

    def independent(self) -> Bool[Array, " n"]:
        """Which rows do not depend on those eliminated before them."""
        return jnp.diagonal(self.matrix) > 0


def nested_factor(
    covariance: Float[Array, "n n"], order: Int[Array, " n"], zero_pivot: float = ZERO_PIVOT
) -> Factor:
    """The square root of a positive semidefinite covariance, to rounding, whatever its rank.

    Rows are eliminated in the given order (see `pivot_order`); training rows come first in it,
    so a factor of the training block stays as it is when test rows are appended. A row whose
    conditional variance is rounding gets a pivot of exactly 0: no jitter is added, duplicates
    get equal rows, and nothing is NaN unless the covariance is. zero_pivot: what is rounding, as a
    fraction of a row's own variance.
    """
    return Factor(_square_root(covariance, order, zero_pivot), order)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _square_root(
    covariance: Float[Array, "n n"], order: Int[Array, " n"], zero_pivot: float
) -> Float[Array, "n n"]:
    num_rows = covariance.shape[0]
    variances = jnp.diagonal(covariance)
    index = jnp.arange(num_rows)

    def eliminate(k: int, state: _Elimination) -> _Elimination:
        # A row is picked out by a product: batched gathers and scatters are slow on CPUs.
        here = (index == order[k]).astype(covariance.dtype)
        column = state.remainder @ here
        pivot, variance = jnp.sum(column * here), jnp.sum(variances * here)
        is_zero = pivot <= zero_pivot * variance
        inverse_root = jnp.where(is_zero, 0.0, jax.lax.rsqrt(jnp.where(is_zero, 1.0, pivot)))
        column = jnp.where(state.free, column * inverse_root, 0.0)
        return _Elimination(
            state.remainder - column[:, None] * column[None, :],
            state.matrix + column[:, None] * here[None, :],
            state.free & (index != order[k]),
        )

    state = _Elimination(covariance, jnp.zeros_like(covariance), jnp.ones_like(index, bool))
    unroll = num_rows if 0 < num_rows <= _UNROLLED_ROWS else 1
    return jax.lax.fori_loop(0, num_rows, eliminate, state, unroll=unroll).matrix


@_square_root.defjvp
def _square_root_jvp(
    zero_pivot: float, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    """dC = dK C⁻ᵀ − C Φᵀ, Φ the lower half of C⁻¹ dK C⁻ᵀ; of dependent rows C⁻¹ is 0."""
    covariance, order = primals
    matrix = _square_root(covariance, order, zero_pivot)
    inverse = solve_lower(Factor(matrix, order), jnp.eye(len(order), dtype=matrix.dtype))
    place = jnp.argsort(order)
    half = jnp.where(place[:, None] < place, 1.0, jnp.where(place[:, None] == place, 0.5, 0.0))
    halfway = tangents[0] @ inverse.T
    return matrix, halfway - matrix @ (half * (inverse @ halfway))


def pivot_order(covariance: Float[np.ndarray, "n n"], num_first: int) -> Int[np.ndarray, " n"]:
    """The order of elimination of a pivoted Cholesky factorisation, `num_first` rows first.

    Each row is the one that those before it determine least, by its conditional variance
    relative to its own; of rows alike within one per cent the first, so that rounding does
    not choose. What is determined to rounding comes last, spread over its places.
    """
    num_rows = len(covariance)
    variances = np.diagonal(covariance)
    remaining = np.where(variances > 0, 1.0, 0.0)
    scale = np.sqrt(np.where(variances > 0, variances, 1.0))
    correlation = covariance / scale[:, None] / scale
    columns, order = np.zeros((num_rows, 0)), np.zeros(0, int)
    for start, stop in ((0, num_first), (num_first, num_rows)):
        while np.max(remaining[start:stop], initial=0.0) > _DETERMINED:
            largest = np.max(remaining[start:stop])
            row = start + int(np.argmax(remaining[start:stop] >= (1 - _ALIKE) * largest))
            column = correlation[:, row] - columns @ columns[row]
            columns = np.column_stack([columns, column / np.sqrt(remaining[row])])
            remaining = np.maximum(remaining - columns[:, -1] ** 2, 0.0)
            remaining[row] = 0.0
            order = np.append(order, row)
        rest = start + spread(stop - start)
        order = np.append(order, rest[~np.isin(rest, order)])
    return order


def spread(count: int) -> Int[np.ndarray, " n"]:
    """0 … count − 1 so that every prefix is spread over the list.

    Both ends first (nothing is extrapolated), then the others by their reversed bits.
    """
    bits = max(1, (count - 1).bit_length())
    places = [int(f"{i:0{bits}b}"[::-1], 2) for i in range(count)]
    if count > 1:
        places[-1] = 0
    return np.argsort(places, kind="stable")


class _Elimination(NamedTuple):
    remainder: Float[Array, "n n"]
    matrix: Float[Array, "n n"]
    free: Bool[Array, " n"]


def square_times(factor: Float[Array, "n n"], normals: Float[Array, "n w"]) -> Float[Array, "n w"]:
    """C G for a small square C, in the precision of G.

    Small products are written out row by row, which the compiler fuses with the activation
    that follows. The vanishing term makes C depend on the draw: a factor that is the same for
    every draw (the first layer's) is otherwise taken out of the batch, and the product
    transposed back; together a fifth of the time of a proposal.
    """
    factor = factor.astype(normals.dtype) + 0.0 * normals[:1, :1]
    num_rows = factor.shape[0]
    if num_rows > _WRITTEN_OUT_ROWS:
        return jnp.matmul(factor, normals, precision="highest")
    rows = [sum(factor[i, j] * normals[j] for j in range(num_rows)) for i in range(num_rows)]
    return jnp.stack(rows)


def solve_lower(factor: Factor, values: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """g with C g = values, for values in the span of C; 0 at the rows that others determine."""

    def eliminate(k: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        residual, found = state
        j = factor.order[k]
        pivot = factor.matrix[j, j]
        row = jnp.where(pivot > 0, residual[j] / jnp.where(pivot > 0, pivot, 1.0), 0.0)
        return residual - factor.matrix[:, j][:, None] * row, found.at[j].set(row)

    state = (values, jnp.zeros_like(values))
    return jax.lax.fori_loop(0, values.shape[0], eliminate, state)[1]


def orthonormal_rows(rows: Float[Array, "n p"], factor: Factor) -> Float[Array, "p n"]:
    """Q with orthonormal columns such that rows = C Qᵀ, for the factor C of rows rowsᵀ.

    Gram–Schmidt in the order of elimination, with every row orthogonalised twice. Columns that
    belong to dependent rows are 0: a QR factorisation would fill them with directions made
    of rounding. Needs n ≤ p.
    """
    independent = factor.independent()

    def orthogonalise(k: int, basis: Array) -> Array:
        j = factor.order[k]
        residual = rows[j] - basis @ (rows[j] @ basis)
        residual = residual - basis @ (residual @ basis)
        norm = jnp.sqrt(jnp.sum(residual**2))
        unit = jnp.where(independent[j], residual / jnp.where(norm > 0, norm, 1.0), 0.0)
        return basis.at[:, j].set(unit)

    return jax.lax.fori_loop(0, rows.shape[0], orthogonalise, jnp.zeros_like(rows.T))


class Schur(NamedTuple):
    """What is left of a matrix [[A, B], [C, D]] when its leading block A is eliminated."""

    complement: Float[Array, "r c"]
    log_det: Float[Array, ""]


def schur(matrix: Float[Array, "n+r n+c"], num_pivots: int) -> Schur:
    """D − C A⁻¹ B and log det A, for A the leading n × n block, symmetric and definite.

    Elimination without pivoting, stable for such A. NaN in both if A is not positive
    definite in double precision.
    """

    def eliminate(j: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        remainder, log_det = state
        pivot = remainder[j, j]
        pivot = jnp.where(pivot > 0, pivot, jnp.nan)
        row = remainder[j] / pivot
        return remainder - remainder[:, j][:, None] * row[None, :], log_det + jnp.log(pivot)

    state = (matrix, jnp.zeros((), matrix.dtype))
    unroll = num_pivots if 0 < num_pivots <= _UNROLLED_ROWS else 1
    remainder, log_det = jax.lax.fori_loop(0, num_pivots, eliminate, state, unroll=unroll)
    return Schur(remainder[num_pivots:, num_pivots:], log_det)


@jax.custom_jvp
def gaussian_log_density(
    values: Float[Array, "n k"], covariance: Float[Array, "n n"]
) -> Float[Array, ""]:
    """Σ_o log N(values[:, o]; 0, covariance) in nats; NaN if the covariance is not definite."""
    eliminated = schur(_bordered(values, covariance), len(values))
    return _log_density(eliminated, values)


def _bordered(values: Array, covariance: Array) -> Float[Array, "n+k n+k"]:
    corner = jnp.zeros((values.shape[1],) * 2, values.dtype)
    return jnp.block([[covariance, values], [values.T, corner]])


def _log_density(eliminated: Schur, values: Array) -> Float[Array, ""]:
    num_rows, num_outputs = values.shape
    squares = -jnp.trace(eliminated.complement)
    constant = num_rows * math.log(2 * math.pi)
    return -0.5 * (squares + num_outputs * (eliminated.log_det + constant))


@gaussian_log_density.defjvp
def _gaussian_log_density_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Its derivative: −A by the values and (A Aᵀ − k K⁻¹)/2 by the covariance, A = K⁻¹ values."""
    values, covariance = primals
    num_rows, num_outputs = values.shape
    matrix, log_det = _swept(_bordered(values, covariance), num_rows)
    solved, inverse = matrix[:num_rows, num_rows:], -matrix[:num_rows, :num_rows]
    found = _log_density(Schur(matrix[num_rows:, num_rows:], log_det), values)
    slope = 0.5 * (solved @ solved.T - num_outputs * inverse)
    return found, jnp.sum(slope * tangents[1]) - jnp.sum(solved * tangents[0])


def solve(covariance: Float[Array, "n n"], values: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """K⁻¹ values; NaN if the covariance is not definite."""
    num_rows = len(values)
    return _swept(_bordered(values, covariance), num_rows)[0][:num_rows, num_rows:]


def _swept(
    matrix: Float[Array, "n+k n+k"], num_pivots: int
) -> tuple[Float[Array, "n+k n+k"], Float[Array, ""]]:
    """[[−A⁻¹, A⁻¹B], [BᵀA⁻¹, D − BᵀA⁻¹B]] of a symmetric [[A, B], [Bᵀ, D]], and log det A.

    By sweeps (Beaton 1964), which cost what elimination does. NaN as in `schur`.
    """

    def sweep(j: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        found, log_det = state
        pivot = found[j, j]
        pivot = jnp.where(pivot > 0, pivot, jnp.nan)
        row = found[j] / pivot
        found = found - found[:, j][:, None] * row[None, :]
        found = found.at[j].set(row).at[:, j].set(row).at[j, j].set(-1 / pivot)
        return found, log_det + jnp.log(pivot)

    return jax.lax.fori_loop(0, num_pivots, sweep, (matrix, jnp.zeros((), matrix.dtype)))  # type: ignore[no-any-return]
