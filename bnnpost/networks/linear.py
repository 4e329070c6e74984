"""Linear layers: a random matrix product, its prior over weights and biases, its kernel map."""

import abc
import dataclasses
import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import LARGEST_WIDTH, positive_integer
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import ShapeError
from bnnpost.networks.layers import Affine, Layer, LinearStep
from bnnpost.networks.nonlinearities import cast, checked_std, hyperparameter
from bnnpost.networks.priors import (
    PER_INPUT,
    Priors,
    Scale,
    WeightPrior,
    folded,
    is_law,
    standard,
    weight_prior,
)
from bnnpost.networks.wide import Product, wide


class Linear(Layer):
    """A random matrix product: z = (w_std/√fan_in) h W + b_std b, W and b standard normal.

    A subclass says which rows h it multiplies; everything else follows from them. `width`
    is the number of output units; b_std None means no bias. w_std and b_std may be a `Scale`,
    which is drawn with the network. `priors` says where W or b are not standard normal.
    """

    width: eqx.AbstractVar[int]
    # A number, or a Scale.
    w_std: eqx.AbstractVar[Any]
    b_std: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def rows(self, x: Array) -> Float[Array, "*r fan_in"]:
        """The rows that enter the matrix product, for inputs x."""

    def row_mean(self, k: Covariance) -> Covariance:
        """The covariance of a sum over the inputs in one row, over the number of them.

        As it is, where a row is one position's features.
        """
        return k

    def covariance(self, k: Covariance) -> Covariance:
        product = Product(self.w_std, self.b_std, self.priors, self.row_mean)
        return dataclasses.replace(wide(product, k), fresh_weights=True)

    @property
    def priors(self) -> Priors:
        """Laws of weights and biases, before w_std/√fan_in and b_std multiply them."""
        return Priors()

    @property
    def has_bias(self) -> bool:
        """Whether a bias is added."""
        return self.b_std is not None

    @property
    def random_scales(self) -> bool:
        """Whether w_std or b_std is drawn with the network."""
        return isinstance(self.w_std, Scale) or isinstance(self.b_std, Scale)

    @property
    def gaussian(self) -> bool:
        """Whether outputs are jointly Gaussian, given the rows and the scales."""
        return self.priors.weights is None and (not self.has_bias or self.priors.biases is None)

    def with_scales(self, w_std: Array, b_std: Array | None) -> "Linear":
        """The same layer with these numbers for its scales; w_std a number or [fan_in]."""

        def scales(layer: Linear) -> list[object]:
            return [layer.w_std] if layer.b_std is None else [layer.w_std, layer.b_std]

        new = [w_std] if self.b_std is None else [w_std, b_std]
        return eqx.tree_at(scales, self, new, is_leaf=lambda node: isinstance(node, Scale))

    def with_standard_normals(self) -> "Linear":
        """The same layer with standard normal weights and biases."""
        return self

    def without_bias(self) -> "Linear":
        """The same layer without a bias."""
        if self.b_std is None:
            return self
        return eqx.tree_at(
            lambda layer: layer.b_std, self, None, is_leaf=lambda node: isinstance(node, Scale)
        )

    def draw(self, key: Array, fan_in: int, network: Array | None = None) -> Affine:
        """Parameters from the prior, and scales where they are random.

        network: the network's key, of scales that its layers share; by default key.
        """
        weight_key, bias_key, *scale_keys = jax.random.split(key, 2 + 2 * self.random_scales)
        prior, dtype = self.priors, jnp.result_type(float)
        weights = standard(prior.weights).sample(weight_key, (fan_in, self.width), dtype)
        biases = None
        if self.has_bias:
            biases = standard(prior.biases).sample(bias_key, (self.width,), dtype)
        w_std, b_std = (
            scale.sample(scale.key(scale_keys[i], key if network is None else network), fan_in)
            if isinstance(scale, Scale)
            else None
            for i, scale in enumerate((self.w_std, self.b_std))
        )
        return Affine(weights, biases, w_std, b_std)

    def log_prob(self, parameters: Affine, shared: dict[str, Array]) -> Float[Array, ""]:
        """Log density of what `draw` draws, in nats; −∞ where that is never drawn.

        shared: the scales by name that layers before this one had, to which its own are added: a
        shared scale counts once, and is the same everywhere.
        """
        prior = self.priors
        total = standard(prior.weights).log_prob(parameters.weights)
        if parameters.biases is not None:
            total += standard(prior.biases).log_prob(parameters.biases)
        for scale, drawn in ((self.w_std, parameters.w_std), (self.b_std, parameters.b_std)):
            if not isinstance(scale, Scale) or drawn is None:
                continue
            if scale.shared in shared:
                total += jnp.where(drawn == shared[scale.shared], 0.0, -jnp.inf)
                continue
            total += scale.log_prob(drawn)
            if scale.shared is not None:
                shared[scale.shared] = drawn
        return total

    def given(self, parameters: Affine) -> "Linear":
        """The layer with the scales that go with these parameters."""
        w_std = self.w_std if parameters.w_std is None else parameters.w_std
        b_std = self.b_std if parameters.b_std is None else parameters.b_std
        return self.with_scales(w_std, b_std) if self.random_scales else self

    def num_parameter_rows(self, fan_in: int) -> int:
        """Parameters of one output unit: fan_in weights and the bias, if any."""
        return fan_in + int(self.has_bias)

    def propagate(self, x: Array, linear: LinearStep) -> Array:
        return linear(self, self.rows(x))

    def outputs(self, parameters: Affine, rows: Float[Array, "*r fan_in"]) -> Array:
        """The matrix product with given parameters, in the dtype of the rows."""
        layer = self.given(parameters)
        weights = cast(parameters.weights, rows)
        if weights.shape[0] != rows.shape[-1]:
            raise ShapeError(
                f"expected inputs of {weights.shape[0]} features, for which there are weights, got "
                f"{rows.shape[-1]}"
            )
        z = layer._factor(rows) * jnp.matmul(layer._weighed(rows), weights, precision="highest")
        if self.b_std is None or parameters.biases is None:
            return z
        return z + cast(layer.b_std, rows) * cast(parameters.biases, rows)

    def _weighed(self, rows: Float[Array, "*r fan_in"]) -> Array:
        """Rows times the scale of each input unit, where each has one."""
        return rows if jnp.ndim(self.w_std) == 0 else rows * cast(self.w_std, rows)

    def _factor(self, rows: Float[Array, "*r fan_in"]) -> Array:
        """What multiplies the product: w_std/√fan_in, if there is one w_std for all inputs."""
        w_std = cast(self.w_std if jnp.ndim(self.w_std) == 0 else 1.0, rows)
        return w_std / np.sqrt(rows.shape[-1]).astype(rows.dtype)

    def augmented(self, rows: Float[Array, "r fan_in"]) -> Float[Array, "r p"]:
        """a with z = a W for W standard normal: scaled rows, the bias as one more column."""
        scaled = self._factor(rows) * self._weighed(rows)
        if self.b_std is None:
            return scaled
        bias = jnp.full((rows.shape[0], 1), cast(self.b_std, rows))
        return jnp.concatenate([scaled, bias], axis=1)

    def gram(self, rows: Float[Array, "r fan_in"]) -> Float[Array, "r r"]:
        """K̂ = w_var h hᵀ/fan_in + b_var: the covariance of one output unit given the rows."""
        rows = self._weighed(rows)
        product = jnp.matmul(rows, rows.T, precision="highest")
        return self._kernel_terms(product / rows.shape[-1])

    def _kernel_terms(self, moment: Array) -> Array:
        kernel = moment
        if jnp.ndim(self.w_std) == 0:
            kernel = cast(self.w_std, moment) ** 2 * moment
        return kernel if self.b_std is None else kernel + cast(self.b_std, moment) ** 2

    @staticmethod
    def split(matrix: Float[Array, "p width"], has_bias: bool) -> Affine:
        """The parameter matrix W of `augmented` as weights and biases."""
        return Affine(matrix[:-1], matrix[-1]) if has_bias else Affine(matrix, None)


class LinearShape(NamedTuple):
    """A linear layer as a forward pass meets it: its inputs, and its rows for one point."""

    layer: Linear
    fan_in: int
    rows: int


def linear_layers(network: Layer, features: tuple[int, ...]) -> list[LinearShape]:
    """The linear layers in the order of a forward pass. features: shape of one input."""
    met: list[LinearShape] = []

    def step(layer: Linear, rows: Array) -> Array:
        met.append(LinearShape(layer, rows.shape[-1], math.prod(rows.shape[1:-1])))
        return jnp.zeros((*rows.shape[:-1], layer.width))

    jax.eval_shape(lambda: network.propagate(jnp.zeros((1, *features)), step))
    return met


class Dense(Linear):
    """Fully connected layer of `width` units; w_std and b_std are standard deviations.

    Weights have prior variance w_std²/fan_in (w_std 1 by default), biases b_std² (0 or None: no
    bias; 1 by default where a bias_prior is given).

    prior, bias_prior: the law of each entry of W and b, as it is, before w_std/√fan_in and
    b_std multiply it: any continuous numpyro law of one number, `Fixed(values)` for parameters
    that are not random, or a `WeightPrior` of yours. Standard normal by default; a normal law
    of mean zero is taken into w_std and b_std, which has the same law.
    w_std, b_std: a number; or the numpyro law of a scale, drawn once for the layer; or for
    w_std `per_input(law)`, one drawn for each input unit. w_var instead of w_std: w_std²,
    a number or its law.

    Raises ValueError for a width below 1, a w_std that is not positive, a negative b_std,
    a discrete law, or a scale whose law is not of a positive number; TypeError for a prior
    that is no law.
    """

    width: int = eqx.field(static=True)
    w_std: Any
    b_std: Any
    prior: WeightPrior | None
    bias_prior: WeightPrior | None

    def __init__(
        self,
        width: int,
        *,
        w_std: object = None,
        b_std: object = None,
        w_var: object = None,
        prior: object = None,
        bias_prior: object = None,
    ):
        self.width = positive_integer("width", width, LARGEST_WIDTH)
        if bias_prior is not None and b_std is None:
            b_std = 1.0
        weights = weight_prior("prior", prior)
        w_std, self.b_std = checked_scales(w_std, b_std, w_var)
        self.w_std, self.prior = folded(w_std, weights)
        self.bias_prior = None
        if self.b_std is not None:
            biases = weight_prior("bias_prior", bias_prior)
            self.b_std, self.bias_prior = folded(self.b_std, biases)
        elif bias_prior is not None:
            raise ValueError("a bias_prior was given, but b_std 0 means no bias")

    @property
    def priors(self) -> Priors:
        return Priors(self.prior, self.bias_prior)

    def with_standard_normals(self) -> "Dense":
        return eqx.tree_at(
            lambda layer: (layer.prior, layer.bias_prior),
            self,
            (None, None),
            is_leaf=lambda node: node is None or isinstance(node, WeightPrior),
        )

    def rows(self, x: Array) -> Array:
        return x

    def at_width(self, width: int) -> "Dense":
        return dataclasses.replace(self, width=width)


def checked_scales(w_std: object, b_std: object, w_var: object = None) -> tuple[Any, Any]:
    """w_std and b_std of a layer: a number or a Scale each; None for no bias.

    Raises ValueError and TypeError as `Dense` does.
    """
    if w_std is not None and w_var is not None:
        raise ValueError("expected either w_std or w_var, got both")
    return _weight_scale(w_std, w_var), _bias_scale(b_std)


def _weight_scale(w_std: object, w_var: object) -> Any:
    if w_var is not None:
        if isinstance(w_var, Scale):
            return dataclasses.replace(w_var, of_variance=True)
        if is_law(w_var):
            return Scale(w_var, of_variance=True)
        return hyperparameter(np.sqrt(checked_std("w_var", w_var)))  # type: ignore[call-overload]
    if isinstance(w_std, Scale):
        return w_std
    if is_law(w_std):
        return Scale(w_std)
    return hyperparameter(checked_std("w_std", 1.0 if w_std is None else w_std))


def _bias_scale(b_std: object) -> Any:
    if isinstance(b_std, Scale) and b_std.per == PER_INPUT:
        raise ValueError("expected one scale for the biases: they have no input units")
    if isinstance(b_std, Scale) or is_law(b_std):
        return b_std if isinstance(b_std, Scale) else Scale(b_std)
    no_bias = b_std is None or (not isinstance(b_std, jax.Array) and np.all(b_std == 0))
    return None if no_bias else hyperparameter(checked_std("b_std", b_std))
