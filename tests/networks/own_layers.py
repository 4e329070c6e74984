"""Layers as a user would write them: a map and a composite with a branch."""

import jax.numpy as jnp

from bnnpost.networks import Layer, Map
from bnnpost.networks.covariance import Covariance


class Shift(Map):
    """x + shift; a unit of mean zero with second moment K then has K + shift²."""

    shift: float

    def __call__(self, x):
        return x + self.shift

    def covariance(self, k):
        return k.affine(jnp.ones((), k.cross.dtype), jnp.asarray(self.shift**2, k.cross.dtype))


class Residual(Layer):
    """x + branch(x); the branch must keep the number of units."""

    branch: Layer

    def propagate(self, x, linear):
        return x + self.branch.propagate(x, linear)

    def covariance(self, k):
        other = self.branch.covariance(k)
        return Covariance(
            k.cross + other.cross,
            k.variances1 + other.variances1,
            k.variances2 + other.variances2,
        )

    def at_width(self, width):
        return Residual(self.branch.at_width(width))
