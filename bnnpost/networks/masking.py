"""Masks: inputs of different length, padded to one."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import LayerError, ShapeError
from bnnpost.networks.layers import LinearStep, Preparation
from bnnpost.networks.masks import Carried, Masked, zeroed
from bnnpost.networks.nonlinearities import Scalar, cast, concrete, named
from bnnpost.networks.units import through_map


class Mask(Preparation):
    """Masks every position whose features all equal `constant` (0), the padding of sequences.

    Sequences of different length are padded to one: an array [point, position, channel] full of a
    number that no position consists of, each sequence written into the first of its positions, and
    that number as the constant.

    It comes first: only a Reshape may be before it. From there on masked positions are 0, and
    take no part: attention attends to the others alone, GlobalAvgPool is the mean over the others,
    a convolution sees zeros there (as in its own padding) and its output is masked where the
    middle of the filter is. Flatten still has as many features, with zeros among them. Layers of
    your own that act on each position by itself need know nothing of it.

    Raises ValueError for a constant that is not a finite number; LayerError where it is not first,
    and for an input all of whose positions are masked; a forward pass ShapeError for inputs
    without positions.
    """

    constant: Scalar = eqx.field(converter=named("constant"), default=0.0)
    masks: ClassVar[bool] = True

    def __check_init__(self) -> None:
        number = concrete(self.constant)
        if number is not None and not (np.ndim(number) == 0 and np.isfinite(number)):
            raise ValueError(f"expected constant to be a finite number, got {self.constant}")

    def _mask(self, x: Array) -> Bool[Array, "n *g"]:
        if x.ndim < 3:
            raise ShapeError(
                "expected inputs [point, position, …, channel] for a Mask, got inputs of shape "
                f"{list(x.shape[1:])} a point: it masks positions"
            )
        return jnp.all(x == cast(self.constant, x), axis=-1)

    def __call__(self, x: Array) -> Array:
        return zeroed(x, self._mask(x))

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        mask = self._mask(x)
        return zeroed(x, mask), mask

    def check_inputs(self, x: Array) -> None:
        mask = concrete(self._mask(x))
        if mask is None:
            return
        hidden = np.flatnonzero(np.all(mask.reshape(len(mask), -1), axis=1))
        if len(hidden):
            raise LayerError(
                f"input {hidden[0]} is masked at every position, since all of its features equal "
                f"{float(np.asarray(self.constant)):g}: expected at least one position with others"
            )

    def covariance(self, k: Covariance) -> Covariance:
        if k.units != "inputs":
            raise LayerError("a mask is read off the inputs themselves: put Mask first")
        return through_map(self, k)
