"""Convolution over positions, in one or more dimensions."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from bnnpost.arguments import LARGEST_WIDTH, positive_integer
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.layers import LinearStep
from bnnpost.networks.linear import Linear, checked_scales
from bnnpost.networks.masks import Carried, Masked, zeroed
from bnnpost.networks.priors import PER_INPUT, Scale
from bnnpost.networks.windows import Windows


class Conv(Linear):
    """Convolution with `width` output channels over inputs [point, position, …, channel].

    filter_shape: positions of the filter along each axis, such as (3,) or (3, 3); strides: 1 by
    default; padding: "SAME" (an even filter has ⌊(f − 1)/2⌋ of its positions on the left),
    "VALID" or "CIRCULAR". Weights have prior variance w_std²/(positions of the filter · channels),
    biases b_std²; padded positions count in the filter, and contribute 0.
    w_std, b_std: numbers, or laws of a scale as in `Dense`.

    K_pq → w_std²/f Σ_o K_{p+o, q+o} + b_std² (Novak et al. 2019, eq. 7): where only equal positions
    matter afterwards, only those are followed.
    Raises ValueError for a width below 1, an unknown padding or stds that are not positive.
    """

    width: int = eqx.field(static=True)
    filter_shape: tuple[int, ...] = eqx.field(static=True)
    strides: tuple[int, ...] = eqx.field(static=True)
    padding: str = eqx.field(static=True)
    w_std: Any
    b_std: Any

    def __init__(
        self,
        width: int,
        filter_shape: Sequence[int],
        *,
        strides: Sequence[int] | None = None,
        padding: str = "SAME",
        w_std: object = None,
        b_std: object = None,
    ):
        self.width = positive_integer("width", width, LARGEST_WIDTH)
        windows = Windows("filter_shape", filter_shape, strides, padding)
        self.filter_shape, self.strides, self.padding = (
            windows.shape,
            windows.strides,
            windows.padding,
        )
        self.w_std, self.b_std = checked_scales(w_std, b_std)
        if isinstance(self.w_std, Scale) and self.w_std.per == PER_INPUT:
            raise ValueError("expected one w_std for the layer: a convolution has none per input")

    @property
    def windows(self) -> Windows:
        """The filter's positions as it moves."""
        return Windows("filter_shape", self.filter_shape, self.strides, self.padding)

    def rows(self, x: Array) -> Array:
        return jnp.concatenate(self.windows.taps(x, 1, x.shape[1:-1]), axis=-1)

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        middles = self.windows.middles(mask)
        return zeroed(self.propagate(x, linear), middles), middles

    def mixed(self, k: Covariance) -> Covariance:
        windows, groups = self.windows, 1 + k.all_pairs
        firsts = [1 + len(k.grid) * group for group in range(groups)]
        places = windows.over(k.grid)

        def means(covariances: Array) -> Array:
            spread = covariances.reshape(-1, *k.grid * groups)
            summed = windows.sums(spread, firsts, k.grid) / windows.size
            return summed.reshape(-1, *(math.prod(places),) * groups)

        return windows.moved(k, k.of_positions(means, grid=places))

    def at_width(self, width: int) -> "Conv":
        return dataclasses.replace(self, width=width)
