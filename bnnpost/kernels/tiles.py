"""Gram matrices in tiles, begun in order on a few threads and spread over all devices."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.kernels.maps import Kind, LimitKernel, evaluated, rows_of_tile
from bnnpost.networks.layers import Layer
from bnnpost.numerics.threads import calls_libraries, in_order, num_cores
from bnnpost.storage import require_free

# The tile's number along either axis.
Place: TypeAlias = tuple[int, int]

# Rows are padded to a multiple of this, the doubles in a vector of any CPU, so that no program
# computes its last rows in another way than the others.
_VECTOR = 8
# JAX takes an array of numpy's as it is where it starts at a multiple of this many bytes.
_ALIGNMENT = 64
# Of the matrix, and what is asked of all its numbers at once.
_COPIES = 1.25
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


def gram(
    network: Layer,
    x1: Float[Array, "n1 *f"],
    x2: Float[Array, "n2 *f"] | None,
    key: Array | None,
    kinds: Sequence[Kind],
) -> list[Float[Array, "n1 n2"]]:
    """A kernel of each kind between two lists of inputs of one dtype, or of one with itself.

    x2 None: of x1 with itself, then exactly symmetric, with the variances (whose formula is the
    more exact) on the diagonal of an NNGP kernel. Nothing may be traced. The tangent kernel's map
    passes the NNGP kernel on as well: both take one pass.
    """
    shape = len(x1), len(x1 if x2 is None else x2)
    require_free(
        _COPIES * math.prod(shape) * x1.dtype.itemsize,
        f"a kernel of {shape[0]:,} × {shape[1]:,} numbers",
        "take fewer points, or the kernel of a block of rows with a block of columns at a time",
    )
    most = rows_of_tile(network, x1)
    first = Tiling.of(x1.shape[0], most)
    second = None if x2 is None else Tiling.of(x2.shape[0], most)
    sheets = {kind: Sheet(first, second, np.dtype(x1.dtype)) for kind in kinds}
    cut1 = first.cut(x1)
    cut2 = cut1 if x2 is None or second is None else second.cut(x2)
    places = sheets[kinds[0]].places()
    device = next(iter(x1.devices()))
    calls = _Calls((network, key), (cut1, cut2), _devices(device, len(places)), "ntk" in kinds)

    def work(number: int) -> None:
        found = calls(number, places[number])
        for kind, sheet in sheets.items():
            variances = np.asarray(found.variances) if kind == "nngp" else None
            sheet.write(places[number], np.asarray(found.of(kind)), variances)

    if len(places) == 1:
        work(0)
    else:
        for _ in in_order(work, range(len(places)), calls.threads(places[0])):
            pass
    matrices = [sheet.matrix for sheet in sheets.values()]
    return jax.device_put(matrices, device if x1.committed else None)


def _devices(device: jax.Device, count: int) -> list[jax.Device]:
    """Devices for so many tiles: this one and others of its kind."""
    others = [other for other in jax.local_devices(backend=device.platform) if other != device]
    return [device, *others][:count]


class _Calls:
    """Calls of one program for tiles of the inputs, in turn on each of some devices."""

    def __init__(
        self,
        shared: tuple[Layer, Array | None],
        cut: tuple[list[np.ndarray], list[np.ndarray]],
        devices: list[jax.Device],
        tangent: bool,
    ):
        """shared: the network, and its key; cut: inputs of the tiles along either axis."""
        self._on = [jax.device_put((shared, cut), device) for device in devices]
        self._tangent = tangent
        self._on_cpu = devices[0].platform == "cpu"
        self._double = jnp.result_type(float) == np.float64

    def _arguments(self, number: int, place: Place) -> tuple[Any, ...]:
        (network, key), (inputs1, inputs2) = self._on[number % len(self._on)]
        apart = np.bool_(True) if self._on_cpu else None
        return network, inputs1[place[0]], inputs2[place[1]], key, apart

    def __call__(self, number: int, place: Place) -> LimitKernel:
        # Each thread has a flag of its own.
        with jax.enable_x64(self._double):
            return evaluated(*self._arguments(number, place), tangent=self._tangent)

    def threads(self, place: Place) -> int:
        """How many tiles are begun at once.

        One on each core of a CPU; on each of several devices the next waits as one is run. But
        library calls, such as an activation of the user's may make, wait on a CPU for the threads
        that they run on, and two at once can wait for ever.
        """
        if not self._on_cpu or len(self._on) > 1:
            return 2 * len(self._on)
        return 1 if self._calls_libraries(place) else num_cores()

    def _calls_libraries(self, place: Place) -> bool:
        """Whether the program holds custom calls; looked up once for each program."""
        arguments = self._arguments(0, place)
        leaves, structure = jax.tree.flatten((arguments, self._tangent))
        signature = (structure, tuple((jnp.shape(a), jnp.result_type(a)) for a in leaves))
        if signature not in _library_calls:
            program = evaluated.lower(*arguments, tangent=self._tangent)
            _library_calls[signature] = calls_libraries(program.as_text())
        return _library_calls[signature]


_library_calls: dict[object, bool] = {}
