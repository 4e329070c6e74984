"""How draws go on to test inputs, and in which order their rows are eliminated.

The order comes from the limit's kernel: for every draw the same, so that rounding in a draw
cannot choose between draws, and close to what each draw's own numbers would choose. Eliminated
in an order blind to the kernel, neighbours on a fine grid would be extrapolated from one to
the next, with errors of up to 1e-4 in the covariances that are drawn from.
"""

import hashlib
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.kernels import self_kernel
from bnnpost.networks.attention import draws_scores
from bnnpost.networks.errors import LayerError
from bnnpost.networks.layers import Layer
from bnnpost.networks.linear import Linear
from bnnpost.networks.priors import Fixed, Scale, WeightPrior, standard
from bnnpost.numerics.linalg import pivot_order
from bnnpost.numerics.precision import in_double_precision
from bnnpost.numerics.threads import num_cores
from bnnpost.storage import require_free

# A standard normal's upper quartile: turns one of another law into a standard deviation.
_QUARTILE = 0.6744897501960817
COMPLETIONS = ("joint", "function")
# Covariances of all points at once, in each thread and where their order is found.
_COPIES = 2


class Completion(eqx.Module):
    """How a draw goes on to test inputs.

    as_function: recover the weights from the training rows and apply them (one fixed
        function), where otherwise test rows are drawn jointly with the training rows.
    digest: a 64-bit number that stands for the list of test inputs; completions of
        different lists share no normals. Not used as_function.
    order: of elimination of the test points. Not used as_function.
    """

    as_function: bool = eqx.field(static=True)
    digest: np.uint64 | Array
    order: Int[np.ndarray | Array, " m"]


AS_FUNCTION = Completion(True, np.uint64(0), np.zeros(0, int))


def jointly(
    network: Layer, x: Float[np.ndarray, "n *f"], points: Float[np.ndarray, "m *f"]
) -> Completion:
    """Test points drawn together with what was drawn at the training inputs x.

    Raises ValueError for so many that they do not fit in the free memory.
    """
    num_points = len(x) + len(points)
    require_free(
        _COPIES * (1 + num_cores()) * num_points**2 * np.dtype(np.float64).itemsize,
        f"a draw at {num_points:,} points together",
        "give fewer inputs at a time",
    )
    digest = hashlib.blake2b(digest_size=8)
    digest.update(repr(points.shape).encode())
    digest.update(np.ascontiguousarray(points).tobytes())
    kernel = limit_kernel(network, np.concatenate([x, points]))
    order = elimination_order(kernel, len(x))[len(x) :] - len(x)
    return Completion(False, np.uint64(int.from_bytes(digest.digest(), "little")), order)


def elimination_order(kernel: Float[np.ndarray, "n n"], num_first: int) -> Int[np.ndarray, " n"]:
    """Points in the order of their elimination, the first `num_first` of them first.

    kernel: the limit's; where it is not finite points are spread over their places.
    """
    if np.all(np.isfinite(kernel)):
        return pivot_order(kernel, num_first)
    return pivot_order(np.zeros_like(kernel), num_first)


@in_double_precision
def limit_kernel(network: Layer, x: Float[np.ndarray, "n *f"]) -> Float[np.ndarray, "n n"]:
    """About the kernel of the network's limit; NaN throughout where there is none to be had.

    That of a Gaussian network in its place, with typical scales, and where scores of attention
    must be drawn from a key of its own: what draws are led by, and the order in which their rows
    are eliminated, need no more.
    """
    key = jax.random.key(0) if draws_scores(network) else None
    try:
        return np.asarray(self_kernel(stand_in(network), jnp.asarray(x), key))
    except (NotImplementedError, LayerError):
        return np.full((len(x), len(x)), np.nan)


def stand_in(network: Layer) -> Layer:
    """A network with Gaussian weights and fixed scales near what this one draws.

    Scales are their medians, weights of another law normal ones of the same standard deviation
    (of the same quartiles where there is none).
    """

    def is_linear(node: object) -> bool:
        return isinstance(node, Linear)

    def replaced(node: Any) -> Any:
        if not is_linear(node) or (node.gaussian and not node.random_scales):
            return node
        w_std = _typical(node.w_std) * _spread(node.priors.weights)
        b_std = _typical(node.b_std) * _spread(node.priors.biases) if node.has_bias else None
        return node.with_scales(w_std, b_std).with_standard_normals()

    return jax.tree.map(replaced, network, is_leaf=is_linear)


def _typical(scale: Any) -> Any:
    return scale.typical() if isinstance(scale, Scale) else scale


def _spread(prior: WeightPrior | None) -> float:
    """The standard deviation of one entry, or what comes near it."""
    if isinstance(prior, Fixed):
        return max(float(np.sqrt(np.mean(np.square(prior.values)))), np.finfo(float).tiny)
    try:
        mean, variance = standard(prior).moments()
        if np.isfinite(mean) and np.isfinite(variance):
            return float(np.sqrt(variance + mean**2))
        quartiles = standard(prior).from_normals(jnp.array([-_QUARTILE, _QUARTILE]))
        return float(quartiles[1] - quartiles[0]) / (2 * _QUARTILE)
    except NotImplementedError:
        return 1.0
