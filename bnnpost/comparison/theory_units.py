"""Units of the limit's hidden layers at the points, and the response of the posterior to them."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from bnnpost.comparison.theory_layers import Hidden
from bnnpost.comparison.theory_maps import features, kernel_map
from bnnpost.comparison.theory_response import Basis, Response, Step, combined, to_directions

# Independent randomisations of the points, from whose scatter standard errors come.
NUM_RANDOMISATIONS = 16
# Numbers in an array over units (2^21 doubles are 16 MiB, and there are a few of them).
_NUMBERS_AT_ONCE = 2**21
# Up to this many pairs of points the covariance over units is formed, and the columns of its root
# stand for the units.
_MOST_PAIRS = 1000
# Of a covariance, relative to its trace.
_ROUNDING = 1e-14
_SOBOL_BITS = 30


def limit_steps(
    kernel: Float[np.ndarray, "q q"], hidden: Sequence[Hidden]
) -> Iterator[tuple[Float[np.ndarray, "q q"], Step]]:
    """The kernel of each hidden layer's units, from the first on, and the step from there."""
    for layer in hidden:
        found = kernel_map(layer.activation, kernel)
        yield kernel, Step(found, layer.weight_var)
        kernel = layer.weight_var * found.value + layer.bias_var


def responses(
    kernels: Sequence[Float[np.ndarray, "q q"]],
    steps: Sequence[Step],
    hidden: Sequence[Hidden],
    basis: Basis,
    seed: np.random.SeedSequence,
    num_units: int,
) -> list[Response]:
    """The coefficients of 1/N from each randomisation, N the narrowest hidden width.

    The response is linear in the covariance of the last kernel, to which each hidden layer
    adds that of a single unit over its own width, carried on by the maps after it.
    """
    narrowest = min(layer.width for layer in hidden)
    at_once = max(1, _NUMBERS_AT_ONCE // (len(basis.change) * basis.change.shape[1]))
    roots = [_root(kernel) for kernel in kernels]
    totals = []
    for source in seed.spawn(NUM_RANDOMISATIONS):
        parts = []
        for i, own in enumerate(source.spawn(len(hidden))):
            units = _units(roots[i], own, num_units)
            values, mean = features(hidden[i].activation, units), steps[i].kernel_map.value
            blocks = _directions(values, mean, at_once)
            found = combined([to_directions(block, steps[i:], basis) for block in blocks], np.sum)
            share = narrowest / hidden[i].width
            parts.append(Response(*(share * term for term in found)))
        totals.append(combined(parts, np.sum))
    return totals


def _directions(
    values: Float[np.ndarray, "s q"], mean: Float[np.ndarray, "q q"], at_once: int
) -> Iterator[Float[np.ndarray, "p q q"]]:
    """Matrices D, some at a time: Σ D⊗D is the mean over units of (φφᵀ − mean)⊗(φφᵀ − mean)."""
    count, q = values.shape
    if q * (q + 1) // 2 <= _MOST_PAIRS:
        yield _root_of_covariance(values, mean)
        return
    for i in range(0, count, at_once):
        part = values[i : i + at_once]
        yield (part[:, :, None] * part[:, None, :] - mean) / np.sqrt(count)


def _root_of_covariance(
    values: Float[np.ndarray, "s q"], mean: Float[np.ndarray, "q q"]
) -> Float[np.ndarray, "p q q"]:
    """As many D as there are pairs of points."""
    count, q = values.shape
    rows, columns = np.triu_indices(q)
    total, at_once = np.zeros((len(rows),) * 2), max(1, _NUMBERS_AT_ONCE // len(rows))
    for i in range(0, count, at_once):
        part = values[i : i + at_once]
        away = part[:, rows] * part[:, columns] - mean[rows, columns]
        total += away.T @ away
    # Semidefinite where points determine each other: a root to rounding will do.
    size = np.trace(total)
    root = np.linalg.cholesky(total + _ROUNDING * size * np.eye(len(total))) if size else total
    found = np.zeros((len(rows), q, q))
    found[:, rows, columns] = root.T / np.sqrt(count)
    found[:, columns, rows] = found[:, rows, columns]
    return found


def _root(kernel: Float[np.ndarray, "q q"]) -> Float[np.ndarray, "q q"]:
    """Principal components, the largest first, each times its std."""
    values, vectors = np.linalg.eigh(kernel)
    return (vectors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1]


def _units(
    root: Float[np.ndarray, "q q"], seed: np.random.SeedSequence, num_units: int
) -> Float[np.ndarray, "s q"]:
    """Units u ~ N(0, root rootᵀ) from scrambled Sobol points.

    Each point alone has exactly that law, up to 2⁻³⁰ (Owen 1998), so that means over them are
    unbiased; num_units is a power of two.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    sobol = qmc.Sobol(len(root), bits=_SOBOL_BITS, rng=np.random.default_rng(seed))
    points = sobol.random_base2(num_units.bit_length() - 1)
    return ndtri(points + 0.5 * 2.0**-_SOBOL_BITS) @ root.T
