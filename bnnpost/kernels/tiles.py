"""Gram matrices in tiles, begun in order on a few threads and spread over all devices."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.kernels.maps import Kernel, evaluated, rows_of_tile
from bnnpost.kernels.sheets import Place, Sheet, Tiling
from bnnpost.networks.layers import Layer
from bnnpost.numerics.threads import calls_libraries, in_order, num_cores


def gram(
    network: Layer,
    x1: Float[Array, "n1 *f"],
    x2: Float[Array, "n2 *f"] | None,
    key: Array | None,
    *,
    tangent: bool,
) -> Float[Array, "n1 n2"]:
    """The kernel between two lists of inputs of one dtype, or of one with itself (x2 None).

    Nothing may be traced. Of a list with itself it is exactly symmetric, with the variances
    (whose formula is the more exact) on the diagonal of an NNGP kernel.
    """
    most = rows_of_tile(network, x1)
    first = Tiling.of(x1.shape[0], most)
    second = None if x2 is None else Tiling.of(x2.shape[0], most)
    sheet = Sheet(first, second, np.dtype(x1.dtype))
    cut1 = first.cut(x1)
    cut2 = cut1 if x2 is None or second is None else second.cut(x2)
    places = sheet.places()
    device = next(iter(x1.devices()))
    calls = _Calls((network, key), (cut1, cut2), _devices(device, len(places)), tangent)

    def work(number: int) -> None:
        found = calls(number, places[number])
        variances = None if tangent else np.asarray(found.variances)
        sheet.write(places[number], np.asarray(found.last), variances)

    if len(places) == 1:
        work(0)
    else:
        for _ in in_order(work, range(len(places)), calls.threads(places[0])):
            pass
    return jax.device_put(sheet.matrix, device if x1.committed else None)


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

    def __call__(self, number: int, place: Place) -> Kernel:
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
