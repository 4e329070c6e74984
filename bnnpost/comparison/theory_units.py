"""Units of the limit's hidden layers at the points, and the response of the posterior to them."""

from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from bnnpost.comparison.theory_maps import Hidden, kernel_map
from bnnpost.comparison.theory_response import Basis, Response, Step, to_directions

# Independent randomisations of the points, from whose scatter standard errors come.
NUM_RANDOMISATIONS = 16
# Numbers in an array over units (2^21 doubles are 16 MiB, and there are a few of them).
_NUMBERS_AT_ONCE = 2**21
# Up to this many pairs of points the covariance over units is formed, and its eigenvectors stand
# for the units.
_MOST_PAIRS = 1000
_SOBOL_BITS = 30


def limit_steps(
    kernel: Float[np.ndarray, "q q"], hidden: Sequence[Hidden]
) -> Iterator[tuple[Float[np.ndarray, "q q"], Step]]:
    """The kernel of each hidden layer's units, from the first on, and the step from there."""
    for layer in hidden:
        found = kernel_map(layer.activation, jnp.asarray(kernel))
        yield kernel, Step(found, layer.weight_var)
        kernel = layer.weight_var * np.asarray(found.value) + layer.bias_var


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
    totals = []
    for source in seed.spawn(NUM_RANDOMISATIONS):
        parts = []
        for i, own in enumerate(source.spawn(len(hidden))):
            units = _units(kernels[i], own, num_units)
            features = np.asarray(hidden[i].activation(jnp.asarray(units)))
            directions = _directions(features, np.asarray(steps[i].kernel_map.value))
            part = to_directions(directions, steps[i:], basis, at_once)
            share = narrowest / hidden[i].width
            parts.append(jax.tree.map(lambda a: share * np.asarray(a), part))  # noqa: B023
        totals.append(jax.tree.map(lambda *terms: sum(terms), *parts))
    return totals


def _directions(
    features: Float[np.ndarray, "s q"], mean: Float[np.ndarray, "q q"]
) -> Float[np.ndarray, "p q q"]:
    """Matrices D whose Σ D⊗D is the mean over units of (φφᵀ − mean)⊗(φφᵀ − mean)."""
    count, q = features.shape
    rows, columns = np.triu_indices(q)
    if len(rows) > _MOST_PAIRS:
        outer = features[:, :, None] * features[:, None, :]
        return (outer - mean) / np.sqrt(count)
    total, at_once = np.zeros((len(rows),) * 2), max(1, _NUMBERS_AT_ONCE // len(rows))
    for i in range(0, count, at_once):
        part = features[i : i + at_once]
        away = part[:, rows] * part[:, columns] - mean[rows, columns]
        total += away.T @ away
    values, vectors = np.linalg.eigh(total / count)
    found = np.zeros((len(rows), q, q))
    found[:, rows, columns] = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    found[:, columns, rows] = found[:, rows, columns]
    return found


def _units(
    kernel: Float[np.ndarray, "q q"], seed: np.random.SeedSequence, num_units: int
) -> Float[np.ndarray, "s q"]:
    """Units u ~ N(0, kernel) from scrambled Sobol points, largest principal components first.

    Each point alone has exactly that law, up to 2⁻³⁰ (Owen 1998), so that means over them are
    unbiased; num_units is a power of two.
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    values, vectors = np.linalg.eigh(kernel)
    root = (vectors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1]
    sobol = qmc.Sobol(len(kernel), bits=_SOBOL_BITS, rng=np.random.default_rng(seed))
    points = sobol.random_base2(num_units.bit_length() - 1)
    return ndtri(points + 0.5 * 2.0**-_SOBOL_BITS) @ root.T
