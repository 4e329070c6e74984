"""Windows that slide over positions, and convolution with them, in one or more dimensions."""

import dataclasses
import functools
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from bnnpost.arguments import LARGEST_WIDTH, positive_integer
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import ShapeError
from bnnpost.networks.layers import LinearStep
from bnnpost.networks.linear import Linear, checked_scales
from bnnpost.networks.masks import Carried, Masked, zeroed
from bnnpost.networks.priors import PER_INPUT, Scale

PADDINGS = ("SAME", "VALID", "CIRCULAR")


class Slide(NamedTuple):
    """Along one axis: what is padded on either side, and how many places the window has."""

    before: int
    after: int
    places: int


class Windows(NamedTuple):
    """A window of some shape, moved in strides, with a rule for the edges.

    padding: SAME (⌈size/stride⌉ places; ⌊·/2⌋ of the padding on the left), VALID (only places
    where the window fits) or CIRCULAR (as SAME, but positions wrap around). Padded entries are 0.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str

    @classmethod
    def checked(
        cls, name: str, shape: Sequence[int], strides: Sequence[int] | None, padding: str
    ) -> "Windows":
        """As a user gives it; strides None: of 1. name: of the shape, in errors."""
        sizes = _whole_numbers(name, shape)
        steps = (1,) * len(sizes) if strides is None else _whole_numbers("strides", strides)
        if len(steps) != len(sizes):
            raise ValueError(
                f"expected a stride for each of the {len(sizes)} axes of {name}, got {len(steps)}"
            )
        rule = str(padding).upper()
        if rule not in PADDINGS:
            raise ValueError(
                f"expected padding to be one of {', '.join(PADDINGS)}, got {padding!r}"
            )
        return cls(sizes, steps, rule)

    @property
    def size(self) -> int:
        """Number of positions in one window."""
        return math.prod(self.shape)

    def slides(self, grid: tuple[int, ...]) -> list[Slide]:
        """Along each axis of the grid. Raises ShapeError where the window does not fit it."""
        if len(grid) != len(self.shape):
            axes = ", ".join(["point", *("position",) * len(self.shape), "channel"])
            raise ShapeError(
                f"expected inputs [{axes}] for a window of shape {list(self.shape)}, got inputs "
                f"with {len(grid)} axes of positions"
            )
        return [self._slide(*sizes) for sizes in zip(grid, self.shape, self.strides, strict=True)]

    def _slide(self, positions: int, window: int, stride: int) -> Slide:
        if self.padding == "VALID":
            if window > positions:
                raise ShapeError(
                    f"a window of {window} positions does not fit inputs of {positions} without "
                    "padding: use padding='SAME' or a smaller window"
                )
            return Slide(0, 0, (positions - window) // stride + 1)
        places = -(-positions // stride)
        padded = max(0, (places - 1) * stride + window - positions)
        return Slide(padded // 2, padded - padded // 2, places)

    def over(self, grid: tuple[int, ...]) -> tuple[int, ...]:
        """The grid of places that the window has."""
        return tuple(slide.places for slide in self.slides(grid))

    def taps(self, x: Array, first: int, grid: tuple[int, ...]) -> list[Array]:
        """x as each position of the window sees it; its axes `first`, … are those of the grid."""
        seen = [self._padded(x, [first], grid)]
        for i, slide in enumerate(self.slides(grid)):
            offsets = range(self.shape[i])
            seen = [self._seen(k, [first + i], i, slide, o) for k in seen for o in offsets]
        return seen

    def sums(self, k: Array, firsts: Sequence[int], grid: tuple[int, ...]) -> Array:
        """Sums over the window, moved along several groups of axes at once.

        firsts: where in k each group of axes begins, all of them shaped like the grid.
        """
        k = self._padded(k, firsts, grid)
        for i, slide in enumerate(self.slides(grid)):
            axes = [first + i for first in firsts]
            terms = [self._seen(k, axes, i, slide, offset) for offset in range(self.shape[i])]
            k = functools.reduce(operator.add, terms)
        return k

    def middles(self, mask: Masked) -> Masked:
        """Which places of the window are masked: where its middle is, ⌊(f − 1)/2⌋ from its start.

        That is at the same position without strides and with padding.
        """
        if mask is None:
            return None
        slides = self.slides(mask.shape[1:])
        mask = self._padded(mask, [1], mask.shape[1:])
        for i, slide in enumerate(slides):
            mask = self._seen(mask, [1 + i], i, slide, (self.shape[i] - 1) // 2)
        return mask

    def moved(self, before: Covariance, after: Covariance) -> Covariance:
        """What the window made of a covariance, with the masks that it then has."""
        masks = (
            None if mask is None else self.middles(mask.reshape(-1, *before.grid))
            for mask in (before.mask1, before.mask2)
        )
        return after.with_masks(*masks)

    def _padded(self, x: Array, firsts: Sequence[int], grid: tuple[int, ...]) -> Array:
        """x with what the window's rule for the edges adds, in every group of axes."""
        widths = [(0, 0)] * x.ndim
        for i, slide in enumerate(self.slides(grid)):
            for first in firsts:
                widths[first + i] = (slide.before, slide.after)
        return jnp.pad(x, widths, mode="wrap" if self.padding == "CIRCULAR" else "constant")

    def _seen(self, x: Array, axes: Sequence[int], i: int, slide: Slide, offset: int) -> Array:
        """Padded x as the window's position `offset` sees it; axes: the i-th of each group."""
        reach = offset + (slide.places - 1) * self.strides[i] + 1
        for axis in axes:
            x = jax.lax.slice_in_dim(x, offset, reach, self.strides[i], axis)
        return x


def _whole_numbers(name: str, values: Sequence[int]) -> tuple[int, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise TypeError(f"expected {name} to be a list of whole numbers, got {values!r}")
    return tuple(positive_integer(f"each of {name}", value) for value in values)


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
        windows = Windows.checked("filter_shape", filter_shape, strides, padding)
        self.filter_shape, self.strides, self.padding = windows
        self.w_std, self.b_std = checked_scales(w_std, b_std)
        if isinstance(self.w_std, Scale) and self.w_std.per == PER_INPUT:
            raise ValueError("expected one w_std for the layer: a convolution has none per input")

    @property
    def windows(self) -> Windows:
        """The filter's positions as it moves."""
        return Windows(self.filter_shape, self.strides, self.padding)

    def rows(self, x: Array) -> Array:
        return jnp.concatenate(self.windows.taps(x, 1, x.shape[1:-1]), axis=-1)

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        middles = self.windows.middles(mask)
        return zeroed(self.propagate(x, linear), middles), middles

    def row_mean(self, k: Covariance) -> Covariance:
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
