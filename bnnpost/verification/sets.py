"""Function values as verification takes them, whoever made them; and made equally weighted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

# Function values at the test inputs, and at the training inputs: the names of `Draws.to_arviz`.
TEST, TRAIN = "f", "f_train"

_MOST_NAMED = 3

Values = Float[np.ndarray, "chain draw point output"]


@dataclass(frozen=True)
class FromFile:
    """What is in a file that has been read, and is not read again."""

    path: Path
    contents: object


@dataclass(frozen=True)
class Candidate:
    """Draws in question: f at the test inputs, at the training inputs, or both.

    values: by "f" or "f_train", [chain, draw, point, output], of the same draws. independent:
    whether whoever made them says that draws do not depend on each other; otherwise they are
    looked at as chains, in the order in which they are given. log_evidence and its standard
    error, in nats, where there is one. source: what they are, in a few words. notes: what a
    reader of the report must know about how they were read.
    """

    values: Mapping[str, Values]
    source: str
    independent: bool = False
    log_evidence: float | None = None
    log_evidence_se: float | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def num_chains(self) -> int:
        return next(iter(self.values.values())).shape[0]

    @property
    def num_draws(self) -> int:
        """Of all chains together."""
        first = next(iter(self.values.values()))
        return first.shape[0] * first.shape[1]


def columns_of(shapes: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """Names of the values of one draw, such as f[3] or f_train[0, 1], in their order.

    shapes: points and outputs of each set.
    """
    for name in (TEST, TRAIN):
        points, outputs = shapes.get(name, (0, 0))
        for point in range(points):
            for output in range(outputs):
                yield f"{name}[{point}]" if outputs == 1 else f"{name}[{point}, {output}]"


def some(columns: Sequence[str]) -> str:
    """Names of columns in a sentence, at most three of them."""
    if len(columns) <= _MOST_NAMED:
        return ", ".join(columns)
    return f"{', '.join(columns[:_MOST_NAMED])} and {len(columns) - _MOST_NAMED} more"


def side_by_side(values: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Sets of values [..., point, output] in columns [..., column]."""
    return np.concatenate(
        [values[name].reshape(*values[name].shape[:-2], -1) for name in names], axis=-1
    )


def in_one_chain(values: Mapping[str, Values]) -> dict[str, Values]:
    """All chains one after another, as one [1, draw, point, output]."""
    return {name: array.reshape(1, -1, *array.shape[2:]) for name, array in values.items()}


def kept_draws(log_weights: Float[np.ndarray, " draw"], key: Array) -> Bool[np.ndarray, " draw"]:
    """Which draws to keep, each with probability weight / largest weight.

    Raises ValueError where weights are not numbers.
    """
    largest = np.max(log_weights, initial=-np.inf)
    if not np.isfinite(largest):  # NaN too; -inf, a draw of weight 0, may be
        raise ValueError(f"expected finite log weights, the largest is {largest}")
    with jax.enable_x64(True):
        uniforms = np.asarray(jax.random.uniform(key, log_weights.shape, "float64"))
    return uniforms < np.exp(log_weights - largest)


def equally_weighted(
    values: Mapping[str, Values], log_weights: Float[np.ndarray, " draw"], key: Array
) -> tuple[dict[str, Values], str]:
    """Each draw kept with probability weight / largest weight, and a note of how many are left.

    This is rejection once more, from the law of the unweighted draws with the largest weight
    seen for its bound; unlike resampling it repeats none. Raises ValueError where weights are
    not numbers, or not as many as draws.
    """
    values = in_one_chain(values)
    count = next(iter(values.values())).shape[1]
    if log_weights.shape != (count,):
        raise ValueError(f"expected {count} log weights, one a draw, got {log_weights.size}")
    kept = kept_draws(log_weights, key)
    note = (
        f"{np.count_nonzero(kept):,} of {count:,} weighted draws remain: each was kept with "
        "probability weight / largest weight"
    )
    return {name: array[:, kept] for name, array in values.items()}, note
