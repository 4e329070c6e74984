"""Symmetric elimination, several rows at a time: what square roots and linear systems share."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Above this many rows the elimination is a compiled loop instead of straight-line code, of two rows
# at a time, and from so many on of four, which take longer to compile.
_UNROLLED_ROWS, _FEWEST_FOR_FOUR = 8, 16
State = TypeVar("State")
Index = Array | int


def in_blocks(
    eliminate: Callable[[Index, int, State], State], num_rows: int, state: State
) -> State:
    """The state after all rows are eliminated: given the first of some rows, how many, and it.

    What is over comes last, so that more rows leave what became of the first as it was.
    """
    if num_rows <= _UNROLLED_ROWS:
        for row in range(num_rows):
            state = eliminate(row, 1, state)
        return state
    size = 4 if num_rows >= _FEWEST_FOR_FOUR else 2
    whole, rest = divmod(num_rows, size)
    state = jax.lax.fori_loop(0, whole, lambda k, s: eliminate(k * size, size, s), state)
    return eliminate(whole * size, rest, state) if rest else state


def reduced_rows(
    matrix: Float[Array, "n m"],
    first: Index,
    size: int,
    inverse: Callable[[int, Array], Array],
    shift: Array | float = 0.0,
) -> tuple[list[Float[Array, " n"]], list[Array]]:
    """Some rows of a matrix, symmetric on the left, each less what those before it here say of it.

    And what `inverse` makes of the pivot of each: its inverse, or 0 to leave it out. shift: taken
    off the diagonal of the rows, not of the pivots.
    """
    block = jax.lax.dynamic_slice_in_dim(matrix, first, size)
    corner = jax.lax.dynamic_slice_in_dim(block, first, size, axis=1)
    index, inverses = jnp.arange(matrix.shape[1]), []
    rows = [block[i] - shift * (index == first + i) for i in range(size)]
    numbers = [[corner[i, j] for j in range(size)] for i in range(size)]
    for i in range(size):
        inverses.append(inverse(i, numbers[i][i]))
        for k in range(i + 1, size):
            share = numbers[i][k] * inverses[i]
            rows[k] = rows[k] - share * rows[i]
            numbers[k] = [numbers[k][j] - share * numbers[i][j] for j in range(size)]
    return rows, inverses


def less_products(
    matrix: Float[Array, "n m"], left: list[Array], right: list[Array]
) -> tuple[Float[Array, "n m"], Float[Array, "b m"]]:
    """The matrix less the outer products of vectors (on the left their first n), and these.

    Of several the vectors are found before: else each is found anew for every row of the matrix.
    """
    num_rows = matrix.shape[0]
    columns, rows = jnp.stack(left), jnp.stack(right)
    if len(left) > 1:
        columns, rows = jax.lax.optimization_barrier((columns, rows))
    for i in range(len(left)):
        matrix = matrix - columns[i, :num_rows, None] * rows[i]
    return matrix, columns
