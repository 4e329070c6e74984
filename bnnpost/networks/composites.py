"""Layers made of branches: a residual block, and sums of branches."""

import abc
import dataclasses
from collections.abc import Iterable, Sequence

from jaxtyping import Array

from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import LayerError, ShapeError
from bnnpost.networks.layers import Layer, LinearStep, Serial, has_mask
from bnnpost.networks.masks import Carried, Masked, zeroed
from bnnpost.networks.units import Inputs, of_inputs, on_grid


def _as_branch(layers: Layer | Iterable[Layer]) -> Serial:
    if isinstance(layers, Layer) and not isinstance(layers, Serial):
        layers = [layers]
    branch = layers if isinstance(layers, Serial) else Serial(layers)
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


def _known(k: Covariance, other: Covariance) -> Covariance:
    """Of a sum before any linear layer: its parts are known numbers."""
    x1, mask1 = _sum([(p.law.x1, on_grid(p.mask1, p.law.x1)) for p in (k, other)])
    x2, mask2 = _sum([(p.law.x2, on_grid(p.mask2, p.law.x2)) for p in (k, other)])
    law, tangent = k.law, k.tangent is not None
    found = of_inputs(x1, x2, law.key, all_pairs=law.all_pairs, tangent=tangent)
    return found.with_masks(mask1, mask2)


class Branches(Layer):
    """A sum of branches of the same inputs."""

    @property
    @abc.abstractmethod
    def parts(self) -> Sequence[Serial | None]:
        """The branches; None for the inputs themselves."""

    def propagate(self, x: Array, linear: LinearStep) -> Array:
        return self.carry(x, None, linear)[0]

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        return _sum([(x, mask) if p is None else p.carry(x, mask, linear) for p in self.parts])

    def covariance(self, k: Covariance) -> Covariance:
        start = dataclasses.replace(k, fresh_weights=False)
        total, *others = (start if p is None else p.covariance(start) for p in self.parts)
        for part in others:
            known = isinstance(total.law, Inputs) and isinstance(part.law, Inputs)
            total = _known(total, part) if known else total.plus(part)
        return dataclasses.replace(total, fresh_weights=k.fresh_weights or total.fresh_weights)

    def needs_all_pairs(self, after: bool) -> bool:
        return after or any(p.needs_all_pairs(after) for p in self.parts if p is not None)


class Residual(Branches):
    """x + branch(x): a residual block (He et al. 2016). branch: a layer, or a list of them.

    In the limit its covariance is K + branch(K), where the branch ends in a linear layer: its
    outputs are then uncorrelated with x. The kernel map raises LayerError for a branch that ends
    otherwise, a forward pass ShapeError for one that does not keep the shape.
    """

    branch: Serial

    def __init__(self, branch: Layer | Iterable[Layer]):
        self.branch = _as_branch(branch)

    @property
    def parts(self) -> Sequence[Serial | None]:
        return None, self.branch


class FanInSum(Branches):
    """The sum of several branches of the same inputs, each with weights of its own.

    branches: layers, or lists of them; all or all but one must end in a linear layer for the kernel
    map, as in `Residual`. Raises ValueError if there is none; a forward pass raises ShapeError
    where their shapes differ.
    """

    branches: tuple[Serial, ...]

    def __init__(self, branches: Iterable[Layer | Iterable[Layer]]):
        if isinstance(branches, Layer) or not isinstance(branches, Iterable):
            raise TypeError(f"expected a list of branches, got {type(branches).__name__}")
        self.branches = tuple(map(_as_branch, branches))
        if not self.branches:
            raise ValueError("expected at least one branch, got none")

    @property
    def parts(self) -> Sequence[Serial | None]:
        return self.branches
