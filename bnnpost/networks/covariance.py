"""What the kernel maps pass from layer to layer: covariances of one unit at pairs of inputs."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bnnpost.networks.errors import LayerError
from bnnpost.networks.masks import Masked, other_positions

# Correlations within this many units of rounding of ±1 are taken to be ±1: the same input
# met twice is then the same input for activations whose kernel has a root or an infinite
# slope there. Inner products of some 10^4 features carry errors of a few dozen units.
_ROUNDINGS = 64

# What one unit is: a coordinate of the inputs; a centred Gaussian, as after linear layers; or
# something else, as after activations.
Units: TypeAlias = Literal["inputs", "gaussian", "other"]


def root(variances: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Standard deviations, with derivative 0 (and not NaN) where the variance is 0."""
    positive = variances > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, variances, 1.0)), 0.0)


def _either(mask: Masked, other: Masked) -> Masked:
    return None if mask is None or other is None else mask | other


def inverse_root(variances: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """1/√variances; 0, with derivative 0, where the variance is 0."""
    positive = variances > 0
    return jnp.where(positive, 1 / jnp.sqrt(jnp.where(positive, variances, 1.0)), 0.0)


class Covariance(eqx.Module):
    """Covariance of one unit between two lists of inputs, and within each of the inputs.

    Before the first linear layer it holds ⟨x, x′⟩/d. Where inputs have positions (`grid`, their
    shape, not empty), there is one covariance for each position that both inputs share, or, with
    `all_pairs`, for each pair of positions p, q; positions are numbered along one axis.
    The covariances within inputs travel along because what an activation does depends on them:
    of each input with itself, between its own positions.
    tangent: the neural tangent kernel at the same pairs, where asked for. Where a unit is not a
    centred Gaussian (`units`) these are its second moments, and `law` (see `networks.units`) says
    what it is. mask1, mask2: which positions of the inputs of either list are masked, where some
    may be: covariances are 0 there.
    fresh_weights: whether a linear layer lies between the start of the branch that this is in and
    here. A Gaussian unit is then uncorrelated with everything that does not share its weights.
    """

    cross: Float[Array, "n1 n2 *p"]
    within1: Float[Array, "n1 *p"]
    within2: Float[Array, "n2 *p"]
    law: Any = None
    tangent: Float[Array, "n1 n2 *p"] | None = None
    grid: tuple[int, ...] = eqx.field(static=True, default=())
    all_pairs: bool = eqx.field(static=True, default=False)
    units: Units = eqx.field(static=True, default="gaussian")
    mask1: Bool[Array, "n1 p"] | None = None
    mask2: Bool[Array, "n2 p"] | None = None
    fresh_weights: bool = eqx.field(static=True, default=False)

    @classmethod
    def of_self(cls, covariance: Float[Array, "n n"]) -> "Covariance":
        """The state for one list of inputs paired with itself."""
        variances = jnp.diagonal(covariance)
        return cls(covariance, variances, variances)

    @property
    def variances1(self) -> Float[Array, "n1 *p"]:
        """Variances on the first list, at each position."""
        return self._diagonal(self.within1)

    @property
    def variances2(self) -> Float[Array, "n2 *p"]:
        """Variances on the second list, at each position."""
        return self._diagonal(self.within2)

    def _diagonal(self, within: Array) -> Array:
        return jnp.diagonal(within, axis1=1, axis2=2) if self.all_pairs else within

    def stds(self) -> tuple[Array, Array]:
        """Standard deviations on either list, shaped to broadcast against `cross`."""
        return self.facing(root(self.variances1), root(self.variances2))

    def facing(self, first: Array, second: Array) -> tuple[Array, Array]:
        """What each input (and position) of either list has, to broadcast against `cross`."""
        if self.all_pairs:
            return first[:, None, :, None], second[None, :, None, :]
        return first[:, None], second[None, :]

    def correlation(self) -> Float[Array, "n1 n2 *p"]:
        """Correlations in [−1, 1]; 0 where a variance is 0."""
        # Two divisions for each input are cheaper than one for each pair.
        inverse1, inverse2 = self.facing(
            inverse_root(self.variances1), inverse_root(self.variances2)
        )
        ratio = self.cross * inverse1 * inverse2
        edge = 1 - _ROUNDINGS * jnp.finfo(ratio.dtype).eps
        return jnp.where(jnp.abs(ratio) >= edge, jnp.sign(ratio), ratio)

    def changed(self, **changes: Any) -> "Covariance":
        """The same, some parts replaced; the law is gone unless given."""
        return dataclasses.replace(self, **{"law": None, **changes})

    def affine(self, factor: Array, offset: Array) -> "Covariance":
        """factor · covariance + offset, in all three parts; factor · tangent."""
        return self.changed(
            cross=factor * self.cross + offset,
            within1=factor * self.within1 + offset,
            within2=factor * self.within2 + offset,
            tangent=None if self.tangent is None else factor * self.tangent,
        )

    def scaled(self, scale1: Float[Array, "n1 *p"], scale2: Float[Array, "n2 *p"]) -> "Covariance":
        """Of units times a number that each input, and position, of either list has."""
        at1, at2 = self.facing(scale1, scale2)
        return self.changed(
            cross=self.cross * at1 * at2,
            within1=self._scaled_within(self.within1, scale1),
            within2=self._scaled_within(self.within2, scale2),
            tangent=None if self.tangent is None else self.tangent * at1 * at2,
        )

    def _scaled_within(self, within: Array, scale: Array) -> Array:
        if self.all_pairs:
            return within * scale[:, :, None] * scale[:, None, :]
        return within * scale**2

    def with_masks(self, mask1: Masked, mask2: Masked) -> "Covariance":
        """The same with these masks, which have the shape of the positions or are flat."""
        flat = [None if mask is None else mask.reshape(len(mask), -1) for mask in (mask1, mask2)]
        return dataclasses.replace(self, mask1=flat[0], mask2=flat[1])

    def hidden(self) -> "Covariance":
        """0 at masked positions, if there are any. Raises LayerError for masks of others."""
        if self.mask1 is None or self.mask2 is None:
            return self
        if not self.grid or self.mask1.shape[1] != math.prod(self.grid):
            raise other_positions()
        visible = [(~mask).astype(self.cross.dtype) for mask in (self.mask1, self.mask2)]
        return dataclasses.replace(self.scaled(*visible), law=self.law)

    def of_positions(self, function: Callable[[Array], Array], **changes: Any) -> "Covariance":
        """`function`, linear, of the axes of positions: of [n, *p], n pairs of inputs or inputs."""

        def between(k: Array) -> Array:
            found = function(k.reshape(-1, *k.shape[2:]))
            return found.reshape(*k.shape[:2], *found.shape[1:])

        return self.changed(
            cross=between(self.cross),
            within1=function(self.within1),
            within2=function(self.within2),
            tangent=None if self.tangent is None else between(self.tangent),
            **changes,
        )

    def plus(self, other: "Covariance") -> "Covariance":
        """The covariance of a sum of two units, one of them with weights of its own.

        Raises LayerError where their positions differ, one of them is a coordinate of the
        inputs, of which there is no growing number, or where they may be correlated.
        """
        if self.grid != other.grid:
            raise LayerError(
                f"expected branches that end in the same positions, got {list(self.grid)} and "
                f"{list(other.grid)}"
            )
        if "inputs" in (self.units, other.units) and self.units != other.units:
            raise LayerError(
                "a sum of the inputs themselves and of units that grow in number has no limit: "
                "put a linear layer such as Dense before it"
            )
        if not (self.free or other.free):
            raise LayerError(
                "the units of these branches are correlated, so that their covariances do not add "
                "up: end each branch, or each but one, in a linear layer of its own such as Dense"
            )
        tangent = None
        if self.tangent is not None and other.tangent is not None:
            tangent = self.tangent + other.tangent
        return self.changed(
            cross=self.cross + other.cross,
            within1=self.within1 + other.within1,
            within2=self.within2 + other.within2,
            tangent=tangent,
            units="gaussian" if self.units == other.units == "gaussian" else "other",
            fresh_weights=self.fresh_weights and other.fresh_weights,
            mask1=_either(self.mask1, other.mask1),
            mask2=_either(self.mask2, other.mask2),
        )

    @property
    def free(self) -> bool:
        """Whether the unit is centred, and independent of the units at the branch's start."""
        return self.fresh_weights and self.units == "gaussian"

    def over_pairs(self, moment: Callable[["Covariance"], Array]) -> Array:
        """`moment` of the covariances between two lists without positions, at every pair."""
        if not self.grid:
            return moment(self)

        def one(cross: Array, variances1: Array, variances2: Array) -> Array:
            return moment(Covariance(cross, variances1, variances2))

        parts = (self.cross, self.variances1, self.variances2)
        if not self.all_pairs:
            return jax.vmap(one, in_axes=(2, 1, 1), out_axes=2)(*parts)
        each_of_second = jax.vmap(one, in_axes=(0, None, 0))
        return jax.vmap(each_of_second, in_axes=(0, 0, None))(*parts)

    def over_positions(
        self,
        moment: Callable[["Covariance"], Array],
        square: Callable[[Array], Array],
    ) -> tuple[Array, Array]:
        """`moment` within the inputs of either list; on the diagonal, `square` of variances."""

        def within(covariance: Array, variances: Array) -> Array:
            squares = square(variances.reshape(-1)).reshape(variances.shape)
            if not self.all_pairs:
                return squares
            found = jax.vmap(lambda k, v: moment(Covariance(k, v, v)))(covariance, variances)
            eye = jnp.eye(variances.shape[1], dtype=bool)
            return jnp.where(eye, squares[:, :, None], found)

        return within(self.within1, self.variances1), within(self.within2, self.variances2)
