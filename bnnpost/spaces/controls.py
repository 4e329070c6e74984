"""Control variates: what a draw's kernels differ by from what the layer before led to expect.

Given the kernel K̂ˡ of one layer, the units of the next are independent, so the expectation
of K̂ˡ⁺¹ is the kernel map of K̂ˡ, exactly and at any width. The differences have mean zero
under the prior, and near the limit they are what the Monte-Carlo noise of every estimate
over all proposals is, to first order: regressing on them leaves noise of relative size
1/√proposals at any width, where without it grows as √(width/proposals).
"""

import functools
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.networks.activation import Activation
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.layers import Layer, Map, Serial
from bnnpost.networks.linear import Dense, Linear


def available(network: Layer) -> bool:
    """Whether the expectations have a closed form: Dense layers, an activation between any two.

    The Dense ones with Gaussian weights and scales that are not random.
    """
    layers = _flat(network)
    doubled = any(
        isinstance(layer, Activation) and isinstance(then, Activation)
        for layer, then in itertools.pairwise(layers)
    )
    return not doubled and all(
        (isinstance(layer, Dense) and layer.gaussian and not layer.random_scales)
        or (isinstance(layer, Activation) and layer.nonlinearity.closed_form)
        for layer in layers
    )


def _flat(network: Layer) -> tuple[Layer, ...]:
    return network.flattened() if isinstance(network, Serial) else (network,)


def num_controls(network: Layer, num_rows: int) -> int:
    """How many control variates `deviations` gives for this many training and test rows."""
    num_linear = sum(isinstance(layer, Linear) for layer in _flat(network))
    return (num_linear - 1) * num_rows * (num_rows + 1) // 2 if available(network) else 0


def deviations(network: Layer, kernels: list[Float[Array, "r r"]]) -> Float[Array, " q"]:
    """K̂ˡ⁺¹ − E[K̂ˡ⁺¹ | K̂ˡ] for every layer after the first, lower triangles, in one vector."""
    if not available(network) or len(kernels) < 2:
        return jnp.zeros(0, jnp.float64)
    rows, columns = jnp.tril_indices(kernels[0].shape[0])
    steps = zip(_maps(network), kernels[:-1], kernels[1:], strict=True)
    return jnp.concatenate([(after - step(before))[rows, columns] for step, before, after in steps])


def response(network: Layer, kernels: list[Float[Array, "r r"]]) -> Float[Array, "r r"]:
    """What the last kernel differs by from the limit's, to first order in all deviations.

    Each layer's deviation D is carried on by the derivatives of the limit's kernel maps:
    Rˡ⁺¹ = κ′(Kˡ)[Rˡ] + Dˡ⁺¹, from R = 0 at the inputs. It is linear in the deviations, so its
    mean under the prior is exactly zero at any width. Zeros where no closed form exists.
    """
    total = jnp.zeros_like(kernels[-1])
    if not available(network) or len(kernels) < 2:
        return total
    limit = kernels[0]  # of the inputs: every draw has the same
    for step, before, after in zip(_maps(network), kernels[:-1], kernels[1:], strict=True):
        deviation = after - step(before)
        limit, carried = jax.jvp(step, (limit,), (total,))
        total = carried + deviation
    return total


def _maps(network: Layer) -> list[Callable[[Array], Array]]:
    """The kernel map from each linear layer to the next."""
    found: list[Callable[[Array], Array]] = []
    segment: tuple[Linear | Map, ...] | None = None
    for layer in _flat(network):
        if segment is not None and isinstance(layer, Linear | Map):
            segment = (*segment, layer)
        if isinstance(layer, Linear):
            if segment is not None:
                found.append(functools.partial(_mapped, segment))
            segment = ()
    return found


def _mapped(layers: tuple[Linear | Map, ...], kernel: Array) -> Array:
    state = Covariance.of_self(kernel)
    for layer in layers:
        state = layer.covariance(state)
    return state.cross
