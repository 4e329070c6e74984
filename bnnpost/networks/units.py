"""What enters the first layer, and the law of one unit where it is not a centred Gaussian.

The units of the first linear layer have the law that its own weights give them, and biases keep
theirs in every layer: E φ(z)φ(z′) is then an integral over that law, here a weighted sum.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import LayerError
from bnnpost.networks.layers import Layer, Map
from bnnpost.networks.masks import Masked
from bnnpost.networks.nonlinearities import Nonlinearity
from bnnpost.numerics import quadrature

Key: TypeAlias = Array | None

# Rows are filled up to a multiple of this for inner products: libraries add those of few rows in
# another order, and rounding would depend on how many inputs are computed together.
_ROWS = 64


class Inputs(eqx.Module):
    """Nothing random yet: the inputs themselves, and a key for what must be sampled.

    all_pairs: whether the layers to come need all pairs of positions, where there are any.
    """

    x1: Float[Array, "n1 *g d"]
    x2: Float[Array, "n2 *g d"]
    key: Key
    all_pairs: bool = eqx.field(static=True, default=False)


class Nodes(eqx.Module):
    """A unit that takes finitely many values, with weights that sum to 1."""

    values1: Float[Array, "q n1"]
    values2: Float[Array, "q n2"]
    weights: Float[Array, " q"]

    def moments(self) -> Covariance:
        """Second moments, with this law."""
        weights = self.weights[:, None]
        cross = jnp.matmul((weights * self.values1).T, self.values2, precision="highest")
        square1, square2 = (jnp.sum(weights * v**2, axis=0) for v in (self.values1, self.values2))
        return Covariance(cross, square1, square2, self, units="other")

    def tangent(self, derivative: Callable[[Array], Array]) -> Array:
        """E φ′(z)φ′(z′)."""
        values1, values2 = derivative(self.values1), derivative(self.values2)
        return Nodes(values1, values2, self.weights).moments().cross


class Shifted(eqx.Module):
    """A centred Gaussian unit plus a bias that takes finitely many values, alike at all inputs."""

    gaussian: Covariance
    values: Float[Array, " q"]
    weights: Float[Array, " q"]

    def moments(self) -> Covariance:
        """Second moments, with this law."""
        square = jnp.sum(self.weights * self.values**2)
        total = self.gaussian.affine(jnp.ones_like(square), square)
        return total.changed(law=self, units="other")


def mean_products(
    x1: Float[Array, "n1 *g d"], x2: Float[Array, "n2 *g d"], all_pairs: bool = False
) -> Covariance:
    """⟨x, x′⟩/d, at each position or at all pairs of them."""
    grid, d = x1.shape[1:-1], x1.shape[-1]
    if not grid:
        padded1, padded2 = (jnp.pad(x, ((0, -len(x) % _ROWS), (0, 0))) for x in (x1, x2))
        cross = jnp.matmul(padded1, padded2.T, precision="highest") / d
        within1, within2 = (jnp.sum(x**2, axis=-1) / d for x in (padded1, padded2))
        n1, n2 = len(x1), len(x2)
        return Covariance(cross[:n1, :n2], within1[:n1], within2[:n2], units="inputs")
    x1, x2 = (x.reshape(x.shape[0], -1, d) for x in (x1, x2))
    between, inside = (
        ("ipd,jqd->ijpq", "ipd,iqd->ipq") if all_pairs else ("ipd,jpd->ijp", "ipd,ipd->ip")
    )

    def mean(terms: str, a: Array, b: Array) -> Array:
        return jnp.einsum(terms, a, b, precision="highest") / d

    return Covariance(
        mean(between, x1, x2),
        mean(inside, x1, x1),
        mean(inside, x2, x2),
        grid=grid,
        all_pairs=all_pairs,
        units="inputs",
    )


def of_inputs(
    x1: Float[Array, "n1 *g d"],
    x2: Float[Array, "n2 *g d"],
    key: Key = None,
    *,
    all_pairs: bool = False,
    tangent: bool = False,
) -> Covariance:
    """What enters the first layer; with a tangent kernel of 0, if asked for."""
    found = mean_products(x1, x2, all_pairs)
    return found.changed(
        law=Inputs(x1, x2, key, all_pairs), tangent=jnp.zeros_like(found.cross) if tangent else None
    )


def entering(
    network: Layer,
    x1: Float[Array, "n1 *g d"],
    x2: Float[Array, "n2 *g d"],
    key: Key = None,
    *,
    tangent: bool = False,
) -> Covariance:
    """What enters a network: of the pairs of positions, those that its kernel needs."""
    return of_inputs(x1, x2, key, all_pairs=network.needs_all_pairs(False), tangent=tangent)


def through_map(layer: Map, k: Covariance) -> Covariance:
    """A map of the inputs themselves, before any linear layer: they are known numbers."""
    law = k.law
    if not isinstance(law, Inputs):
        raise LayerError(
            "the layer before this one does not say what it makes of the inputs themselves: put a "
            "linear layer such as Dense first"
        )
    x1, mask1 = layer.carry(law.x1, on_grid(k.mask1, law.x1), _no_linear_layer)
    x2, mask2 = layer.carry(law.x2, on_grid(k.mask2, law.x2), _no_linear_layer)
    found = of_inputs(x1, x2, law.key, all_pairs=law.all_pairs, tangent=k.tangent is not None)
    return found.with_masks(mask1, mask2)


def _no_linear_layer(layer: object, rows: Array) -> Array:
    raise NotImplementedError("a map has no linear layers")


def on_grid(mask: Masked, x: Float[Array, "n *g d"]) -> Masked:
    """A covariance's mask, whose positions lie along one axis, shaped as those of inputs x."""
    return None if mask is None else mask.reshape(x.shape[:-1])


def activated(nonlinearity: Nonlinearity, k: Covariance, step: float | None) -> Covariance:
    """The covariance of φ(z), over the law that z has; step: of trapezoid rules, if not usual.

    Raises LayerError where z is neither Gaussian nor of a law that is known, such as the inputs.
    """
    if isinstance(k.law, Nodes):
        return _of_nodes(nonlinearity, k, k.law)
    if isinstance(k.law, Shifted):
        return _averaged(nonlinearity, k, k.law, step or quadrature.DEFAULT_STEP)
    if k.units != "gaussian":
        raise LayerError(
            "an activation acts here on units that are not Gaussian in the limit, such as those "
            "right after another activation: put a linear layer such as Dense between the two"
        )
    return nonlinearity.covariance(k)


def _of_nodes(nonlinearity: Nonlinearity, k: Covariance, law: Nodes) -> Covariance:
    values1, values2 = nonlinearity(law.values1), nonlinearity(law.values2)
    found = Nodes(values1, values2, law.weights).moments()
    if k.tangent is None:
        return found
    tangent = k.tangent * law.tangent(nonlinearity.derivative)
    return dataclasses.replace(found, tangent=tangent)


def _averaged(nonlinearity: Nonlinearity, k: Covariance, law: Shifted, step: float) -> Covariance:
    """Averages over the biases of E φ(b + g)φ(b + g′), each by the trapezoid rule."""
    std1, std2 = law.gaussian.stds()
    correlation = law.gaussian.correlation()
    functions: list[Callable[[Array], Array]] = [nonlinearity]
    if k.tangent is not None:
        functions.append(nonlinearity.derivative)

    def add(total: tuple[Array, ...], node: tuple[Array, Array]) -> tuple[tuple[Array, ...], None]:
        bias, weight = node

        def product(function: Callable[[Array], Array]) -> Array:
            return quadrature.expect_product(
                lambda u: function(bias + u), std1, std2, correlation, step
            )

        def square(std: Array) -> Array:
            return quadrature.expect_square(lambda u: nonlinearity(bias + u), std, step)

        found = (square(std1[:, 0]), square(std2[0]), *map(product, functions))
        return jax.tree.map(lambda a, b: a + weight * b, total, found), None

    like = law.gaussian
    start = (like.variances1, like.variances2, *[like.cross] * len(functions))
    zeros = jax.tree.map(jnp.zeros_like, start)
    within1, within2, cross, *slopes = jax.lax.scan(add, zeros, (law.values, law.weights))[0]
    tangent = None if k.tangent is None else k.tangent * slopes[0]
    return Covariance(cross, within1, within2, tangent=tangent, units="other")
