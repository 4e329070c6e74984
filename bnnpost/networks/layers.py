"""The abstraction of a network: a layer is described once and read in several ways.

A layer says how inputs travel through it (`propagate`), with every Gaussian matrix product
left to a *linear step* that the caller supplies, and how covariances travel (`covariance`).
A forward pass, prior draws of parameters, draws in function space and the recovery of
parameters are each one linear step; no layer knows about any of them. Inputs are
[point, feature]; layers that keep positions use [point, position, channel].
"""

import abc
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.networks.covariance import Covariance
from bnnpost.networks.nonlinearities import cast, concrete, hyperparameter
from bnnpost.numerics.random import require_key


class Affine(NamedTuple):
    """Parameters of one linear layer, each with prior variance 1 (NTK parametrisation)."""

    weights: Float[Array, "fan_in width"]
    biases: Float[Array, " width"] | None


Parameters = tuple[Affine, ...]


class Layer(eqx.Module):
    """One part of a network, or a whole one. Subclasses are abstract or final."""

    @abc.abstractmethod
    def propagate(self, x: Array, linear: "LinearStep") -> Array:
        """Outputs for inputs x, each Gaussian matrix product done by `linear(layer, rows)`."""

    @abc.abstractmethod
    def covariance(self, k: Covariance) -> Covariance:
        """The kernel map: the covariance of one output unit, from that of one input unit."""

    def at_width(self, width: int) -> "Layer":
        """The same layer with every linear layer in it `width` units wide."""

        def is_inner(node: object) -> bool:
            return isinstance(node, Linear) and node is not self

        return jax.tree.map(
            lambda node: node.at_width(width) if is_inner(node) else node, self, is_leaf=is_inner
        )

    def apply(
        self, parameters: Parameters, x: Float[Array, "point *f"]
    ) -> Float[Array, "point *o"]:
        """Forward pass: [point, output] for inputs [point, feature].

        `parameters` has one entry for each linear layer, in the order the pass meets them.
        Raises ValueError if there are too few or too many.
        """
        remaining = list(parameters)

        def step(layer: Linear, rows: Array) -> Array:
            if not remaining:
                raise ValueError(f"expected more than {len(parameters)} layers of parameters")
            return layer.outputs(remaining.pop(0), rows)

        outputs = self.propagate(jnp.asarray(x), step)
        if remaining:
            raise ValueError(
                f"the network has {len(parameters) - len(remaining)} linear layers, "
                f"but parameters for {len(parameters)} were given"
            )
        return outputs

    def init(self, key: Array, num_inputs: int) -> Parameters:
        """Draw parameters from the prior for inputs of `num_inputs` features."""
        require_key(key)
        drawn: list[Affine] = []

        def step(layer: Linear, rows: Array) -> Array:
            weight_key, bias_key = jax.random.split(jax.random.fold_in(key, len(drawn)))
            weights = jax.random.normal(weight_key, (rows.shape[-1], layer.width))
            biases = jax.random.normal(bias_key, (layer.width,)) if layer.has_bias else None
            drawn.append(Affine(weights, biases))
            return jnp.zeros((*rows.shape[:-1], layer.width))

        self.propagate(jnp.zeros((1, num_inputs)), step)
        return tuple(drawn)


class Linear(Layer):
    """A Gaussian matrix product: z = (w_std/√fan_in) h W + b_std b, W and b standard normal.

    A subclass says which rows h it multiplies; everything else follows from them. `width`
    is the number of output units; b_std None means no bias.
    """

    width: eqx.AbstractVar[int]
    w_std: eqx.AbstractVar[Array]
    b_std: eqx.AbstractVar[Array | None]

    @abc.abstractmethod
    def rows(self, x: Array) -> Float[Array, "*r fan_in"]:
        """The rows that enter the matrix product, for inputs x."""

    @property
    def has_bias(self) -> bool:
        """Whether a bias is added."""
        return self.b_std is not None

    def num_parameter_rows(self, fan_in: int) -> int:
        """Parameters of one output unit: fan_in weights and the bias, if any."""
        return fan_in + int(self.has_bias)

    def propagate(self, x: Array, linear: "LinearStep") -> Array:
        return linear(self, self.rows(x))

    def outputs(self, parameters: Affine, rows: Float[Array, "*r fan_in"]) -> Array:
        """The matrix product with given parameters, in the dtype of the rows."""
        weights = cast(parameters.weights, rows)
        factor = cast(self.w_std, rows) / np.sqrt(rows.shape[-1]).astype(rows.dtype)
        z = factor * jnp.matmul(rows, weights, precision="highest")
        if self.b_std is None or parameters.biases is None:
            return z
        return z + cast(self.b_std, rows) * cast(parameters.biases, rows)

    def augmented(self, rows: Float[Array, "r fan_in"]) -> Float[Array, "r p"]:
        """a with z = a W for W standard normal: scaled rows, the bias as one more column."""
        scaled = cast(self.w_std, rows) / np.sqrt(rows.shape[-1]) * rows
        if self.b_std is None:
            return scaled
        bias = jnp.full((rows.shape[0], 1), cast(self.b_std, rows))
        return jnp.concatenate([scaled, bias], axis=1)

    def gram(self, rows: Float[Array, "r fan_in"]) -> Float[Array, "r r"]:
        """K̂ = w_var h hᵀ/fan_in + b_var: the covariance of one output unit given the rows."""
        product = jnp.matmul(rows, rows.T, precision="highest")
        return self._kernel_terms(product / rows.shape[-1])

    def _kernel_terms(self, moment: Array) -> Array:
        kernel = cast(self.w_std, moment) ** 2 * moment
        return kernel if self.b_std is None else kernel + cast(self.b_std, moment) ** 2

    @staticmethod
    def split(matrix: Float[Array, "p width"], has_bias: bool) -> Affine:
        """The parameter matrix W of `augmented` as weights and biases."""
        return Affine(matrix[:-1], matrix[-1]) if has_bias else Affine(matrix, None)


LinearStep = Callable[[Linear, Array], Array]


class Map(Layer):
    """A deterministic layer without parameters: a forward function and its kernel map."""

    @abc.abstractmethod
    def __call__(self, x: Array) -> Array:
        """Outputs for inputs x."""

    def propagate(self, x: Array, linear: LinearStep) -> Array:
        del linear
        return self(x)


class Dense(Linear):
    """Fully connected layer of `width` units; w_std and b_std are standard deviations.

    Weights have prior variance w_std²/fan_in, biases b_std² (0 or None: no bias).
    Raises ValueError for a width below 1, a w_std that is not positive, a negative b_std.
    """

    width: int = eqx.field(static=True)
    w_std: Array
    b_std: Array | None

    def __init__(self, width: int, *, w_std: object = 1.0, b_std: object = None):
        self.width = positive_integer("width", width)
        self.w_std = hyperparameter(_checked_std("w_std", w_std))
        no_bias = b_std is None or (not isinstance(b_std, jax.Array) and np.all(b_std == 0))
        self.b_std = None if no_bias else hyperparameter(_checked_std("b_std", b_std))

    def rows(self, x: Array) -> Array:
        return x

    def covariance(self, k: Covariance) -> Covariance:
        return Covariance(
            *(self._kernel_terms(part) for part in (k.cross, k.variances1, k.variances2))
        )

    def at_width(self, width: int) -> "Dense":
        return Dense(width, w_std=self.w_std, b_std=self.b_std)


class Serial(Layer):
    """Layers one after another; itself a layer. Raises ValueError if there is none."""

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

    def propagate(self, x: Array, linear: LinearStep) -> Array:
        for layer in self.layers:
            x = layer.propagate(x, linear)
        return x

    def covariance(self, k: Covariance) -> Covariance:
        for layer in self.layers:
            k = layer.covariance(k)
        return k

    def flattened(self) -> tuple[Layer, ...]:
        """The layers in order, with those of nested Serials in their place."""
        parts: Sequence[tuple[Layer, ...]] = [
            layer.flattened() if isinstance(layer, Serial) else (layer,) for layer in self.layers
        ]
        return sum(parts, ())


def positive_integer(name: str, value: object, most: int | None = None) -> int:
    """`value` as an int from 1 to `most`; raises ValueError or TypeError that names it."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"expected {name} to be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"expected {name} to be at least 1, got {value}")
    if most is not None and value > most:
        raise ValueError(f"expected {name} to be at most {most}, got {value}")
    return int(value)


def _checked_std(name: str, value: object) -> object:
    """`value` if it can be a standard deviation; traced and batched values pass unseen."""
    try:
        number = concrete(value)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    if number is not None and not np.all(np.isfinite(number) & (number > 0)):
        allowed = "0 (none) or positive" if name == "b_std" else "positive"
        raise ValueError(f"expected {name} to be {allowed} and finite, got {value}")
    return value
