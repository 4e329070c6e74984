"""Matrices that are filled tile by tile, tiles of one shape.

An entry of a kernel is the same, to the last bit, whatever it is computed together with: tiles have
whole vectors of the processor, inner products a fixed number of rows (`networks.units`), and what
lies below a diagonal comes from above it. With positions it depends on the shape of the tiles too,
since sums over positions do.
"""

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Array, Float

# The tile's number along either axis.
Place: TypeAlias = tuple[int, int]

# Rows are padded to a multiple of this, the doubles in a vector of any CPU, so that no program
# computes its last rows in another way than the others.
_VECTOR = 8
# JAX takes an array of numpy's as it is where it starts at a multiple of this many bytes.
_ALIGNMENT = 64
# Columns that are turned into rows at once: two lines of the cache.
_STRIP = 16


class Tiling(NamedTuple):
    """A list of `rows` inputs cut into tiles of `size`, the last filled up with its last row."""

    rows: int
    size: int

    @classmethod
    def of(cls, rows: int, most: int) -> "Tiling":
        """The fewest tiles of at most `most` rows (then a whole number of vectors), all alike."""
        size = math.ceil(rows / math.ceil(rows / most))
        return cls(rows, size if most < _VECTOR else _VECTOR * math.ceil(size / _VECTOR))

    @property
    def tiles(self) -> int:
        """The number of tiles."""
        return math.ceil(self.rows / self.size)

    def cut(self, x: Array) -> list[np.ndarray]:
        """The inputs of each tile."""
        places = np.minimum(np.arange(self.tiles * self.size), self.rows - 1)
        return np.split(np.asarray(x)[places], self.tiles)

    def part(self, number: int) -> slice:
        """Where the rows of a tile stand among all of them."""
        return slice(number * self.size, min((number + 1) * self.size, self.rows))


class Sheet:
    """A matrix [first, second]; symmetric where there is no second list, and mirrored then."""

    def __init__(self, first: Tiling, second: Tiling | None, dtype: np.dtype):
        self._first, self._second = first, second or first
        self._symmetric = second is None
        self.matrix = _aligned((self._first.rows, self._second.rows), dtype)

    def places(self) -> list[Place]:
        """Of the tiles that are needed: all, or those on and above the diagonal."""
        return [
            (i, j)
            for i in range(self._first.tiles)
            for j in range(i if self._symmetric else 0, self._second.tiles)
        ]

    def write(
        self,
        place: Place,
        tile: Float[np.ndarray, "size1 size2"],
        diagonal: Float[np.ndarray, " size1"] | None = None,
    ) -> None:
        """Write a tile, and its mirror image; diagonal: what stands on the matrix's instead."""
        rows, columns = self._first.part(place[0]), self._second.part(place[1])
        tile = tile[: rows.stop - rows.start, : columns.stop - columns.start]
        if self._symmetric and rows == columns:
            tile = np.triu(tile) + np.triu(tile, 1).T
            if diagonal is not None:
                np.fill_diagonal(tile, diagonal[: len(tile)])
        elif self._symmetric:
            _turn(tile, self.matrix[columns, rows])
        self.matrix[rows, columns] = tile


def _turn(tile: np.ndarray, into: np.ndarray) -> None:
    """Write the transpose, a few columns at a time: four times as fast as all of them at once."""
    for start in range(0, tile.shape[1], _STRIP):
        into[start : start + _STRIP] = tile[:, start : start + _STRIP].T


def _aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array, not filled, that JAX can take without a copy."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
