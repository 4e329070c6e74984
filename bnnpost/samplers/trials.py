"""Proposals and their fate, a block of proposal numbers at a time, on all local devices."""

import itertools
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt

from bnnpost.numerics.random import exponential
from bnnpost.numerics.threads import in_order
from bnnpost.numerics.weights import WeightSum
from bnnpost.spaces import engine
from bnnpost.spaces.space import Space
from bnnpost.storage import available_memory, gigabytes

# No proposal has this number: a run without a limit stops before it.
NO_LIMIT = 2**64 - 1
# The largest limit that may be set.
MOST_PROPOSALS = 2**63


# Arrays of a layer's size that there are at once, and what one of their numbers takes.
_COPIES = 3
_FEATURE_BYTES = {"single": 4, "double": 8}


class Trial(NamedTuple):
    """One proposal's fate: its log weight and its Exp(1) threshold, in nats."""

    log_weight: Float[Array, ""]
    threshold: Float[Array, ""]


def trial(space: Space, key: Array) -> Trial:
    """The log weight of the proposal with this key, and the threshold it must clear.

    The proposal is accepted if log bound − log weight < threshold, that is with probability
    min(1, exp(log weight − log bound)), the bound being strict or a cap.
    """
    return Trial(space.log_weight(key), exponential(space.threshold_key(key)))


@dataclass(frozen=True)
class Block:
    """What a block of proposals came to.

    start, count: its proposal numbers. weights: sums over them; clipped: the same of weights
    cut off at the bound. num_nan, first_nan: NaN weights, and the number of the first.
    numbers, log_weights: of those accepted. kept: log weights of all proposals from `start`
    on, as far as they were asked for.
    """

    start: int
    count: int
    weights: WeightSum
    clipped: WeightSum
    num_nan: int
    first_nan: int
    numbers: UInt[np.ndarray, " a"]
    log_weights: Float[np.ndarray, " a"]
    kept: Float[np.ndarray, " p"]


class _Sums(NamedTuple):
    """Sums of weights relative to the largest, in nats."""

    largest: Float[Array, " d"]
    total: Float[Array, " d"]
    total_square: Float[Array, " d"]

    @classmethod
    def of(cls, log_weights: Float[Array, " b"]) -> "_Sums":
        largest = jnp.max(log_weights)
        relative = jnp.exp(log_weights - jnp.where(jnp.isfinite(largest), largest, 0.0))
        return cls(largest[None], jnp.sum(relative)[None], jnp.sum(relative**2)[None])

    def row(self, i: int, count: int) -> WeightSum:
        """The sums of one block of `count` proposals."""
        largest, total, square = (float(sums[i]) for sums in self)
        return WeightSum(largest, total, square, count)


class _Fates(NamedTuple):
    """A `Block` as it is on the devices: a row a block, those accepted first in their rows."""

    weights: _Sums
    clipped: _Sums
    num_nan: Int[Array, " d"]
    first_nan: UInt[Array, " d"]
    num_accepted: Int[Array, " d"]
    numbers: UInt[Array, "d b"]
    log_weights: Float[Array, "d b"]
    all_log_weights: Float[Array, "d b"]


@dataclass(frozen=True)
class Trials:
    """The trials of a block, summed up on the device that made them; see `engine.BlockTask`."""

    batch: int
    block: int

    def __call__(
        self, space: Space, key: Array, starts: UInt[Array, "1"], log_bound: Array, stop: Array
    ) -> _Fates:
        numbers = starts[0] + jnp.arange(self.block, dtype=jnp.uint64)
        result = engine.Each(trial, self.batch)(space, key, numbers)
        valid = numbers < stop
        is_nan = jnp.isnan(result.log_weight) & valid  # type: ignore[attr-defined]
        logs = jnp.where(valid & ~is_nan, result.log_weight, -jnp.inf)  # type: ignore[attr-defined]
        accepted = valid & ~is_nan & (log_bound - logs < result.threshold)  # type: ignore[attr-defined]
        chosen = jnp.nonzero(accepted, size=self.block, fill_value=0)[0]
        return _Fates(
            _Sums.of(logs),
            _Sums.of(jnp.minimum(logs, log_bound)),
            jnp.sum(is_nan)[None],
            numbers[jnp.argmax(is_nan)][None],
            jnp.sum(accepted)[None],
            numbers[chosen][None],
            logs[chosen][None],
            jnp.where(is_nan, jnp.nan, logs)[None],
        )


def check_memory(space: Space, shape: engine.BlockShape) -> None:
    """Raise ValueError where the normals of one step would not fit in a CPU's memory."""
    largest = max(engine.num_normals(space))
    needed = _COPIES * shape.batch * largest * _FEATURE_BYTES[space.precision]
    free = available_memory() if jax.default_backend() == "cpu" else None
    if free is not None and needed > free:
        other = "; space functions needs less" if space.form == "weights" else ""
        raise ValueError(
            f"one proposal of this network takes about {gigabytes(needed)}, of {largest:,} normals "
            f"in its largest layer, and {gigabytes(free)} of memory are free: take a narrower "
            f"network{other}"
        )


def blocks(
    space: Space,
    key: Array,
    log_bound: float,
    *,
    starts: Iterable[int] | None = None,
    max_proposals: int | None = None,
    keep: int = 0,
    shape: engine.BlockShape | None = None,
) -> Generator[Block, None, None]:
    """Blocks of proposals tried against a bound, in order.

    starts: first proposal numbers of the blocks, by default 0, block, 2·block, …;
    max_proposals: numbers from there on are not tried. keep: log weights of all proposals below
    this number are kept. shape: by default that of the space. Raises ValueError for
    proposals that would not fit in memory.
    """
    shape = shape or engine.block_shape(space)
    check_memory(space, shape)
    stop = NO_LIMIT if max_proposals is None else max_proposals
    extra = (np.float64(log_bound), np.uint64(stop))
    calls = engine.Calls(Trials(shape.batch, shape.block), space, key, extra, 1)
    wanted = itertools.count(0, shape.block) if starts is None else iter(starts)
    limited = itertools.takewhile(lambda start: start < stop, wanted)

    def work(call: tuple[int, ...]) -> list[Block]:
        padded = np.resize(np.array(call, np.uint64), calls.num_devices)
        fates = calls(padded)
        return list(_taken(fates, call, shape.block, stop, keep))  # type: ignore[arg-type]

    grouped = _grouped(limited, calls.num_devices)
    return _flat(in_order(work, grouped, calls.threads))


def _grouped(items: Iterator[int], size: int) -> Iterator[tuple[int, ...]]:
    while group := tuple(itertools.islice(items, size)):
        yield group


def _flat(groups: Generator[list[Block], None, None]) -> Generator[Block, None, None]:
    try:
        for group in groups:
            yield from group
    finally:
        groups.close()


def _taken(
    fates: _Fates, starts: tuple[int, ...], block: int, stop: int, keep: int
) -> Iterator[Block]:
    """The blocks of one call, in the order of `starts`; only sums and accepted draws move."""
    *few, numbers, log_weights, everything = fates
    weights, clipped, num_nan, first_nan, num_accepted = jax.tree.map(np.asarray, few)
    rows = [_rows(array) for array in (numbers, log_weights, everything)]
    for i, start in enumerate(starts):
        count, accepted = min(block, stop - start), int(num_accepted[i])
        yield Block(
            start,
            count,
            weights.row(i, count),
            clipped.row(i, count),
            int(num_nan[i]),
            int(first_nan[i]),
            _first(rows[0][i], accepted),
            _first(rows[1][i], accepted),
            _first(rows[2][i], min(count, max(0, keep - start))),
        )


def _rows(array: Array) -> list[Array]:
    """The row of each device, left where it is."""
    shards = sorted(array.addressable_shards, key=lambda shard: shard.index[0].start or 0)
    return [shard.data for shard in shards]


def _first(row: Float[Array, "1 b"], count: int) -> np.ndarray:
    """The first entries of a row; on an accelerator cut off there, in sizes that are few."""
    size = min(row.shape[1], 1 << max(0, count - 1).bit_length())
    on_host = next(iter(row.devices())).platform == "cpu"
    # A copy, since what is kept of it would keep all of the row.
    return np.asarray(row if on_host else row[:, :size])[0, :count].copy()
