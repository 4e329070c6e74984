"""Encodings of positions for attention (Hron et al. 2020, section 4.1)."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.networks.covariance import Covariance, root
from bnnpost.networks.errors import LayerError
from bnnpost.networks.layers import LinearStep
from bnnpost.networks.linear import Dense
from bnnpost.networks.nonlinearities import Scalar, concrete, hyperparameter, named
from bnnpost.spelling import fields_of

KINDS = ("SUM", "CONCAT")


class PositionEncoding(eqx.Module):
    """Random encodings of positions, alike for all inputs: std² R is their covariance.

    kind: "SUM" adds one to the features of each position, "CONCAT" appends as many features again.
    std: standard deviation of an encoding's entries; in_values: whether attention's values have
    them too, and not only its scores. decay: R is the identity without one; with one, entries at
    distance r (Euclidean, on the grid of positions) have correlation exp(−decay·r²).
    Raises ValueError for another kind, or numbers that are not positive.
    """

    kind: str = eqx.field(static=True, default="SUM")
    std: Scalar = eqx.field(converter=named("std"), default=1.0)
    in_values: bool = eqx.field(static=True, default=True)
    decay: Scalar = eqx.field(
        converter=lambda d: None if d is None else hyperparameter(d), default=None
    )

    def __repr__(self) -> str:
        return fields_of(self)

    def __check_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"expected kind to be SUM or CONCAT, got {self.kind!r}")
        for name, value in (("std", self.std), ("decay", self.decay)):
            number = None if value is None else concrete(value)
            if number is not None and not (np.ndim(number) == 0 and 0 < number < np.inf):
                raise ValueError(f"expected {name} to be a positive number, got {value}")

    def correlation(self, grid: tuple[int, ...], dtype: Any) -> Float[Array, "p p"]:
        """R, between all positions."""
        if self.decay is None:
            return jnp.eye(math.prod(grid), dtype=dtype)
        places = np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"), -1)
        places = places.reshape(-1, len(grid))
        squared = np.sum((places[:, None] - places) ** 2, axis=-1)
        return jnp.exp(-jnp.asarray(self.decay, dtype) * jnp.asarray(squared, dtype))

    def _root(self, grid: tuple[int, ...], dtype: Any) -> Float[Array, "p p"]:
        """C with C Cᵀ = R; also where R, of entries alike, is singular to rounding."""
        correlation = self.correlation(grid, dtype)
        if self.decay is None:
            return correlation
        values, vectors = jnp.linalg.eigh(correlation)
        return vectors * root(values)

    def encoded(self, x: Float[Array, "n p c"], grid: tuple[int, ...], linear: LinearStep) -> Array:
        """The features with their encodings, whose entries `linear` draws."""
        n, p, channels = x.shape
        rows = jnp.broadcast_to(self._root(grid, x.dtype), (n, p, p))
        # A layer divides its standard deviation by the root of the number of inputs.
        drawn = linear(Dense(channels, w_std=self.std * np.sqrt(p)), rows)
        return x + drawn if self.kind == "SUM" else jnp.concatenate([x, drawn], axis=-1)

    def covariance(self, k: Covariance) -> Covariance:
        """K + std² R, for all pairs of positions; its half where encodings are appended."""
        if k.units == "inputs":
            raise LayerError(
                "position encodings are added to units that grow in number: put a Dense before "
                "attention that has them"
            )
        encodings = jnp.asarray(self.std, k.cross.dtype) ** 2 * self.correlation(
            k.grid, k.cross.dtype
        )
        share = 1.0 if self.kind == "SUM" else 0.5
        return k.of_positions(lambda a: share * (a + encodings))
