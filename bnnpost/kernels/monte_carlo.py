"""The standard error of kernels that are estimated from drawn units or drawn scores."""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.kernels.gram import Inputs, nngp
from bnnpost.networks.layers import Layer
from bnnpost.numerics.random import require_key


def monte_carlo_error(
    network: Layer,
    x1: Inputs,
    x2: Inputs | None = None,
    *,
    key: Array,
    kernel: Callable[..., Array] = nngp,
    num_kernels: int = 16,
) -> Float[np.ndarray, "n1 n2"]:
    """The standard error of each entry of one kernel, by Monte Carlo from a key.

    Spread of `num_kernels` kernels with keys of their own, split from `key`: it takes as long as
    they do, and is itself known to a factor 1 ± 1/√(2·num_kernels − 2). It halves with four times
    the `num_draws` of attention. kernel: `bnnpost.nngp` or `bnnpost.ntk`. 0, to rounding, where
    nothing is drawn. Raises TypeError for a legacy key, ValueError for fewer than two kernels,
    and as `kernel` does.
    """
    if num_kernels < 2:
        raise ValueError(f"expected num_kernels to be at least 2, got {num_kernels}")
    keys = jax.random.split(require_key(key), num_kernels)
    found = [np.asarray(kernel(network, x1, x2, key=each)) for each in keys]
    return np.std(found, axis=0, ddof=1)
