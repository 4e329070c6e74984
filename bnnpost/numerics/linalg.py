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

from bnnpost.numerics.elimination import Index, in_blocks, less_products, reduced_rows

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
    return whitened(covariance, order, jnp.zeros((len(order), 0), covariance.dtype), zero_pivot)[0]


@_square_root.defjvp
def _square_root_jvp(
    zero_pivot: float, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    """dC = dK C⁻ᵀ − C Φᵀ, Φ the lower half of C⁻¹ dK C⁻ᵀ; of dependent rows C⁻¹ is 0."""
    covariance, order = primals
    identity = jnp.eye(len(order), dtype=covariance.dtype)
    matrix, inverse = whitened(covariance, order, identity, zero_pivot)
    place = jnp.argsort(order)
    half = jnp.where(place[:, None] < place, 1.0, jnp.where(place[:, None] == place, 0.5, 0.0))
    halfway = tangents[0] @ inverse.T
    return matrix, halfway - matrix @ (half * (inverse @ halfway))


def whitened(
    covariance: Float[Array, "n n"],
    order: Int[Array, " n"],
    values: Float[Array, "n c"],
    zero_pivot: float = ZERO_PIVOT,
) -> tuple[Float[Array, "n n"], Float[Array, "n c"]]:
    """The matrix C of `nested_factor`, and g with C g = values, for values in the span of C.

    g is 0 at the rows that others determine.
    """
    num_rows = len(order)
    ordered = jnp.concatenate([covariance[order][:, order], values[order]], axis=1)
    variances, index = jnp.diagonal(ordered), jnp.arange(ordered.shape[1])

    def eliminate(first: Index, size: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        remainder, found = state
        own = jax.lax.dynamic_slice_in_dim(variances, first, size)

        def inverse(i: int, pivot: Array) -> Array:
            is_zero = pivot <= zero_pivot * own[i]
            return jnp.where(is_zero, 0.0, 1 / jnp.where(is_zero, 1.0, pivot))

        rows, inverses = reduced_rows(remainder, first, size, inverse)
        scaled = [
            jnp.where(index >= first + i, row * jnp.sqrt(inverses[i]), 0.0)
            for i, row in enumerate(rows)
        ]
        remainder, stacked = less_products(remainder, scaled, scaled)
        return remainder, jax.lax.dynamic_update_slice_in_dim(found, stacked, first, 0)

    found = in_blocks(eliminate, num_rows, (ordered, jnp.zeros_like(ordered)))[1]
    place = jnp.argsort(order)
    return found[:, :num_rows].T[place][:, place], found[:, num_rows:][place]


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


def schur(matrix: Float[Array, "n+r n+r"], num_pivots: int) -> Schur:
    """D − Bᵀ A⁻¹ B and log det A of a symmetric [[A, B], [Bᵀ, D]], A the leading n × n block.

    Elimination without pivoting, stable for definite A. NaN in both if A is not positive definite
    in double precision.
    """

    def eliminate(first: Index, size: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        remainder, log_det = state
        rows, inverses = reduced_rows(remainder, first, size, _of_positive)
        scaled = [row * inverse for row, inverse in zip(rows, inverses, strict=True)]
        remainder, _ = less_products(remainder, rows, scaled)
        return remainder, log_det - sum(jnp.log(inverse) for inverse in inverses)

    state = (matrix, jnp.zeros((), matrix.dtype))
    remainder, log_det = in_blocks(eliminate, num_pivots, state)
    return Schur(remainder[num_pivots:, num_pivots:], log_det)


def bordered_by(
    values: Float[Array, "n k"], covariance: Float[Array, "n n"]
) -> Float[Array, "n+k n+k"]:
    """A covariance with values beside it and below it, and zeros in the corner."""
    corner = jnp.zeros((values.shape[1],) * 2, values.dtype)
    return jnp.block([[covariance, values], [values.T, corner]])


def _of_positive(i: int, pivot: Array) -> Array:
    """1 / pivot; NaN unless it is positive."""
    del i
    return 1 / jnp.where(pivot > 0, pivot, jnp.nan)


@jax.custom_jvp
def gaussian_log_density(
    values: Float[Array, "n k"], covariance: Float[Array, "n n"]
) -> Float[Array, ""]:
    """Σ_o log N(values[:, o]; 0, covariance) in nats; NaN if the covariance is not definite."""
    eliminated = schur(bordered_by(values, covariance), len(values))
    return _log_density(eliminated, values)


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
    num_outputs = values.shape[1]
    inverse, solved, eliminated = _swept(values, covariance)
    slope = 0.5 * (solved @ solved.T - num_outputs * inverse)
    found = _log_density(eliminated, values)
    return found, jnp.sum(slope * tangents[1]) - jnp.sum(solved * tangents[0])


def solve(covariance: Float[Array, "n n"], values: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """K⁻¹ values; NaN if the covariance is not definite."""
    return _swept(values, covariance).solved


class _Swept(NamedTuple):
    """K⁻¹, K⁻¹ values, and what elimination alone gives: −valuesᵀ K⁻¹ values and log det K."""

    inverse: Float[Array, "n n"]
    solved: Float[Array, "n k"]
    eliminated: Schur


def _swept(values: Float[Array, "n k"], covariance: Float[Array, "n n"]) -> _Swept:
    """By sweeps (Beaton 1964), which cost what elimination does. NaN as in `schur`.

    With s taken off the pivots' rows, elimination leaves 2s − s² K⁻¹ and s K⁻¹ values in their
    place. s is the largest variance: then no entry of s K⁻¹'s diagonal is below 1, beside which the
    rounding of 2 is nothing.
    """
    num_rows = len(values)
    shift = jnp.max(jnp.diagonal(covariance))

    def sweep(first: Index, size: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        found, log_det = state
        rows, inverses = reduced_rows(found, first, size, _of_positive, shift)
        scaled = [row * inverse for row, inverse in zip(rows, inverses, strict=True)]
        found, _ = less_products(found, rows, scaled)
        return found, log_det - sum(jnp.log(inverse) for inverse in inverses)

    bordered = bordered_by(values, covariance)
    found, log_det = in_blocks(sweep, num_rows, (bordered, jnp.zeros((), bordered.dtype)))
    twice = 2 * shift * jnp.eye(num_rows, dtype=bordered.dtype)
    inverse = (twice - found[:num_rows, :num_rows]) / shift / shift
    eliminated = Schur(found[num_rows:, num_rows:], log_det)
    return _Swept(inverse, found[:num_rows, num_rows:] / shift, eliminated)
