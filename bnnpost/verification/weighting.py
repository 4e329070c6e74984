"""Weighted draws made equally weighted without repeats."""

from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from bnnpost.verification.sets import Values


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
