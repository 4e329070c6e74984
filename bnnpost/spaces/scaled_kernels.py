"""Kernels of the limit given its random scales: one for each draw of them, or one in all."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.kernels import nngp
from bnnpost.networks.activation import Activation
from bnnpost.networks.attention import draws_scores, with_sampling
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.layers import Layer, Serial
from bnnpost.networks.limiting import averaged, linear_parts, scale_places, with_scales
from bnnpost.networks.units import entering
from bnnpost.numerics.quadrature import panel_nodes

Scales = list[Array]
# Kernels computed at once; one, where each is itself a large sum.
_AT_ONCE, _NODES = 256, 256


class ScaledKernels(eqx.Module):
    """The kernel at a list of inputs, as a function of the scales.

    state: what enters the first layer whose scale is random; rest: the layers from there on.
    fixed: the kernel where no scale is random.
    """

    state: Covariance | None
    rest: Layer | None
    fixed: Float[Array, "n n"] | None

    def at(self, scales: Scales) -> Float[Array, "n n"]:
        """The kernel given the scales, in the order of `scale_places`."""
        if self.rest is None or self.state is None:
            assert self.fixed is not None
            return self.fixed
        k = with_scales(self.rest, scales).covariance(self.state)
        symmetric = 0.5 * (k.cross + k.cross.T)
        return jnp.where(jnp.eye(len(symmetric), dtype=bool), k.variances1, symmetric)

    @property
    def at_once(self) -> int:
        """How many to compute together."""
        return _AT_ONCE if self.rest is None or _cheap(self.rest) else 1


def scaled_kernels(
    network: Layer, x: Float[np.ndarray, "n *f"], key: Array | None
) -> ScaledKernels:
    """At inputs x, in the default dtype. key: as in `nngp`, for units that must be sampled."""
    if not scale_places(network):
        return ScaledKernels(None, None, nngp(network, x, key=key))
    network = averaged(network).at_width(1)
    if key is not None and draws_scores(network):
        key, score_key = jax.random.split(key)
        network = with_sampling(network, score_key, together=True)
    layers = network.flattened() if isinstance(network, Serial) else (network,)
    cut = next(i for i, layer in enumerate(layers) if scale_places(layer))
    points = jnp.asarray(x)
    state = _through(layers[:cut], entering(network, points, points, key))
    return ScaledKernels(state, Serial(layers[cut:]), None)


def _through(layers: tuple[Layer, ...], state: Covariance) -> Covariance:
    return eqx.filter_jit(Serial.covariance)(Serial(layers), state) if layers else state


def _cheap(network: Layer) -> bool:
    def is_part(node: object) -> bool:
        return isinstance(node, Activation)

    parts = jax.tree.leaves(network, is_leaf=is_part)
    closed = all(part.nonlinearity.closed_form for part in parts if isinstance(part, Activation))
    return closed and all(layer.priors.biases is None for layer in linear_parts(network))


def draw_scales(key: Array, network: Layer, num_inputs: int) -> Scales:
    """Scales from their prior, in the order of `scale_places`."""
    places = scale_places(network)
    keys = jax.random.split(key, max(len(places), 1))
    return [p.scale.sample(k, num_inputs) for p, k in zip(places, keys, strict=False)]


def is_single(network: Layer, num_inputs: int) -> bool:
    """Whether one number is all that is random about the scales."""
    shapes = [place.scale.shape(num_inputs) for place in scale_places(network)]
    return len(shapes) == 1 and int(np.prod(shapes[0])) == 1


def nodes_of_single(network: Layer, num_inputs: int) -> tuple[Scales, Float[np.ndarray, " q"]]:
    """A rule over the one random scale: [q, …] of it, and weights that sum to 1."""
    scale = scale_places(network)[0].scale
    normals, weights = panel_nodes(_NODES)
    values = scale.from_normals(jnp.asarray(normals))
    return [values.reshape(-1, *scale.shape(num_inputs))], weights
