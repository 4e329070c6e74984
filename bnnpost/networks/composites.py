"""Layers made of branches: a residual block, and sums of branches."""

from collections.abc import Iterable

from jaxtyping import Array

from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import LayerError, ShapeError
from bnnpost.networks.layers import Layer, LinearStep, Serial, has_mask
from bnnpost.networks.masks import Carried, Masked, zeroed


def _as_branch(layers: Layer | Iterable[Layer]) -> Layer:
    branch = layers if isinstance(layers, Layer) else Serial(layers)
    if has_mask(branch):
        raise LayerError(
            "a branch holds a Mask, which is read off the inputs of the whole network: expected it "
            "as the network's first layer"
        )
    return branch


def _sum(parts: list[Carried]) -> Carried:
    shapes = [list(part.shape[1:]) for part, _ in parts]
    if any(shape != shapes[0] for shape in shapes):
        raise ShapeError(
            f"expected branches whose outputs have one shape, got {shapes} for one input: give "
            "the last linear layer of each branch the width of the others"
        )
    (total, masked), *others = parts
    for part, mask in others:
        total = total + part
        masked = None if masked is None or mask is None else masked | mask
    return zeroed(total, masked), masked


class Residual(Layer):
    """x + branch(x): a residual block (He et al. 2016). branch: a layer, or a list of them.

    In the limit its covariance is K + branch(K): the branch's weights are its own. A forward pass
    raises ShapeError where the branch does not keep the shape.
    """

    branch: Layer

    def __init__(self, branch: Layer | Iterable[Layer]):
        self.branch = _as_branch(branch)

    def propagate(self, x: Array, linear: LinearStep) -> Array:
        return self.carry(x, None, linear)[0]

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        return _sum([(x, mask), self.branch.carry(x, mask, linear)])

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
        self.branches = tuple(map(_as_branch, branches))
        if not self.branches:
            raise ValueError("expected at least one branch, got none")

    def propagate(self, x: Array, linear: LinearStep) -> Array:
        return self.carry(x, None, linear)[0]

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        return _sum([branch.carry(x, mask, linear) for branch in self.branches])

    def covariance(self, k: Covariance) -> Covariance:
        first, *others = (branch.covariance(k) for branch in self.branches)
        for other in others:
            first = first.plus(other)
        return first

    def needs_all_pairs(self, after: bool) -> bool:
        return after or any(branch.needs_all_pairs(after) for branch in self.branches)
