"""Keys of a sweep: from the seed and the width, each for a purpose of its own."""

from typing import NamedTuple

import jax

from bnnpost.numerics.random import key_of_seed
from bnnpost.sweeps.config import SweepConfig

_RESAMPLE = 0x72657361


class Keys(NamedTuple):
    """Keys at one width."""

    draws: jax.Array
    compare: jax.Array
    forecast: jax.Array
    resample: jax.Array


def keys(config: SweepConfig, width: int) -> Keys:
    """The keys of a configuration at one width."""
    key = jax.random.fold_in(key_of_seed(config.seed), width)
    draws, compare, forecast = jax.random.split(key, 3)
    return Keys(draws, compare, forecast, jax.random.fold_in(key, _RESAMPLE))
