"""The linear step: how one matrix product with random weights is drawn.

Given the rows h that enter it, and its scales, the outputs are F g with g standard normal, in
either of two forms. In *matrix* form F is the scaled rows with their bias column and g the
weights themselves, fan_in + 1 rows of them. In *row* form F is a square root C of K̂ = C Cᵀ,
and g has only as many rows as there are training rows: no weight is drawn. Both give the same
law. Weights of another law are drawn as they are, in matrix form; biases of another law are
drawn by themselves and added. Test rows never change which form is used or what was drawn.
"""

import dataclasses
import enum
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.networks.layers import Affine
from bnnpost.networks.linear import Linear
from bnnpost.networks.priors import Scale, WeightPrior, standard
from bnnpost.numerics.linalg import (
    Factor,
    nested_factor,
    orthonormal_rows,
    spread,
    square_times,
)
from bnnpost.numerics.random import fold_number, row_normals
from bnnpost.spaces.completions import Completion
from bnnpost.spaces.sources import Source

# Weights that were not drawn are made in blocks of this many output units.
_COLUMN_BLOCK = 64


class Domain(enum.IntEnum):
    """What the normals under one layer's key are for; no two uses share any."""

    TRAINING = 0
    TEST = 1
    COMPLEMENT = 2
    NOISE = 3
    WEIGHTS = 4
    BIASES = 5
    W_STD = 6
    B_STD = 7


# Normals given something on F g: from standard normals of a shape to be had for the asking, F
# and the normals.
Conditioning = Callable[
    [Callable[[tuple[int, ...]], Array], Float[Array, "n q"], Float[Array, "q k"]],
    Float[Array, "q k"],
]


def matrix_form(layer: Linear, num_rows: int, fan_in: int, weights: bool) -> bool:
    """Whether this layer's weights are drawn, given how many training rows enter it."""
    by_law = layer.priors.weights is not None
    return weights or by_law or num_rows >= layer.num_parameter_rows(fan_in)


@dataclasses.dataclass
class LinearStep:
    """Draws each linear layer that a forward pass meets, numbering them as it goes.

    source: of this draw's random arrays; num_train: how many of the points are training
    points, which come first; dtype: of features and normals (factors are always double);
    weights: always matrix form; order: of elimination of the training points; parameters,
    grams: collect each layer's, if given a list to do so.
    """

    source: Source
    num_train: int
    dtype: Any
    weights: bool
    completion: Completion
    order: Int[np.ndarray | Array, " n"]
    parameters: list[Affine] | None = None
    grams: list[Float[Array, "r r"]] | None = None
    count: int = 0

    def __call__(self, layer: Linear, rows: Array, condition: Conditioning | None = None) -> Array:
        """Outputs [point, …, width] for rows [point, …, fan_in]."""
        key = self._key
        realised = self.realised(layer, rows.shape[-1])
        flat = rows.reshape(-1, rows.shape[-1])
        num_train = self.num_train * math.prod(rows.shape[1:-1])
        one = _LayerDraw(realised, flat[:num_train], flat[num_train:], key, self, condition)
        self.count += 1
        outputs = one.outputs()
        if self.parameters is not None:
            scales = [
                jnp.asarray(number) if isinstance(scale, Scale) else None
                for scale, number in ((layer.w_std, realised.w_std), (layer.b_std, realised.b_std))
            ]
            self.parameters.append(Affine(*one.parameters(), *scales))
        if self.grams is not None:
            self.grams.append(realised.gram(flat.astype(jnp.float64)))
        return outputs.reshape(*rows.shape[:-1], layer.width).astype(self.dtype)

    @property
    def name(self) -> str:
        """Of the layer that comes next, in the names of its arrays."""
        return f"layer{self.count}"

    @property
    def _key(self) -> Array:
        return jax.random.fold_in(self.source.key, self.count)

    def realised(self, layer: Linear, fan_in: int) -> Linear:
        """The layer that comes next, with numbers in the place of random scales."""
        if not layer.random_scales:
            return layer
        w_std = self._scale("w_std", Domain.W_STD, layer.w_std, fan_in)
        b_std = self._scale("b_std", Domain.B_STD, layer.b_std, 1)
        return layer.with_scales(w_std, b_std)

    def _scale(self, kind: str, domain: Domain, scale: Any, fan_in: int) -> Any:
        if not isinstance(scale, Scale):
            return scale
        return self.source.values(
            f"{self.name}.{kind}",
            jax.random.fold_in(self._key, domain),
            scale.shape(fan_in),
            lambda key: scale.sample(key, fan_in),
            scale.from_normals,
        )

    def without_own_bias(self, layer: Linear) -> tuple[Linear, Float[Array, " width"] | None]:
        """The layer that comes next without biases that are drawn by themselves, and these.

        They are where weights or biases have a law of their own. In double precision.
        """
        if layer.gaussian or not layer.has_bias:
            return layer, None
        prior, shape = layer.priors.biases, (layer.width,)
        return layer.without_bias(), self.of_law("biases", Domain.BIASES, prior, shape, jnp.float64)

    def of_law(
        self,
        kind: str,
        domain: Domain,
        prior: WeightPrior | None,
        shape: tuple[int, ...],
        dtype: Any,
    ) -> Array:
        """Parameters of the layer that comes next, from their prior."""
        law, key = standard(prior), jax.random.fold_in(self._key, domain)
        if not law.random:
            return law.sample(key, shape, dtype)
        name = f"{self.name}.{kind}"
        values = self.source.values(
            name, key, shape, lambda key: law.sample(key, shape, dtype), law.from_normals
        )
        return values.astype(dtype)


class _LayerDraw:
    """One layer of one draw: training outputs, their continuation, and the weights behind them.

    Where weights or biases have a law of their own, `layer` is without its bias, which is
    drawn by itself.
    """

    def __init__(
        self,
        layer: Linear,
        train: Float[Array, "n f"],
        test: Float[Array, "m f"],
        key: Array,
        step: LinearStep,
        condition: Conditioning | None,
    ):
        self.layer, self.train, self.test, self.key, self.step = layer, train, test, key, step
        self.name = step.name
        num_train, fan_in = train.shape
        self.matrix_form = matrix_form(layer, num_train, fan_in, step.weights)
        self.layer, self.biases = step.without_own_bias(layer)
        self.b_std = layer.b_std
        self.jointly = (
            not self.matrix_form
            and not step.completion.as_function
            and num_train + test.shape[0] <= self.layer.num_parameter_rows(fan_in)
        )
        self.factor = self._factor()
        self.normals = self._normals()
        # A conditioned readout is small and enters the posterior itself: kept in double.
        if condition is not None:
            self.normals = condition(self._noise, self.factor, self.normals.astype(jnp.float64))

    def _normals(self) -> Float[Array, "q width"]:
        """What multiplies F: standard normals, or weights of another law."""
        source, shape = self.step.source, (self.train.shape[1], self.layer.width)
        weights, name = self.layer.priors.weights, f"{self.name}.weights"
        if weights is not None:
            return self.step.of_law("weights", Domain.WEIGHTS, weights, shape, self.step.dtype)
        if name in source.given:
            parts = [source.given[name]]
            if self.layer.has_bias:
                parts.append(source.given[f"{self.name}.biases"][None])
            return jnp.concatenate(parts).astype(self.step.dtype)
        key, rows = self._domain(Domain.TRAINING), self.factor.shape[1]
        return source.normals(
            self.name, lambda: row_normals(key, rows, self.layer.width, self.step.dtype)
        )

    def _noise(self, shape: tuple[int, ...]) -> Array:
        key = self._domain(Domain.NOISE)
        return self.step.source.normals(
            f"{self.name}.noise", lambda: jax.random.normal(key, shape, jnp.float64)
        )

    def _domain(self, domain: Domain) -> Array:
        return jax.random.fold_in(self.key, domain)

    def _completion_key(self, domain: Domain) -> Array:
        """A key for what is drawn beyond the training rows, apart for every completion."""
        completion = self.step.completion
        tagged = jax.random.fold_in(self._domain(domain), int(completion.as_function))
        return (
            tagged
            if completion.as_function
            else fold_number(tagged, jnp.asarray(completion.digest, jnp.uint64))
        )

    def _augmented(self, rows: Array) -> Array:
        return self.layer.augmented(rows.astype(jnp.float64))

    def _factor(self) -> Float[Array, "n q"]:
        """F of the training rows; in row form what the test rows need of it is kept."""
        num_train = self.train.shape[0]
        if self.matrix_form:
            return self._augmented(self.train)
        order = _order_of_rows(self.step.order, self.train)
        if not self.jointly or self.test.shape[0] == 0:
            gram = self.layer.gram(self.train.astype(jnp.float64))
            return self._keep(nested_factor(gram, order))
        rows = jnp.concatenate([self.train, self.test]).astype(jnp.float64)
        test_order = _order_of_rows(self.step.completion.order, self.test)
        order = jnp.concatenate([order, num_train + test_order])
        joint = nested_factor(self.layer.gram(rows), order)
        self.test_factor = joint.matrix[num_train:]
        return self._keep(Factor(joint.matrix[:num_train, :num_train], order[:num_train]))

    def _keep(self, factor: Factor) -> Float[Array, "n n"]:
        self.row_factor = factor
        return factor.matrix

    def _times(self, factor: Array, normals: Array) -> Array:
        """A product in the precision of the normals."""
        return jnp.matmul(factor.astype(normals.dtype), normals, precision="highest")

    def outputs(self) -> Float[Array, "n+m width"]:
        """Training outputs, then test outputs."""
        multiply = self._times if self.matrix_form else square_times
        outputs = multiply(self.factor, self.normals)
        if self.test.shape[0] > 0:
            outputs = jnp.concatenate([outputs, self._test_outputs()])
        if self.biases is None:
            return outputs
        return outputs + (self.b_std * self.biases).astype(outputs.dtype)

    def _test_outputs(self) -> Float[Array, "m width"]:
        if self.matrix_form:
            return self._times(self._augmented(self.test), self.normals)
        if self.jointly:
            return self._joint_test_outputs()
        test = self._augmented(self.test)
        basis = self._basis()
        inside = test @ basis
        known = self._times(inside, self.normals)
        beyond = self._complement_blocks(lambda block: self._times(test - inside @ basis.T, block))
        return known + beyond.astype(known.dtype)

    def _joint_test_outputs(self) -> Float[Array, "m width"]:
        key = self._completion_key(Domain.TEST)
        fresh = row_normals(key, self.test.shape[0], self.layer.width, self.step.dtype)
        normals = jnp.concatenate([self.normals, fresh.astype(self.normals.dtype)])
        return self._times(self.test_factor, normals)

    def _basis(self) -> Float[Array, "p n"]:
        """Orthonormal directions in weight space that the training rows determine."""
        return orthonormal_rows(self._augmented(self.train), self.row_factor)

    def _complement_blocks(self, use: Callable[[Array], Array]) -> Float[Array, "r width"]:
        """`use` applied to fresh weights [p, width], a block of columns at a time."""
        num_rows = self.layer.num_parameter_rows(self.train.shape[1])
        key = self._completion_key(Domain.COMPLEMENT)

        def block(index: Array) -> Array:
            return use(
                jax.random.normal(
                    jax.random.fold_in(key, index), (num_rows, _COLUMN_BLOCK), self.step.dtype
                )
            )

        indices = jnp.arange(-(-self.layer.width // _COLUMN_BLOCK), dtype=jnp.uint32)
        blocks = jax.lax.map(block, indices)
        return jnp.moveaxis(blocks, 0, 1).reshape(blocks.shape[1], -1)[:, : self.layer.width]

    def parameters(self) -> tuple[Float[Array, "f width"], Float[Array, " width"] | None]:
        """Weights and biases."""
        if self.biases is not None:
            return self._matrix(), self.biases
        return self.layer.split(self._matrix(), self.layer.has_bias)[:2]

    def _matrix(self) -> Float[Array, "p width"]:
        """W = Q g + (I − QQᵀ) W⊥: standard normal, and F g on the training rows."""
        if self.matrix_form:
            return self.normals
        basis = self._basis()
        # Directions of dependent rows are zero columns of the basis: their normals drop out.
        known = basis @ self.normals.astype(jnp.float64)
        fresh = self._complement_blocks(lambda block: block.astype(jnp.float64))
        return known + fresh - basis @ (basis.T @ fresh)


def _order_of_rows(
    order: Int[np.ndarray | Array, " p"], rows: Float[Array, "r f"]
) -> Int[Array, " r"]:
    """The order of the points where rows are points; where not, spread over their places."""
    num_rows = rows.shape[0]
    return jnp.asarray(order if len(order) == num_rows else spread(num_rows))
