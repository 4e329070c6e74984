"""Gram matrices in tiles: blocks of one shape, so that one program is compiled.

A symmetric matrix is computed above its diagonal and mirrored. Tiles are begun in order on a few
threads, spread over all devices, and written into one array. An entry is the same, to the last
bit, whatever the tiles: rows are padded to whole vectors of the processor, so that no program
treats its last rows in another way, and what lies below the diagonal always comes from above it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.kernels.maps import tile
from bnnpost.networks.layers import Layer
from bnnpost.numerics.threads import in_order, num_cores

# Rows are padded to a multiple of this: the doubles in a vector of any CPU.
_VECTOR = 8
# JAX uses an array of numpy's as it is where it starts at a multiple of this many bytes.
_ALIGNMENT = 64
# Columns of a tile turned into rows at once, as many as a line of the cache holds twice.
_STRIP = 16


@dataclass(frozen=True)
class Tiling:
    """Inputs cut into `count` tiles of `size` rows, the last filled up with its last row."""

    rows: int
    size: int

    @classmethod
    def of(cls, rows: int, most: int) -> "Tiling":
        """As few tiles of at most about `most` rows as there can be, of equal size."""
        size = math.ceil(rows / math.ceil(rows / most))
        return cls(rows, size if most < _VECTOR else _VECTOR * math.ceil(size / _VECTOR))

    @property
    def count(self) -> int:
        """The number of tiles."""
        return math.ceil(self.rows / self.size)

    def cut(self, x: np.ndarray) -> list[np.ndarray]:
        """The inputs of every tile."""
        places = np.minimum(np.arange(self.count * self.size), self.rows - 1)
        return np.split(x[places], self.count)

    def part(self, number: int) -> slice:
        """The rows of a tile, without what it is filled up with."""
        return slice(number * self.size, min((number + 1) * self.size, self.rows))


class Gram:
    """The kernel between two lists of inputs, or of one with itself (x2 None), tile by tile."""

    def __init__(
        self, network: Layer, x1: Array, x2: Array | None, key: Array | None, tangent: bool
    ):
        """Everything concrete; x1 and x2 of one dtype."""
        self._network, self._key, self._tangent = network, key, tangent
        self._symmetric = x2 is None
        self._double = jnp.result_type(float) == np.float64
        self._device = next(iter(x1.devices()))
        ...
