"""Running one function of a draw's key over many proposal numbers, in blocks of fixed shape.

A call takes one block to each local device (`jax.shard_map`, no collectives). Calls are begun
on a few threads and come back in order, so what is chosen from them depends neither on which
thread or device was faster nor on how many there are. On a CPU small batches that fit in its
cache, one thread a core, deliver about 1.5 times the proposals a second of one large batch.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from bnnpost.networks.linear import linear_layers
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import fold_number
from bnnpost.numerics.threads import calls_libraries, in_order, num_cores
from bnnpost.spaces.sources import Origin
from bnnpost.spaces.space import Space

# Normals in one compiled batch (on a CPU a layer of it fits a core's cache; measured with
# benchmarks/throughput.py), in one block of proposals (about a tenth of a second on one core)
# and in one chunk of predictions. Accelerators want more work in a step.
_NORMALS = {"cpu": (2**16, 2**24, 2**21), "accelerator": (2**23, 2**28, 2**25)}
_LARGEST_BATCH = {"cpu": 2**11, "accelerator": 2**15}
_LARGEST_BLOCK = 2**16
_LARGEST_CHUNK = 2**12
_DEVICE = "device"

# Proposal numbers; or numbers of a chain's draws and the arrays that it gives for each.
Items: TypeAlias = Any
# A task computes arrays from the space, one draw (its key, or its origin) and further arrays.
Task = Callable[..., object]
# A function of the space, the key, one device's share of the items, and further arrays, whose
# results' first axes follow the items. Compared by value, so that one kind is compiled once.
BlockTask = Callable[..., object]


@dataclass(frozen=True)
class Each:
    """A task for every draw among the items, `batch` of them in one compiled step."""

    task: Task
    batch: int

    def __call__(self, space: Space, key: Array, items: Items, *extra: Any) -> object:
        def one(item: Items) -> object:
            if not isinstance(item, tuple):
                return self.task(space, proposal_key(key, item), *extra)
            number, given = item
            return self.task(space, Origin(proposal_key(key, number), given), *extra)

        def batches(array: Array) -> Array:
            return array.reshape(-1, self.batch, *array.shape[1:])

        if self.batch == 1 and space.auxiliary is not None:
            return jax.lax.map(one, items)  # whose loops would wait for one another
        stacked = jax.lax.map(jax.vmap(one), jax.tree.map(batches, items))
        return jax.tree.map(lambda a: a.reshape(a.shape[0] * a.shape[1], *a.shape[2:]), stacked)


@dataclass(frozen=True)
class BlockShape:
    """Proposals evaluated together: `batch` in one compiled step, `block` in one call.

    chunk: the same as block, where whole predictions come back and not two numbers.
    """

    batch: int
    block: int
    chunk: int


# Attempts of auxiliary rejection take as long as they take, and those in a batch as long as the
# longest of them: in a batch, and at most in a block.
_ATTEMPTS = {"cpu": (1, 2**8), "accelerator": (2**7, 2**12)}


def block_shape(space: Space, num_test: int = 0) -> BlockShape:
    """The block shape for this network, data size and number of test inputs; it is recorded.

    Powers of two that depend on nothing else but on whether there is an accelerator, so
    neither a draw's last bits nor the memory depend on the machine's size.
    """
    kind = "cpu" if jax.default_backend() == "cpu" else "accelerator"
    normals = num_normals(space, num_test)
    in_batch, in_block, in_chunk = _NORMALS[kind]
    if space.auxiliary is not None:
        batch, largest = _ATTEMPTS[kind]
        in_units = sum(normals) * math.exp(space.auxiliary.tilt.largest)
        block = max(batch, _power_of_two(int(in_block / in_units), largest))
        return BlockShape(batch, block, block)
    batch = _power_of_two(in_batch // max(normals), _LARGEST_BATCH[kind])
    block, chunk = (
        max(batch, _power_of_two(total // sum(normals), largest))
        for total, largest in ((in_block, _LARGEST_BLOCK), (in_chunk, _LARGEST_CHUNK))
    )
    return BlockShape(batch, block, chunk)


def num_normals(space: Space, num_test: int = 0) -> list[int]:
    """How many normals each linear layer of one proposal takes."""
    posterior = space.posterior
    points, weights = posterior.num_points + num_test, space.form == "weights"
    return [
        met.layer.width
        * (met.fan_in if weights or met.layer.priors.weights is not None else points * met.rows)
        for met in linear_layers(posterior.network, posterior.x.shape[1:])
    ]


def _power_of_two(number: int, largest: int) -> int:
    return min(largest, 1 << max(0, number.bit_length() - 1))


def proposal_key(key: Array, number: Array) -> Array:
    """The key of the proposal with this number: a draw is its proposal number."""
    return fold_number(key, number)


@functools.partial(jax.jit, static_argnames=("task", "mesh"))
def _evaluate(
    task: BlockTask, mesh: Mesh, items: object, space: Space, key: Array, extra: tuple[object, ...]
) -> object:
    shared, spread = PartitionSpec(), PartitionSpec(_DEVICE)

    def on_one_device(items: object, space: Space, key: Array, extra: tuple[object, ...]) -> object:
        return task(space, key, items, *extra)

    return jax.shard_map(
        on_one_device,
        mesh=mesh,
        in_specs=(spread, shared, shared, shared),
        out_specs=spread,
        check_vma=False,
    )(items, space, key, extra)


class Calls:
    """Calls of one block task on all local devices; what they share is sent there once.

    items: such as one device gets in a call, or how many numbers it gets. num_devices: how
    many share a call; threads: how many calls are begun at once.
    """

    @in_double_precision
    def __init__(
        self,
        task: BlockTask,
        space: Space,
        key: Array,
        extra: tuple[object, ...],
        items: Items,
        devices: Sequence[jax.Device] = (),
    ):
        """devices: all local ones by default."""
        self._task = task
        self._items = np.zeros(items, np.uint64) if isinstance(items, int) else items
        found = list(devices) or jax.local_devices()
        self._share(found[:1], space, key, extra)
        # LAPACK in a user's likelihood, say.
        if found[0].platform == "cpu" and self._calls_libraries():
            self.threads = 1
            return
        self.threads = _calls_at_once(found)
        if len(found) > 1:
            self._share(found, space, key, extra)

    def _share(self, devices: list[jax.Device], *shared: object) -> None:
        self._mesh = Mesh(np.array(devices), (_DEVICE,))
        self._shared = jax.device_put(shared, NamedSharding(self._mesh, PartitionSpec()))

    @property
    def num_devices(self) -> int:
        return self._mesh.size

    @in_double_precision
    def __call__(self, items: object) -> object:
        """Results for `num_devices` times as many items as a device gets, on the devices."""
        spread = NamedSharding(self._mesh, PartitionSpec(_DEVICE))
        return _evaluate(self._task, self._mesh, jax.device_put(items, spread), *self._shared)

    @in_double_precision
    def program(self) -> str:
        """The text of the program that a call runs, before it is compiled."""
        count = self.num_devices
        items = jax.tree.map(lambda a: jnp.concatenate([jnp.asarray(a)] * count), self._items)
        return _evaluate.lower(self._task, self._mesh, items, *self._shared).as_text()

    def _calls_libraries(self) -> bool:
        """Whether the program holds custom calls; looked up once for each kind of task."""
        leaves, structure = jax.tree.flatten(self._shared)
        signature = (self._task, structure, tuple((a.shape, a.dtype) for a in leaves))
        if signature not in _library_calls:
            _library_calls[signature] = calls_libraries(self.program())
        return _library_calls[signature]


_library_calls: dict[object, bool] = {}


def _calls_at_once(devices: list[jax.Device]) -> int:
    """One a core where one device stands for a CPU; elsewhere the next waits as one is run."""
    alone = len(devices) == 1 and devices[0].platform == "cpu"
    return num_cores() if alone else 2


def evaluate(
    task: Task,
    space: Space,
    key: Array,
    numbers: np.ndarray,
    extra: tuple[object, ...] = (),
    num_test: int = 0,
    given: Mapping[str, np.ndarray] | None = None,
) -> Iterator[object]:
    """Results of `task` for all the proposal numbers, in order, as numpy arrays in chunks.

    given: what a chain gives for each of them. Too few numbers for a call are padded, so that
    one shape is compiled.
    """
    shape = block_shape(space, num_test)
    size = min(shape.chunk, _power_of_two_above(len(numbers), shape.batch))
    items: Items = np.asarray(numbers, np.uint64)
    items = (items, dict(given)) if given else items
    sizes = jax.tree.map(lambda a: np.zeros((size, *a.shape[1:]), a.dtype), items)
    calls = Calls(Each(task, shape.batch), space, key, extra, sizes)

    def work(chunk: np.ndarray) -> object:
        padded = np.resize(chunk, size * calls.num_devices)
        return jax.tree.map(lambda a: np.asarray(a)[: len(chunk)], calls(_chosen(items, padded)))

    return in_order(work, _batched(len(numbers), size * calls.num_devices), calls.threads)


def _batched(count: int, size: int) -> list[np.ndarray]:
    return [np.arange(i, min(i + size, count)) for i in range(0, count, size)]


def _chosen(items: Items, places: np.ndarray) -> Items:
    return jax.tree.map(lambda array: array[places], items)


def _power_of_two_above(number: int, least: int) -> int:
    size = least
    while size < number:
        size *= 2
    return size
