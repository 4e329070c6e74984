"""Layers made of branches: a residual block, and sums of branches."""

from collections.abc import Iterable

from jaxtyping import Array

from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import ShapeError
from bnnpost.networks.layers import Layer, LinearStep, Serial


def _as_layer(layers: Layer | Iterable[Layer]) -> Layer:
    return layers if isinstance(layers, Layer) else Serial(layers)


def _sum(parts: list[Array]) -> Array:
    shapes = [list(part.shape[1:]) for part in parts]
    if any(shape != shapes[0] for shape in shapes):
        raise ShapeError(
            f"expected branches whose outputs have one shape, got {shapes} for one input: give "
            "the last linear layer of each branch the width of the others"
        )
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


class Residual(Layer):
    """x + branch(x): a residual block (He et al. 2016). branch: a layer, or a list of them.

    In the limit its covariance is K + branch(K): the branch's weights are its own. A forward pass
    raises ShapeError where the branch does not keep the shape.
    """

    branch: Layer

    def __init__(self, branch: Layer | Iterable[Layer]):
        self.branch = _as_layer(branch)

    def propagate(self, x: Array, linear: LinearStep) -> Array:
        return _sum([x, self.branch.propagate(x, linear)])

    def covariance(self, k: Covariance) -> Covariance:
        return k.plus(self.branch.covariance(k))

    def needs_all_pairs(self, after: bool) -> bool:
        return after or self.branch.needs_all_pairs(after)


class FanInSum(Layer):
    """The sum of several branches of the same inputs, each with weights of its own.

    branches: layers, or lists of them. Raises ValueError if there is none; a forward pass raises
    ShapeError where their shapes differ.
    """

    branches: tuple[Layer, ...]

    def __init__(self, branches: Iterable[Layer | Iterable[Layer]]):
        if isinstance(branches, Layer) or not isinstance(branches, Iterable):
            raise TypeError(f"expected a list of branches, got {type(branches).__name__}")
        self.branches = tuple(map(_as_layer, branches))
        if not self.branches:
            raise ValueError("expected at least one branch, got none")

    def propagate(self, x: Array, linear: LinearStep) -> Array:
        return _sum([branch.propagate(x, linear) for branch in self.branches])

    def covariance(self, k: Covariance) -> Covariance:
        first, *others = (branch.covariance(k) for branch in self.branches)
        for other in others:
            first = first.plus(other)
        return first

    def needs_all_pairs(self, after: bool) -> bool:
        return after or any(branch.needs_all_pairs(after) for branch in self.branches)
