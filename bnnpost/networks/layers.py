"""The abstraction of a network: a layer is described once and read in several ways.

A layer says how inputs travel through it (`propagate`), with every Gaussian matrix product
left to a *linear step* that the caller supplies, and how covariances travel (`covariance`).
A forward pass, prior draws of parameters, draws in function space and the recovery of
parameters are each one linear step; no layer knows about any of them. Inputs are
[point, feature]; layers that keep positions use [point, position, channel].
"""

import abc
import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import LayerError
from bnnpost.networks.masks import Carried, Masked, pointwise
from bnnpost.numerics.given import given_array
from bnnpost.numerics.random import require_key
from bnnpost.spelling import as_call, fields_of

# Layers of one Serial, those of Serials within it included.
MOST_LAYERS = 500


# Of a `networks.linear.Linear`, which is a layer itself, and the rows that enter its product.
LinearStep = Callable[[Any, Array], Array]


class Affine(NamedTuple):
    """Parameters of one linear layer as its prior draws them (NTK parametrisation).

    Standard normal unless the layer says otherwise; w_std/√fan_in and b_std multiply them.
    w_std, b_std: the drawn scales of a layer whose scales are random, else None.
    """

    weights: Float[Array, "fan_in width"]
    biases: Float[Array, " width"] | None
    w_std: Float[Array, "*s"] | None = None
    b_std: Float[Array, ""] | None = None


Parameters = tuple[Affine, ...]


class Layer(eqx.Module):
    """One part of a network, or a whole one. Subclasses are abstract or final."""

    # Whether it says which positions of the inputs are masked.
    masks: ClassVar[bool] = False

    def __repr__(self) -> str:
        return fields_of(self)

    @abc.abstractmethod
    def propagate(self, x: Array, linear: LinearStep) -> Array:
        """Outputs for inputs x, each Gaussian matrix product done by `linear(layer, rows)`."""

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        """Outputs, and which of their positions are masked where some of those of x are.

        x is 0 where it is masked, and so are outputs. A layer that acts on more than one position
        at a time overrides this. Raises LayerError for one that has other positions and does not.
        """
        return pointwise(self.propagate(x, linear), mask)

    def check_inputs(self, x: Array) -> None:
        """Raise LayerError for inputs x that no network could take; traced ones pass unseen."""

    @abc.abstractmethod
    def covariance(self, k: Covariance) -> Covariance:
        """The kernel map: the covariance of one output unit, from that of one input unit."""

    def needs_all_pairs(self, after: bool) -> bool:
        """Whether the kernel map needs covariances at all pairs of positions of its inputs.

        after: whether they are needed at those of its outputs. Where not, one covariance for each
        position that both inputs share is enough.
        """
        return after

    def at_width(self, width: int) -> "Layer":
        """The same layer with every linear layer in it `width` units wide."""

        def is_inner(node: object) -> bool:
            return isinstance(node, Layer) and node is not self

        return jax.tree.map(
            lambda node: node.at_width(width) if is_inner(node) else node, self, is_leaf=is_inner
        )

    def flattened(self) -> "tuple[Layer, ...]":
        """The layers in order, with those of nested Serials in their place."""
        return (self,)

    def apply(
        self, parameters: Parameters, x: Float[Array, "point *f"]
    ) -> Float[Array, "point *o"]:
        """Forward pass: [point, output] for inputs [point, feature].

        `parameters` has one entry for each linear layer, in the order the pass meets them.
        Raises ValueError if there are too few or too many.
        """
        x, remaining = given_array("x", x), list(parameters)
        self.check_inputs(x)

        def step(layer: Any, rows: Array) -> Array:
            if not remaining:
                raise ValueError(f"expected more than {len(parameters)} layers of parameters")
            return layer.outputs(remaining.pop(0), rows)

        outputs = self.propagate(x, step)
        if remaining:
            raise ValueError(
                f"the network has {len(parameters) - len(remaining)} linear layers, "
                f"but parameters for {len(parameters)} were given"
            )
        return outputs

    def init(self, key: Array, num_inputs: int | tuple[int, ...]) -> Parameters:
        """Draw parameters from the prior.

        num_inputs: features of one input; or, where inputs have positions, the shape of one, such
        as (position, channel). Raises ShapeError for inputs that do not fit a layer.
        """
        require_key(key)
        sizes = num_inputs if isinstance(num_inputs, tuple | list) else (num_inputs,)
        shape = tuple(positive_integer("each of num_inputs", size) for size in sizes)
        drawn: list[Affine] = []

        def step(layer: Any, rows: Array) -> Array:
            drawn.append(layer.draw(jax.random.fold_in(key, len(drawn)), rows.shape[-1], key))
            return jnp.zeros((*rows.shape[:-1], layer.width))

        self.propagate(jnp.zeros((1, *shape)), step)
        return tuple(drawn)


class Map(Layer):
    """A deterministic layer without parameters: a forward function and its kernel map."""

    @abc.abstractmethod
    def __call__(self, x: Array) -> Array:
        """Outputs for inputs x."""

    def propagate(self, x: Array, linear: LinearStep) -> Array:
        del linear
        return self(x)


class Preparation(Map):
    """A map that prepares the inputs themselves, before any other layer."""


class Serial(Layer):
    """Layers one after another; itself a layer. Raises ValueError if there is none, or too many."""

    layers: tuple[Layer, ...]

    def __init__(self, layers: Iterable[Layer]):
        if isinstance(layers, Layer) or not isinstance(layers, Iterable):
            raise TypeError(f"expected a list of layers, got {type(layers).__name__}")
        self.layers = tuple(layers)
        if not self.layers:
            raise ValueError("expected at least one layer, got none")
        for position, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise TypeError(
                    f"layer {position}: expected a bnnpost layer such as Dense(…) or "
                    f"Activation(…), got {type(layer).__name__}"
                )
        layers = self.flattened()
        if len(layers) > MOST_LAYERS:
            raise ValueError(
                f"expected at most {MOST_LAYERS:,} layers, activations among them, got "
                f"{len(layers):,}: each is compiled, and so many would take hours"
            )
        _masks_first(layers)

    def __repr__(self) -> str:
        return as_call("Serial", {"": self.layers})

    def propagate(self, x: Array, linear: LinearStep) -> Array:
        return self.carry(x, None, linear)[0]

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        for position, layer in enumerate(self.layers):
            with said_of(position, layer):
                x, mask = layer.carry(x, mask, linear)
        return x, mask

    def check_inputs(self, x: Array) -> None:
        for position, layer in enumerate(self.layers):
            with said_of(position, layer):
                layer.check_inputs(x)
                if not isinstance(layer, Preparation):
                    return
                x = layer(x)

    def covariance(self, k: Covariance) -> Covariance:
        for position, layer in enumerate(self.layers):
            with said_of(position, layer):
                k = layer.covariance(k).hidden()
        return k

    def needs_all_pairs(self, after: bool) -> bool:
        for layer in reversed(self.layers):
            after = layer.needs_all_pairs(after)
        return after

    def flattened(self) -> tuple[Layer, ...]:
        return sum((layer.flattened() for layer in self.layers), ())


_L = TypeVar("_L", bound=Layer)


def parts_of(network: Layer, kind: type[_L]) -> list[_L]:
    """The layers of a kind within a network, as it lists them; in a Serial, from the inputs on."""
    nodes = jax.tree.leaves(network, is_leaf=lambda node: isinstance(node, kind))
    return [node for node in nodes if isinstance(node, kind)]


def with_parts(network: Layer, kind: type[_L], function: Callable[[_L], Layer]) -> Layer:
    """The network with `function` of each of these layers in its place, called in their order."""
    return jax.tree.map(  # type: ignore[no-any-return]
        lambda node: function(node) if isinstance(node, kind) else node,
        network,
        is_leaf=lambda node: isinstance(node, kind),
    )


def has_mask(layer: Layer) -> bool:
    """Whether a layer is a Mask, or holds one."""
    return any(part.masks for part in parts_of(layer, Preparation))


def _masks_first(layers: Sequence[Layer]) -> None:
    """Raise LayerError for a Mask after anything but layers that give the inputs another shape."""
    first = True
    for position, layer in enumerate(layers):
        if has_mask(layer) and not (first and layer.masks):
            raise LayerError(
                f"layer {position} ({type(layer).__name__}): a mask is read off the inputs "
                "themselves: expected Mask as the first layer, or right after a Reshape"
            )
        first = first and isinstance(layer, Preparation) and not layer.masks


def require_network(network: object) -> Layer:
    """Return `network` if it is one; raises TypeError."""
    if not isinstance(network, Layer):
        raise TypeError(f"expected a network such as bnnpost.mlp(…), got {type(network).__name__}")
    return network


def num_parameters(network: Layer, features: tuple[int, ...]) -> int:
    """Weights, biases and scales of a network for inputs of this shape, one input's.

    A scale that layers share is one.
    """
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), features))
    total = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
    return total - repeated_scales(network, features)


def repeated_scales(network: Layer, features: tuple[int, ...]) -> int:
    """How many scales are those of a layer before, which shares them."""
    names: list[str] = []

    def step(layer: Any, rows: Array) -> Array:
        scales = (getattr(scale, "shared", None) for scale in (layer.w_std, layer.b_std))
        names.extend(name for name in scales if name is not None)
        return jnp.zeros((*rows.shape[:-1], layer.width))

    jax.eval_shape(lambda: network.propagate(jnp.zeros((1, *features)), step))
    return len(names) - len(set(names))


@contextlib.contextmanager
def said_of(position: int, layer: Layer) -> Iterator[None]:
    """Errors that a layer raises about what enters it, with its place in front."""
    try:
        yield
    except LayerError as error:
        raise type(error)(f"layer {position} ({type(layer).__name__}): {error}") from None
