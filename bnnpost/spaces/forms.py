"""The two forms of one product with random weights, F g, and how it goes on to test rows.

In *matrix* form F is the scaled rows with their bias column and g the weights themselves, fan_in
+ 1 rows of them. In *row* form F is a square root C of K̂ = C Cᵀ, and g has only as many rows as
there are training rows: no weight is drawn. Both give the same law. Test rows never change which
form is used or what was drawn.
"""

import enum
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.networks.linear import Linear
from bnnpost.numerics.linalg import (
    Factor,
    nested_factor,
    orthonormal_rows,
    spread,
    square_times,
)
from bnnpost.numerics.random import fold_number, row_normals
from bnnpost.spaces.completions import Completion

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


class LayerRows(NamedTuple):
    """A layer, without biases that are drawn by themselves, and the rows that it meets."""

    linear: Linear
    train: Float[Array, "n f"]
    test: Float[Array, "m f"]
    key: Array
    completion: Completion
    dtype: Any

    def domain(self, domain: Domain) -> Array:
        """A key for what is drawn of this kind."""
        return jax.random.fold_in(self.key, domain)

    def beyond(self, domain: Domain) -> Array:
        """A key for what is drawn beyond the training rows, apart for every completion."""
        completion = self.completion
        tagged = jax.random.fold_in(self.domain(domain), int(completion.as_function))
        if completion.as_function:
            return tagged
        return fold_number(tagged, jnp.asarray(completion.digest, jnp.uint64))

    def augmented(self, rows: Array) -> Float[Array, "r p"]:
        """Scaled rows with their bias column."""
        return self.linear.augmented(rows.astype(jnp.float64))


class Matrix:
    """F is the scaled rows with their bias column; what multiplies it, the weights."""

    def __init__(self, met: LayerRows):
        self._met, self.factor = met, met.augmented(met.train)

    def outputs(self, normals: Array) -> Float[Array, "n+m width"]:
        """F g, and its continuation to the test rows."""
        outputs = _times(self.factor, normals)
        if self._met.test.shape[0] == 0:
            return outputs
        return jnp.concatenate([outputs, _times(self._met.augmented(self._met.test), normals)])

    def weights(self, normals: Array) -> Float[Array, "p width"]:
        """The weights behind the outputs, biases last."""
        return normals


class Row:
    """F is a square root of K̂ of the training rows, eliminated in an order.

    Test rows are drawn jointly with them, by a square root of both, where they are no more than
    there are weights; else fresh weights are, in the directions that the training rows leave open.
    """

    def __init__(self, met: LayerRows, order: Int[np.ndarray | Array, " n"]):
        self._met, (num_train, fan_in), num_test = met, met.train.shape, met.test.shape[0]
        most = met.linear.num_parameter_rows(fan_in)
        self._jointly = not met.completion.as_function and num_train + num_test <= most
        order = _order_of_rows(order, met.train)
        rows = met.train
        if self._jointly and num_test > 0:
            rows = jnp.concatenate([rows, met.test])
            test_order = _order_of_rows(met.completion.order, met.test)
            order = jnp.concatenate([order, num_train + test_order])
        joint = nested_factor(met.linear.gram(rows.astype(jnp.float64)), order)
        self._test_factor = joint.matrix[num_train:]
        self._factor = Factor(joint.matrix[:num_train, :num_train], order[:num_train])

    @property
    def factor(self) -> Float[Array, "n n"]:
        return self._factor.matrix

    def outputs(self, normals: Array) -> Float[Array, "n+m width"]:
        """F g, and its continuation to the test rows."""
        outputs = square_times(self.factor, normals)
        if self._met.test.shape[0] == 0:
            return outputs
        test = self._joint_outputs(normals) if self._jointly else self._other_outputs(normals)
        return jnp.concatenate([outputs, test])

    def _joint_outputs(self, normals: Array) -> Float[Array, "m width"]:
        met = self._met
        fresh = row_normals(met.beyond(Domain.TEST), met.test.shape[0], met.linear.width, met.dtype)
        return _times(self._test_factor, jnp.concatenate([normals, fresh.astype(normals.dtype)]))

    def _other_outputs(self, normals: Array) -> Float[Array, "m width"]:
        test, basis = self._met.augmented(self._met.test), self._basis()
        inside = test @ basis
        known = _times(inside, normals)
        beyond = self._fresh_weights(lambda block: _times(test - inside @ basis.T, block))
        return known + beyond.astype(known.dtype)

    def _basis(self) -> Float[Array, "p n"]:
        """Orthonormal directions in weight space that the training rows determine."""
        return orthonormal_rows(self._met.augmented(self._met.train), self._factor)

    def _fresh_weights(self, use: Callable[[Array], Array]) -> Float[Array, "r width"]:
        """`use` applied to fresh weights [p, width], a block of columns at a time."""
        met, width = self._met, self._met.linear.width
        num_rows = met.linear.num_parameter_rows(met.train.shape[1])
        key = met.beyond(Domain.COMPLEMENT)

        def block(index: Array) -> Array:
            one = jax.random.fold_in(key, index)
            return use(jax.random.normal(one, (num_rows, _COLUMN_BLOCK), met.dtype))

        blocks = jax.lax.map(block, jnp.arange(-(-width // _COLUMN_BLOCK), dtype=jnp.uint32))
        return jnp.moveaxis(blocks, 0, 1).reshape(blocks.shape[1], -1)[:, :width]

    def weights(self, normals: Array) -> Float[Array, "p width"]:
        """W = Q g + (I − QQᵀ) W⊥: standard normal, and F g on the training rows."""
        basis = self._basis()
        # Directions of dependent rows are zero columns of the basis: their normals drop out.
        known = basis @ normals.astype(jnp.float64)
        fresh = self._fresh_weights(lambda block: block.astype(jnp.float64))
        return known + fresh - basis @ (basis.T @ fresh)


def _times(factor: Array, normals: Array) -> Array:
    """A product in the precision of the normals."""
    return jnp.matmul(factor.astype(normals.dtype), normals, precision="highest")


def _order_of_rows(
    order: Int[np.ndarray | Array, " p"], rows: Float[Array, "r f"]
) -> Int[Array, " r"]:
    """The order of the points where rows are points; where not, spread over their places."""
    num_rows = rows.shape[0]
    return jnp.asarray(order if len(order) == num_rows else spread(num_rows))
