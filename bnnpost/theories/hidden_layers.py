"""Hidden layers as theories in the width see them, and the response to their units."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from bnnpost.networks.activation import Activation
from bnnpost.networks.layers import Layer
from bnnpost.networks.linear import Dense
from bnnpost.theories.derivatives import features, kernel_map
from bnnpost.theories.response import Basis, Response, Step, termwise, to_directions

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


class Hidden(NamedTuple):
    """A hidden layer of `width` units, and the variances that the layer after multiplies with."""

    width: int
    activation: Activation
    weight_var: float
    bias_var: float


def hidden_layers(network: Layer) -> tuple[Dense, list[Hidden]]:
    """The first Dense layer, and the hidden layers.

    Raises ValueError for anything but Dense layers of normal weights and fixed scales, with at
    most one activation between two of them and none after the last.
    """
    layers = network.flattened()
    dense: list[Dense] = []
    between: list[list[Activation]] = []
    for layer in layers:
        if isinstance(layer, Dense):
            dense.append(_checked(layer, len(dense)))
            between.append([])
        elif isinstance(layer, Activation) and dense:
            between[-1].append(layer)
        else:
            raise ValueError(
                "this theory is of multilayer perceptrons: expected Dense layers "
                f"with an Activation between them, got {type(layer).__name__}"
            )
    if between[-1] or any(len(found) > 1 for found in between):
        raise ValueError(
            "expected at most one Activation between two Dense layers, and none after the last"
        )
    if len(dense) < 2:
        raise ValueError("the network has no hidden layer: its posterior is its limit at any width")
    activations = [found[0] if found else Activation("identity") for found in between]
    steps = zip(dense[:-1], activations[:-1], dense[1:], strict=True)
    return dense[0], [Hidden(d.width, a, *_variances(after)) for d, a, after in steps]


def _checked(layer: Dense, number: int) -> Dense:
    if layer.random_scales:
        raise ValueError(
            f"linear layer {number} has a random scale: its limit is a mixture of Gaussian "
            "processes, which this theory does not cover; expected numbers for "
            "w_std and b_std"
        )
    if not layer.gaussian:
        raise ValueError(
            f"linear layer {number} has weights or biases that are not normal, which this "
            "theory does not cover; expected normal ones"
        )
    return layer


def _variances(layer: Dense) -> tuple[float, float]:
    bias = 0.0 if layer.b_std is None else float(layer.b_std) ** 2
    return float(layer.w_std) ** 2, bias


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
            found = termwise([to_directions(block, steps[i:], basis) for block in blocks], np.sum)
            share = narrowest / hidden[i].width
            parts.append(Response(*(share * term for term in found)))
        totals.append(termwise(parts, np.sum))
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
