"""Running one function of a draw's key over many proposal numbers, in blocks of fixed shape.

Blocks are handed to a few threads and come back in order, so what is chosen from them does
not depend on which thread was faster. On a CPU small batches that fit in its cache, one
thread a core, deliver about 1.5 times the proposals a second of one large batch.
"""

import collections
import concurrent.futures as futures
import functools
import os
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.networks.layers import Linear
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.random import fold_number
from bnnpost.spaces.space import Space, linear_layers

# Normals in one compiled batch (a layer of it fits a core's cache; measured with
# benchmarks/throughput.py), in one block of proposals (about a tenth of a second on one core)
# and in one chunk of predictions.
_BATCH_NORMALS = 2**16
_BLOCK_NORMALS = 2**24
_CHUNK_NORMALS = 2**21
_LARGEST_BATCH = 2**11
_LARGEST_BLOCK = 2**16
_LARGEST_CHUNK = 2**12

# A task computes arrays from the space, one draw's key and further arrays.
Task = Callable[..., object]
T = TypeVar("T")


@dataclass(frozen=True)
class BlockShape:
    """Proposals evaluated together: `batch` in one compiled step, `block` in one call.

    chunk: the same as block, where whole predictions come back and not two numbers.
    """

    batch: int
    block: int
    chunk: int


def block_shape(space: Space, num_test: int = 0) -> BlockShape:
    """The block shape for this network, data size and number of test inputs; it is recorded.

    Powers of two that depend on nothing else, so a draw's last bits do not depend on the
    machine.
    """
    layers = linear_layers(space.posterior.network)
    normals = [_normals_of(space, layer, num_test) for layer in layers]
    batch = _power_of_two(_BATCH_NORMALS // max(normals), _LARGEST_BATCH)
    block, chunk = (
        max(batch, _power_of_two(total // sum(normals), largest))
        for total, largest in ((_BLOCK_NORMALS, _LARGEST_BLOCK), (_CHUNK_NORMALS, _LARGEST_CHUNK))
    )
    return BlockShape(batch, block, chunk)


def _normals_of(space: Space, layer: Linear, num_test: int) -> int:
    rows = space.posterior.num_points + num_test
    return layer.width * (layer.width if space.form == "weights" else rows)


def _power_of_two(number: int, largest: int) -> int:
    return min(largest, 1 << max(0, number.bit_length() - 1))


def proposal_key(key: Array, number: Array) -> Array:
    """The key of the proposal with this number: a draw is its proposal number."""
    return fold_number(key, number)


@functools.partial(jax.jit, static_argnames=("task", "batch"))
def _evaluate(
    task: Task, space: Space, key: Array, numbers: Array, extra: tuple[object, ...], batch: int
) -> object:
    def one_batch(chunk: Array) -> object:
        return jax.vmap(lambda number: task(space, proposal_key(key, number), *extra))(chunk)

    stacked = jax.lax.map(one_batch, numbers.reshape(-1, batch))
    return jax.tree.map(lambda a: a.reshape(a.shape[0] * a.shape[1], *a.shape[2:]), stacked)


def evaluate_block(
    task: Task,
    space: Space,
    key: Array,
    numbers: np.ndarray,
    extra: tuple[object, ...],
    batch: int,
    size: int,
) -> object:
    """`task` for up to `size` proposal numbers, as numpy arrays [number, …].

    Fewer numbers are padded, so that one shape is compiled; `size` is a multiple of `batch`.
    """
    count = len(numbers)
    padded = np.resize(numbers, size).astype(np.uint64)
    with jax.enable_x64(True):
        results = _evaluate(task, space, key, jnp.asarray(padded), extra, batch)
        return jax.tree.map(lambda a: np.asarray(a)[:count], results)


@in_double_precision
def num_threads(task: Task, space: Space, key: Array, extra: tuple[object, ...]) -> int:
    """Blocks evaluated at once: one a core on a CPU, one on an accelerator.

    A task with library calls in it (LAPACK in a user's likelihood, say) gets one thread: such
    kernels wait for the threads they run on, and two at once can wait for ever.
    """
    if jax.default_backend() != "cpu" or _calls_libraries(task, space, key, extra):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_library_calls: dict[object, bool] = {}


def _calls_libraries(task: Task, space: Space, key: Array, extra: tuple[object, ...]) -> bool:
    """Whether the compiled task holds custom calls; looked up once for each kind of task."""
    leaves, structure = jax.tree.flatten((space, extra))
    signature = (task, structure, tuple((np.shape(a), jnp.result_type(a)) for a in leaves))
    if signature not in _library_calls:
        numbers = jnp.zeros(2, jnp.uint64)
        text = _evaluate.lower(task, space, key, numbers, extra, 2).as_text()
        _library_calls[signature] = "custom_call" in text
    return _library_calls[signature]


def in_order(
    work: Callable[[T], object], items: Iterable[T], threads: int
) -> Generator[object, None, None]:
    """`work` of every item, on a few threads, results in the order of the items.

    At most one item more than there are threads is begun ahead of need. When the caller
    stops early, or is interrupted, what has begun is finished and thrown away.
    """
    pending: collections.deque[futures.Future[object]] = collections.deque()
    pool = futures.ThreadPoolExecutor(threads)
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def evaluate(
    task: Task,
    space: Space,
    key: Array,
    numbers: np.ndarray,
    extra: tuple[object, ...] = (),
    num_test: int = 0,
) -> Generator[object, None, None]:
    """Results of `task` for all the proposal numbers, in order, one block of numbers at a time."""
    shape = block_shape(space, num_test)
    size = min(shape.chunk, _power_of_two_above(len(numbers), shape.batch))
    chunks = [numbers[i : i + size] for i in range(0, len(numbers), size)]
    threads = num_threads(task, space, key, extra)

    def work(chunk: np.ndarray) -> object:
        return evaluate_block(task, space, key, chunk, extra, shape.batch, size)

    return in_order(work, chunks, threads)


def _power_of_two_above(number: int, least: int) -> int:
    size = least
    while size < number:
        size *= 2
    return size
