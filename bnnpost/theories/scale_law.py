"""The law of log S, S a product of independent χ²_N / N, one for each hidden layer.

A lattice holds it: sums of independent numbers have the convolution of their probabilities, which
are positive and so added without cancellation, and the trapezoidal rule converges exponentially for
densities as smooth as these (Trefethen and Weideman 2014).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# Of a density, relative to its mode, what is left out: log probabilities below −this.
_NEGLECTED = 50.0
_COARSEST, _FINER = 0.2, 0.8
_MOST_PLACES = 4_000_000


class Lattice(NamedTuple):
    """Probabilities of the places first, first + step, …"""

    first: float
    step: float
    probabilities: Float[np.ndarray, " p"]

    @property
    def places(self) -> Float[np.ndarray, " p"]:
        """Values of log S."""
        return self.first + self.step * np.arange(len(self.probabilities))


def lattice(widths: Sequence[int], roughness: float, depth: float) -> Lattice:
    """The law of Σ log(χ²_N / N) over layers of these widths.

    roughness: the largest second derivative of what will be integrated, in log, beside the law's
    own. depth: by how much that may be larger, in log, where the law has little probability.
    Raises ValueError where a lattice would be too large.
    """
    curvature = 1 + 0.5 * max(widths, default=0) + roughness
    step = min(_COARSEST, _FINER / math.sqrt(curvature))
    first, probabilities = 0.0, np.ones(1)
    for width in widths:
        lowest, found = _layer(width, step, _NEGLECTED + depth)
        first += lowest
        probabilities = np.convolve(probabilities, found)
    return Lattice(first, step, probabilities)


def _layer(width: int, step: float, neglected: float) -> tuple[float, Float[np.ndarray, " p"]]:
    """The first place and the probabilities of log(χ²_N / N)."""
    half = 0.5 * width

    def log_density(v: np.ndarray) -> np.ndarray:
        # N/2 (v − e^v + 1), whose mode is at 0
        return half * (v - np.expm1(v))

    low, high = -1.0, 1.0
    while log_density(np.array(low)) > -neglected:
        low *= 1.5
    while log_density(np.array(high)) > -neglected:
        high *= 1.2
    numbers = np.arange(math.floor(low / step), math.ceil(high / step) + 1)
    if len(numbers) > _MOST_PLACES:
        raise ValueError(
            f"a layer of width {width} beside one that is much wider needs {len(numbers):,} places "
            f"of its law, at most {_MOST_PLACES:,} are made"
        )
    found = np.exp(log_density(step * numbers))
    return step * float(numbers[0]), found / found.sum()
