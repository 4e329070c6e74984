"""Control variates: what a draw's kernels differ by from what the layer before led to expect.

Given the kernel K̂ˡ of one layer, the units of the next are independent, so the expectation
of K̂ˡ⁺¹ is the kernel map of K̂ˡ, exactly and at any width. The differences have mean zero
under the prior, and near the limit they are what the Monte-Carlo noise of every estimate
over all proposals is, to first order: regressing on them leaves noise of relative size
1/√proposals at any width, where without it grows as √(width/proposals).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.networks.activation import Activation
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.layers import Layer, Linear, Map, Serial


def available(network: Layer) -> bool:
    """Whether the expectations have a closed form: a sequence of linear layers and activations."""
    return all(
        isinstance(layer, Linear)
        or (isinstance(layer, Activation) and layer.nonlinearity.closed_form)
        for layer in _flat(network)
    )


def _flat(network: Layer) -> tuple[Layer, ...]:
    return network.flattened() if isinstance(network, Serial) else (network,)


def count(network: Layer, num_rows: int) -> int:
    """How many control variates `deviations` gives for this many training and test rows."""
    num_linear = sum(isinstance(layer, Linear) for layer in _flat(network))
    return (num_linear - 1) * num_rows * (num_rows + 1) // 2 if available(network) else 0


def deviations(network: Layer, kernels: list[Float[Array, "r r"]]) -> Float[Array, " q"]:
    """K̂ˡ⁺¹ − E[K̂ˡ⁺¹ | K̂ˡ] for every layer after the first, lower triangles, in one vector."""
    if not available(network) or len(kernels) < 2:
        return jnp.zeros(0, jnp.float64)
    rows, columns = jnp.tril_indices(kernels[0].shape[0])
    expected = _expected(network, kernels)
    parts = [(k - e)[rows, columns] for k, e in zip(kernels[1:], expected, strict=True)]
    return jnp.concatenate(parts)


def _expected(network: Layer, kernels: list[Array]) -> list[Array]:
    """The kernel map from each linear layer to the next, applied to the drawn kernel."""
    expected: list[Array] = []
    state: Covariance | None = None
    remaining = iter(kernels)
    for layer in _flat(network):
        if isinstance(layer, Linear):
            if state is not None:
                expected.append(layer.covariance(state).cross)
            state = Covariance.of_self(next(remaining))
        elif isinstance(layer, Map) and state is not None:
            state = layer.covariance(state)
    return expected
