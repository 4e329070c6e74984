"""What the kernel maps pass from layer to layer: covariances of one unit at pairs of inputs."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

# Correlations within this many units of rounding of ±1 are taken to be ±1: the same input
# met twice is then the same input for activations whose kernel has a root or an infinite
# slope there. Inner products of some 10^4 features carry errors of a few dozen units.
_ROUNDINGS = 64


def root(variances: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Standard deviations, with derivative 0 (and not NaN) where the variance is 0."""
    positive = variances > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, variances, 1.0)), 0.0)


class Covariance(eqx.Module):
    """Covariance of one unit between two lists of inputs, and its variance on each list.

    Before the first linear layer it holds ⟨x, x′⟩/d. The variances travel along because the
    covariance after an activation depends on them. Where a unit is not a centred Gaussian these
    are its second moments, and `law` (see `networks.units`) says what it is.
    """

    cross: Float[Array, "n1 n2"]
    variances1: Float[Array, " n1"]
    variances2: Float[Array, " n2"]
    law: Any = None

    @classmethod
    def of_self(cls, covariance: Float[Array, "n n"]) -> "Covariance":
        """The state for one list of inputs paired with itself."""
        variances = jnp.diagonal(covariance)
        return cls(covariance, variances, variances)

    def stds(self) -> tuple[Float[Array, "n1 1"], Float[Array, "1 n2"]]:
        """Standard deviations on either list, shaped to broadcast against `cross`."""
        return root(self.variances1)[:, None], root(self.variances2)[None, :]

    def correlation(self) -> Float[Array, "n1 n2"]:
        """Correlations in [−1, 1]; 0 where a variance is 0."""
        std1, std2 = self.stds()
        product = std1 * std2
        ratio = self.cross / jnp.where(product > 0, product, 1.0)
        edge = 1 - _ROUNDINGS * jnp.finfo(ratio.dtype).eps
        return jnp.where(jnp.abs(ratio) >= edge, jnp.sign(ratio), ratio)

    def affine(self, factor: Array, offset: Array) -> "Covariance":
        """factor · covariance + offset, in all three parts."""
        return Covariance(
            factor * self.cross + offset,
            factor * self.variances1 + offset,
            factor * self.variances2 + offset,
        )
