"""The kernel map of a linear layer, whatever the laws of its weights and biases.

Sums over a growing number of inputs are Gaussian, with the variance that the weights have. The
first layer's inputs do not grow in number and biases are not summed over: those keep their law.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import LayerError
from bnnpost.networks.nonlinearities import cast
from bnnpost.networks.priors import (
    IndependentEntries,
    Priors,
    Scale,
    StandardNormals,
    WeightPrior,
    standard,
)
from bnnpost.networks.units import Inputs, Nodes, Shifted, mean_products
from bnnpost.numerics.quadrature import panel_nodes

# Nodes a variable in a rule over one, two or three variables: weights of a unit, and its bias.
_NODES = (1024, 256, 48)
# Nodes for a bias where each costs an integral over two Gaussian variables.
_BIAS_NODES = 64
# Units drawn where there are more variables than that: errors of 1/√this, relative to E φ².
NUM_UNITS = 2**16


class Product(NamedTuple):
    """What the kernel map of a linear layer needs to know of it.

    w_std, b_std, priors: as the layer has them. row_mean: the covariance of a sum over the inputs
    in one row, over the number of them.
    """

    w_std: Any
    b_std: Any
    priors: Priors
    row_mean: Callable[[Covariance], Covariance]

    @property
    def has_bias(self) -> bool:
        return self.b_std is not None


def wide(layer: Product, k: Covariance) -> Covariance:
    """The covariance of one output unit, and its law where that is not Gaussian.

    The tangent, where there is one: Θ → Θ times the variance of a weight, and what the layer's own
    parameters give (w_std² K + b_std², where they are not fixed; Jacot et al. 2018).
    """
    prior = layer.priors
    inputs = k.law if isinstance(k.law, Inputs) else None
    if inputs is not None and prior.weights is not None:
        _no_positions(k, "weights")
        found = _first(layer, inputs).moments()
    else:
        found = _with_bias(layer, _summed(layer, k, inputs))
    if k.tangent is None:
        return found
    return dataclasses.replace(found, tangent=_tangent(layer, k, inputs))


def _no_positions(k: Covariance, what: str) -> None:
    if k.grid:
        raise LayerError(
            f"the limit of a layer that keeps the law of its {what} is known for inputs without "
            f"positions alone: expected normal {what}"
        )


def _with_bias(layer: Product, gaussian: Covariance) -> Covariance:
    like, prior = gaussian.cross, layer.priors.biases
    if not layer.has_bias:
        return gaussian
    if prior is None:
        return gaussian.affine(jnp.ones((), like.dtype), cast(layer.b_std, like) ** 2)
    _no_positions(gaussian, "biases")
    values, weights = _bias_nodes(prior, like.dtype)
    return Shifted(gaussian, cast(layer.b_std, like) * values, weights).moments()


def _tangent(layer: Product, k: Covariance, inputs: Inputs | None) -> Array:
    assert k.tangent is not None
    like, prior = k.cross, layer.priors
    own = jnp.zeros((), like.dtype)
    if prior.weights is None or prior.weights.random:
        own = _summed(layer._replace(priors=Priors()), k, inputs).cross
    if layer.has_bias and (prior.biases is None or prior.biases.random):
        own = own + cast(layer.b_std, like) ** 2
    if inputs is not None:
        return own + jnp.zeros_like(k.tangent) if jnp.ndim(own) == 0 else own
    return own + layer.row_mean(k.changed(cross=k.tangent)).cross * _weight_variance(layer, like)


def _summed(layer: Product, k: Covariance, inputs: Inputs | None) -> Covariance:
    """Of the sum over inputs, which is Gaussian."""
    if inputs is not None and jnp.ndim(layer.w_std) == 1:
        x1, x2 = (x * cast(layer.w_std, x) for x in (inputs.x1, inputs.x2))
        products = mean_products(x1, x2, k.all_pairs).with_masks(k.mask1, k.mask2)
        return layer.row_mean(products).changed(units="gaussian")
    factor = _weight_variance(layer, k.cross)
    summed = layer.row_mean(k).affine(factor, jnp.zeros((), k.cross.dtype))
    return summed.changed(units="gaussian", tangent=None)


def _weight_variance(layer: Product, like: Array) -> Array:
    """Of a weight, times the number of inputs."""
    scale = layer.w_std
    square = scale.mean_square() if isinstance(scale, Scale) else cast(scale, like) ** 2
    if layer.priors.weights is None:
        return jnp.asarray(square, like.dtype)
    return jnp.asarray(square * layer.priors.weights.moments().variance, like.dtype)


def _needs_key(layer: Product, num_inputs: int) -> bool:
    """Whether units of this first layer have to be sampled: too many variables for a rule."""
    if layer.priors.weights is None:
        return False
    random = [p for p in _variables(layer, num_inputs) if p.random]
    return len(random) > len(_NODES) or not all(map(_has_quantiles, random))


def _variables(layer: Product, num_inputs: int) -> list[WeightPrior]:
    """What one unit draws: its weights, and its bias."""
    biases = [standard(layer.priors.biases)] * layer.has_bias
    return [standard(layer.priors.weights)] * num_inputs + biases


def _has_quantiles(prior: WeightPrior) -> bool:
    return isinstance(prior, IndependentEntries | StandardNormals)


def _first(layer: Product, inputs: Inputs) -> Nodes:
    """Units of a first layer: on a tensor rule over their variables, or drawn."""
    d = inputs.x1.shape[-1]
    dtype = inputs.x1.dtype
    if _needs_key(layer, d):
        weights, biases, masses = _drawn(layer, d, inputs.key, dtype)
    else:
        weights, biases, masses = _tensor(layer, d, dtype)
    scaled = cast(layer.w_std, inputs.x1) / np.sqrt(d).astype(dtype) * weights
    shift = cast(layer.b_std, scaled) * biases[:, None] if layer.has_bias else 0.0

    def values(x: Array) -> Array:
        return jnp.matmul(scaled, x.T, precision="highest") + shift

    return Nodes(values(inputs.x1), values(inputs.x2), masses)


def _tensor(layer: Product, d: int, dtype: jnp.dtype) -> tuple[Array, Array, Array]:
    """Weights [q, d], biases [q] and masses [q] of a tensor rule."""
    variables = _variables(layer, d)
    num_random = sum(prior.random for prior in variables)
    axes, masses = [], jnp.ones(1, dtype)
    for prior in variables:
        nodes, weights = _rule(prior, _NODES[max(num_random, 1) - 1], dtype)
        axes.append(nodes)
        masses = (masses[:, None] * weights).ravel()
    grid = jnp.stack([a.ravel() for a in jnp.meshgrid(*axes, indexing="ij")], axis=1)
    return grid[:, :d], grid[:, -1], masses


def _rule(prior: WeightPrior, count: int, dtype: jnp.dtype) -> tuple[Array, Array]:
    """Values of one entry, and their weights."""
    if not prior.random:
        return prior.sample(jax.random.key(0), (1,), dtype), jnp.ones(1, dtype)
    nodes, weights = panel_nodes(count)
    with jax.enable_x64(True):  # quantiles are found by bisection
        values = prior.from_normals(jnp.asarray(nodes, jnp.float64)).astype(dtype)
    return values, jnp.asarray(weights, dtype)


def _bias_nodes(prior: WeightPrior, dtype: jnp.dtype) -> tuple[Array, Array]:
    if prior.random and not _has_quantiles(prior):
        raise ValueError(
            f"the limit keeps the law of a hidden bias: expected a law of numpyro or one Fixed "
            f"number for bias_prior, got {type(prior).__name__}"
        )
    return _rule(prior, _BIAS_NODES, dtype)


def _drawn(
    layer: Product, d: int, key: Array | None, dtype: jnp.dtype
) -> tuple[Array, Array, Array]:
    """Weights, biases and masses of units drawn from the prior."""
    if key is None:
        kind = _name(standard(layer.priors.weights))
        raise TypeError(
            f"the kernel of a first layer of {d} inputs with {kind} weights is a Monte Carlo "
            "estimate: pass key=jax.random.key(0), the same for everything to be compared"
        )
    weight_key, bias_key = jax.random.split(key)
    weights = standard(layer.priors.weights).sample(weight_key, (d, NUM_UNITS), dtype).T
    biases = standard(layer.priors.biases).sample(bias_key, (NUM_UNITS,), dtype)
    return weights, biases, jnp.full(NUM_UNITS, 1 / NUM_UNITS, dtype)


def _name(prior: WeightPrior) -> str:
    own = isinstance(prior, IndependentEntries)
    return type(prior.law if own else prior).__name__  # type: ignore[attr-defined]
