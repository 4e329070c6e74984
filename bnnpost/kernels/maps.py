"""A network's kernel map between two lists of inputs, as compiled programs."""

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.networks.activation import Activation
from bnnpost.networks.attention import draws_scores, with_sampling
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import LayerError, ShapeError
from bnnpost.networks.layers import Layer, Map, Serial, parts_of
from bnnpost.networks.linear import Linear
from bnnpost.networks.nonlinearities import Numerical
from bnnpost.networks.units import entering

# Covariances in one tile: an intermediate array of it (2 MiB of doubles) lies in a core's cache.
_IN_A_TILE = 2**18
# Covariances in one step of a kernel that is traced whole (32 MiB of doubles).
_IN_A_STEP = 2**22
# As if there were so many of them where each is a sum over thousands of nodes or draws, or over
# a unit's values at every node (half a MiB a point).
_SUMMED = 2**6

# The kernel of the prior's limit, or the neural tangent kernel.
Kind: TypeAlias = Literal["nngp", "ntk"]


class LimitKernel(NamedTuple):
    """NNGP kernel, variances on the first list, and the neural tangent kernel if asked for."""

    cross: Float[Array, "n1 n2"]
    variances: Float[Array, " n1"]
    tangent: Float[Array, "n1 n2"] | None = None

    def of(self, kind: Kind) -> Float[Array, "n1 n2"]:
        """The kernel of this kind, which was asked for."""
        found = self.tangent if kind == "ntk" else self.cross
        assert found is not None
        return found


@functools.partial(jax.jit, static_argnames=("tangent", "together"))
def evaluated(
    network: Layer,
    x1: Float[Array, "n1 *f"],
    x2: Float[Array, "n2 *f"],
    key: Array | None,
    apart: Array | None = None,
    *,
    tangent: bool = False,
    together: bool = False,
) -> LimitKernel:
    """The kernel in one program; apart: see `_mapped`.

    together: whether scores of attention, where they are drawn, are those of one list, which x1
    and x2 both are; else they are drawn for two inputs at a time. Raises ShapeError for a network
    whose outputs have positions.
    """
    if key is not None and draws_scores(network):
        key, score_key = jax.random.split(key)
        network = with_sampling(network, score_key, together)
    k = _mapped(network, entering(network, x1, x2, key, tangent=tangent), apart)
    if k.grid:
        raise ShapeError(
            f"expected a network with one output a point, got outputs at positions "
            f"{list(k.grid)}: gather them with Flatten or GlobalAvgPool before the readout"
        )
    return LimitKernel(k.cross, k.variances1, _tangent_of(k) if tangent else None)


def _tangent_of(k: Covariance) -> Array:
    """The tangent kernel. Raises LayerError where a layer has lost it."""
    if k.tangent is None:
        raise LayerError(
            "a layer of yours gives no tangent kernel: expected its kernel map to set `tangent` of "
            "the Covariance where that of its input has one (`changed` and `affine` keep it)"
        )
    return k.tangent


def _mapped(network: Layer, k: Covariance, apart: Array | None) -> Covariance:
    """The network's kernel map. With `apart`, which is true, no loop runs over two hidden layers.

    XLA's CPU backend computes in one loop what it can, and turns loops over several layers into
    vector instructions badly, if at all: kept apart, three layers take half the time, or less.
    Branches of a condition are the one thing that it does not look into.
    """
    if apart is None or not isinstance(network, Serial):
        return network.covariance(k)
    before = k
    try:
        for step in _steps(network):
            k = _kept_apart(step, k, apart)
    except LayerError:
        network.covariance(before)  # raises it again, and says of which layer
        raise
    return k


def _steps(network: Serial) -> Iterator[Serial]:
    """Its layers, each with those after it whose covariance is a multiple of its own.

    Not with a convolution: it would compute an activation before it anew for each of its positions.
    """
    step: list[Layer] = []
    for layer in network.flattened():
        if step and not _multiplies(layer):
            yield Serial(step)
            step = []
        step.append(layer)
    yield Serial(step)


def _multiplies(layer: Layer) -> bool:
    """Whether it is linear, and a row of it is one position's features."""
    return isinstance(layer, Linear) and type(layer).row_mean is Linear.row_mean


def _kept_apart(step: Serial, k: Covariance, apart: Array) -> Covariance:
    if k.units == "inputs":
        return step.covariance(k)
    mapped = jax.jit(lambda k: step.covariance(k))
    found = jax.eval_shape(mapped, k)

    def nothing(_: Covariance) -> Covariance:
        return jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), found)

    return jax.lax.cond(apart, mapped, nothing, k)


def in_steps(
    network: Layer, x1: Array, x2: Array, key: Array | None, *, tangent: bool
) -> LimitKernel:
    """The kernel, which may be a part of a larger program; a large one a few rows at a time."""
    most = max(1, _IN_A_STEP // (x2.shape[0] * covariances_a_pair(network, x1)))
    if x1.shape[0] <= most:
        return evaluated(network, x1, x2, key, tangent=tangent)
    padded = jnp.pad(x1, ((0, -len(x1) % most), *[(0, 0)] * (x1.ndim - 1)), mode="edge")
    found = jax.lax.map(
        lambda rows: evaluated(network, rows, x2, key, tangent=tangent),
        padded.reshape(-1, most, *x1.shape[1:]),
    )
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[: len(x1)], found)


def rows_of_tile(network: Layer, x: Array) -> int:
    """How many inputs a tile should have on either side."""
    dear = has_rule(network) or _has_own_laws(network) or draws_scores(network)
    weight = _SUMMED if dear else 1
    return max(1, math.isqrt(_IN_A_TILE // (weight * covariances_a_pair(network, x))))


def covariances_a_pair(network: Layer, x: Array) -> int:
    """Covariances that are followed for each pair of inputs."""
    positions = num_positions(network, x)
    return positions**2 if network.needs_all_pairs(False) else positions


def num_positions(network: Layer, x: Array) -> int:
    """Of one input at the first layer that is not a map of the inputs themselves."""
    layers = network.flattened()
    maps = list(itertools.takewhile(lambda layer: isinstance(layer, Map), layers))
    entering = jax.eval_shape(Serial(maps).apply, (), x[:1]) if maps else x
    return math.prod(entering.shape[1:-1])


def has_rule(network: Layer) -> bool:
    """Whether the moments of an activation in it are found by a trapezoid rule."""
    return any(isinstance(a.nonlinearity, Numerical) for a in parts_of(network, Activation))


def _has_own_laws(network: Layer) -> bool:
    """Whether weights or biases in it may keep a law that is not normal."""
    return not all(part.gaussian for part in parts_of(network, Linear))
