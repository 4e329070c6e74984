"""The law of one unit of a wide layer, where it is not a centred Gaussian.

The units of the first linear layer have the law that its own weights give them, and biases keep
theirs in every layer: E φ(z)φ(z′) is then an integral over that law, here a weighted sum.
"""

from typing import TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.networks.covariance import Covariance
from bnnpost.networks.nonlinearities import Nonlinearity
from bnnpost.numerics import quadrature

Key: TypeAlias = Array | None


class Inputs(eqx.Module):
    """Nothing random yet: the inputs themselves, and a key for what must be sampled."""

    x1: Float[Array, "n1 d"]
    x2: Float[Array, "n2 d"]
    key: Key


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
        return Covariance(cross, square1, square2, self)


class Shifted(eqx.Module):
    """A centred Gaussian unit plus a bias that takes finitely many values, alike at all inputs."""

    gaussian: Covariance
    values: Float[Array, " q"]
    weights: Float[Array, " q"]

    def moments(self) -> Covariance:
        """Second moments, with this law."""
        square = jnp.sum(self.weights * self.values**2)
        total = self.gaussian.affine(jnp.ones_like(square), square)
        return Covariance(total.cross, total.variances1, total.variances2, self)


def mean_products(x1: Float[Array, "n1 d"], x2: Float[Array, "n2 d"]) -> Covariance:
    """⟨x, x′⟩/d."""
    d = x1.shape[-1]
    cross = jnp.matmul(x1, x2.T, precision="highest") / d
    return Covariance(cross, *(jnp.sum(x**2, axis=-1) / d for x in (x1, x2)))


def of_inputs(x1: Float[Array, "n1 d"], x2: Float[Array, "n2 d"], key: Key = None) -> Covariance:
    """What enters the first linear layer."""
    found = mean_products(x1, x2)
    return Covariance(found.cross, found.variances1, found.variances2, Inputs(x1, x2, key))


def activated(nonlinearity: Nonlinearity, k: Covariance, step: float | None) -> Covariance:
    """The covariance of φ(z), over the law that z has; step: of trapezoid rules, if not usual."""
    if isinstance(k.law, Nodes):
        law = k.law
        return Nodes(nonlinearity(law.values1), nonlinearity(law.values2), law.weights).moments()
    if isinstance(k.law, Shifted):
        return _averaged(nonlinearity, k.law, step or quadrature.DEFAULT_STEP)
    return nonlinearity.covariance(k)


def _averaged(nonlinearity: Nonlinearity, law: Shifted, step: float) -> Covariance:
    """Averages over the biases of E φ(b + g)φ(b + g′), each by the trapezoid rule."""
    std1, std2 = law.gaussian.stds()
    correlation = law.gaussian.correlation()

    def add(total: Covariance, node: tuple[Array, Array]) -> tuple[Covariance, None]:
        bias, weight = node

        def shifted(u: Array) -> Array:
            return nonlinearity(bias + u)

        found = Covariance(
            quadrature.expect_product(shifted, std1, std2, correlation, step),
            quadrature.expect_square(shifted, std1[:, 0], step),
            quadrature.expect_square(shifted, std2[0], step),
        )
        return jax.tree.map(lambda a, b: a + weight * b, total, found), None

    start = jax.tree.map(jnp.zeros_like, law.gaussian)
    return jax.lax.scan(add, start, (law.values, law.weights))[0]
