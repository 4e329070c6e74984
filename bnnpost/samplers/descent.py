"""Full-batch gradient descent on squared loss, many networks at a time."""

import math
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.draws.ensemble_draws import initialised, members_at_once
from bnnpost.networks.layers import Affine, Layer, Parameters
from bnnpost.networks.linear import linear_layers
from bnnpost.networks.priors import Scale, standard
from bnnpost.numerics.precision import unshared
from bnnpost.numerics.random import FEATURE_DTYPES
from bnnpost.posterior import Posterior

# Parameters, losses and drift.
_Arrays: TypeAlias = tuple[Parameters, Array, Array]


class Trained(NamedTuple):
    """Members after training: their losses, [before and after, member], and their drift.

    drift: how far outputs moved in the second half of the steps, over how far in all.
    """

    parameters: Parameters
    losses: Float[np.ndarray, "2 m"]
    drift: Float[np.ndarray, " m"]


def descended(
    key: Array,
    posterior: Posterior,
    num_members: int,
    num_steps: int,
    learning_rate: float,
    ridge: float,
    precision: str,
) -> Trained:
    """All members, a block at a time, as numpy arrays; blocks are equal, one program for all."""
    network = unshared(posterior.network)
    at_once = members_at_once(network, posterior.x.shape[1:])
    num_blocks = math.ceil(num_members / at_once)
    numbers = np.arange(num_blocks * math.ceil(num_members / num_blocks), dtype=np.uint32)
    with jax.enable_x64(precision == "double"):
        x, y = (jnp.asarray(a, FEATURE_DTYPES[precision]) for a in (posterior.x, posterior.targets))
        blocks = [
            jax.tree.map(
                np.asarray,
                _descend(network, x, y, key, block, ridge, learning_rate, num_steps),
            )
            for block in np.split(numbers, num_blocks)
        ]
    parameters = jax.tree.map(
        lambda *arrays: np.concatenate(arrays)[:num_members], *(block[0] for block in blocks)
    )
    losses, drift = (
        np.concatenate([block[i] for block in blocks], axis=-1)[..., :num_members] for i in (1, 2)
    )
    return Trained(parameters, losses.astype(np.float64), drift.astype(np.float64))


@jax.jit
def _descend(
    network: Layer,
    x: Float[Array, "n *f"],
    y: Float[Array, "n k"],
    key: Array,
    numbers: Array,
    ridge: float,
    learning_rate: float,
    num_steps: int,
) -> _Arrays:
    """The members with these numbers, trained; what `Trained` has."""
    moving = trainable(network, x.shape[1:])

    def one(number: Array) -> _Arrays:
        start = initialised(network, key, number, x.shape[1:])

        def loss(parameters: Parameters) -> Array:
            moved = jax.tree.map(lambda a, b: jnp.sum((a - b) ** 2), parameters, start)
            errors = jnp.sum((network.apply(parameters, x) - y) ** 2)
            return 0.5 * (errors + ridge * sum(jax.tree.leaves(moved)))

        def gradient(parameters: Parameters) -> Parameters:
            found = jax.grad(loss)(parameters)
            return jax.tree.map(lambda move, g: g if move else jnp.zeros_like(g), moving, found)  # type: ignore[no-any-return]

        def step(_: Array, parameters: Parameters) -> Parameters:
            descent = gradient(parameters)
            return jax.tree.map(lambda a, g: a - learning_rate * g, parameters, descent)  # type: ignore[no-any-return]

        def steps(parameters: Parameters, count: Array) -> tuple[Parameters, Array]:
            parameters = jax.lax.fori_loop(0, count, step, parameters)
            return parameters, network.apply(parameters, x)

        half = num_steps // 2
        end, outputs = jax.lax.scan(steps, start, jnp.stack([half, num_steps - half]))
        begun, halfway, ended = network.apply(start, x), outputs[0], outputs[1]
        drift = jnp.linalg.norm(ended - halfway) / jnp.linalg.norm(ended - begun)
        return end, jnp.stack([loss(start), loss(end)]), drift

    return jax.vmap(one, out_axes=(0, 1, 0))(numbers)


def trainable(network: Layer, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """For each array of the parameters, whether it is trained."""
    found = []
    for layer, *_ in linear_layers(network, shape):
        weights, biases = (standard(law).random for law in layer.priors)
        scales = (False if isinstance(s, Scale) else None for s in (layer.w_std, layer.b_std))
        flags: tuple[Any, ...] = (weights, biases if layer.has_bias else None, *scales)
        found.append(Affine(*flags))
    return tuple(found)
