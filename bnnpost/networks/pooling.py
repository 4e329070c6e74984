"""Layers that gather positions: pooling, flattening; and giving inputs another shape."""

import abc
import math
from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from bnnpost.arguments import positive_integer
from bnnpost.networks.convolution import Windows
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import LayerError, ShapeError
from bnnpost.networks.layers import LinearStep, Map, Preparation
from bnnpost.networks.masks import Carried, Masked, num_visible, zeroed
from bnnpost.networks.units import through_map


class Gather(Map):
    """A linear map over the positions of each channel; masked ones, which are 0, count as 0."""

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        return self(x), None

    def covariance(self, k: Covariance) -> Covariance:
        if k.units == "inputs":
            return through_map(self, k)
        if not k.grid:
            raise _without_positions()
        return self.gathered(k)

    @abc.abstractmethod
    def gathered(self, k: Covariance) -> Covariance:
        """The kernel map, where there are positions."""


def _without_positions() -> ShapeError:
    return ShapeError(
        "expected inputs [point, position, …, channel], got inputs without positions: there is "
        "nothing to pool or flatten"
    )


def _axes(x: Array) -> tuple[int, ...]:
    if x.ndim < 3:
        raise _without_positions()
    return tuple(range(1, x.ndim - 1))


class GlobalAvgPool(Gather):
    """The mean over all positions: K → the mean over all pairs of positions.

    The layers before it then follow covariances at all pairs of positions, for each pair of inputs.
    Over those that are not masked, where a Mask hides some.
    """

    def __call__(self, x: Array) -> Array:
        return jnp.mean(x, axis=_axes(x))

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        if mask is None:
            return self(x), None
        return jnp.sum(x, axis=_axes(x)) / num_visible(mask, x.dtype)[:, None], None

    def needs_all_pairs(self, after: bool) -> bool:
        return True

    def gathered(self, k: Covariance) -> Covariance:
        if k.mask1 is None or k.mask2 is None:
            return _over_all(k, jnp.mean)
        shares = (1 / num_visible(mask, k.cross.dtype) for mask in (k.mask1, k.mask2))
        return _over_all(k, jnp.sum).scaled(*shares)


class GlobalSumPool(Gather):
    """The sum over all positions: K → the sum over all pairs of positions."""

    def __call__(self, x: Array) -> Array:
        return jnp.sum(x, axis=_axes(x))

    def needs_all_pairs(self, after: bool) -> bool:
        return True

    def gathered(self, k: Covariance) -> Covariance:
        return _over_all(k, jnp.sum)


def _over_all(k: Covariance, function: Callable[..., Array]) -> Covariance:
    return _to_one(k, lambda a: function(a, axis=(1, 2)))


def _to_one(k: Covariance, function: Callable[[Array], Array]) -> Covariance:
    """Without positions, or masks of them."""
    return k.of_positions(function, grid=(), all_pairs=False).with_masks(None, None)


class Flatten(Gather):
    """All positions and channels as one list of features: K → the mean over equal positions."""

    def __call__(self, x: Array) -> Array:
        _axes(x)
        return x.reshape(x.shape[0], -1)

    def needs_all_pairs(self, after: bool) -> bool:
        return False

    def gathered(self, k: Covariance) -> Covariance:
        def mean(covariances: Array) -> Array:
            if k.all_pairs:
                covariances = jnp.diagonal(covariances, axis1=1, axis2=2)
            return jnp.mean(covariances, axis=1)

        return _to_one(k, mean)


class AvgPool(Gather):
    """The mean over a window that moves over positions; padded positions count as 0 in it.

    window_shape, strides (1 by default) and padding ("VALID" by default) as in `Conv`. Masked
    positions count as 0 as well; what is masked afterwards is where the middle of the window is.
    """

    window_shape: tuple[int, ...] = eqx.field(static=True)
    strides: tuple[int, ...] = eqx.field(static=True)
    padding: str = eqx.field(static=True)

    def __init__(
        self,
        window_shape: Sequence[int],
        *,
        strides: Sequence[int] | None = None,
        padding: str = "VALID",
    ):
        windows = Windows.checked("window_shape", window_shape, strides, padding)
        self.window_shape, self.strides, self.padding = windows

    @property
    def windows(self) -> Windows:
        """The window as it moves."""
        return Windows(self.window_shape, self.strides, self.padding)

    def __call__(self, x: Array) -> Array:
        return self._means(x, 1, x.shape[1:-1])

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        middles = self.windows.middles(mask)
        return zeroed(self(x), middles), middles

    def _means(self, x: Array, first: int, grid: tuple[int, ...]) -> Array:
        return self.windows.sums(x, [first], grid) / self.windows.size

    def needs_all_pairs(self, after: bool) -> bool:
        return True

    def gathered(self, k: Covariance) -> Covariance:
        grid = k.grid
        places = self.windows.over(grid)

        def means(covariances: Array) -> Array:
            spread = covariances.reshape(-1, *grid, *grid)
            for group in range(2):
                spread = self._means(spread, 1 + group * len(grid), grid)
            return spread.reshape(-1, math.prod(places), math.prod(places))

        return self.windows.moved(k, k.of_positions(means, grid=places))


class Reshape(Preparation):
    """Each input as an array of this shape, such as (8, 8, 1) for images kept as rows of a table.

    It comes first, on the inputs themselves. Raises ShapeError where the numbers of entries differ.
    """

    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, shape: Sequence[int]):
        if isinstance(shape, str) or not isinstance(shape, Sequence) or not shape:
            raise TypeError(f"expected shape to be a list of whole numbers, got {shape!r}")
        self.shape = tuple(positive_integer("each of shape", size) for size in shape)

    def __call__(self, x: Array) -> Array:
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            raise ShapeError(
                f"expected inputs of {math.prod(self.shape)} numbers for shape "
                f"{list(self.shape)}, got inputs of shape {list(x.shape[1:])}"
            )
        return x.reshape(x.shape[0], *self.shape)

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        if mask is not None:
            raise LayerError("masked positions have no place in another shape: put Reshape first")
        return self(x), None

    def covariance(self, k: Covariance) -> Covariance:
        if k.units != "inputs":
            raise LayerError(
                "Reshape gives the inputs themselves another shape: put it first, before any "
                "linear layer"
            )
        return through_map(self, k)
