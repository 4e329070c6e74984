"""Self-attention over positions, with any number of heads (Hron et al. 2020)."""

import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.naming import unknown
from bnnpost.networks import attention_limit
from bnnpost.networks.attention_drawn import Sampling
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import ShapeError
from bnnpost.networks.layers import Layer, LinearStep
from bnnpost.networks.linear import Dense
from bnnpost.networks.masks import Carried, Masked, pointwise
from bnnpost.networks.mechanisms import MECHANISMS, attend
from bnnpost.networks.nonlinearities import checked_std
from bnnpost.networks.position_encodings import PositionEncoding
from bnnpost.networks.priors import Scale, is_law

# Errors of the limit's kernel of about 0.4 %, in about a second for ten inputs of seven positions.
NUM_DRAWS = 4096
SCALINGS = ("linear", "sqrt")


class SelfAttention(Layer):
    """Self-attention of all positions to all: W_out · [G_h(x) V_h(x) over heads h] + b.

    G = mechanism(scores): "softmax" over each row, "identity", "relu" or "abs".
    scaling: "linear", scores QᵀK/d with query and key tied (d the key width); or "sqrt", QᵀK/√d
    with independent ones. Its limit has a closed form but for softmax with sqrt, where
    `bnnpost.nngp` estimates it from `num_draws` draws of the scores of all inputs, and as many
    negatives, with its key (`bnnpost.kernels.monte_carlo_error` has the standard error).
    width: channels of the outputs. heads, key_width, value_width: numbers of heads and widths of
    each; where None they are `width`, and grow with it. With "sqrt" one head has no Gaussian limit:
    heads must grow. With "linear" one is enough.
    key_std, query_std, value_std, out_std: standard deviations of the weights (times 1/√fan_in);
    b_std of the bias after W_out, if any. positions: how positions are encoded, if they are.
    Where a Mask hides positions, none attend to them: softmax is over the others, and G is 0 there.

    Raises ValueError for counts below 1, unknown names and stds that are not positive; a forward
    pass raises ShapeError for inputs without positions.
    """

    heads: int | None = eqx.field(static=True)
    key_width: int | None = eqx.field(static=True)
    value_width: int | None = eqx.field(static=True)
    mechanism: str = eqx.field(static=True)
    scaling: str = eqx.field(static=True)
    key: Dense
    query: Dense
    value: Dense
    out: Dense
    positions: PositionEncoding | None
    num_draws: int = eqx.field(static=True)
    # Where scores are drawn from, given by what evaluates the kernel map.
    sampling: Sampling | None

    def __init__(
        self,
        width: int,
        *,
        heads: int | None = None,
        key_width: int | None = None,
        value_width: int | None = None,
        mechanism: str = "softmax",
        scaling: str = "linear",
        key_std: object = 1.0,
        query_std: object = 1.0,
        value_std: object = 1.0,
        out_std: object = 1.0,
        b_std: object = None,
        positions: PositionEncoding | None = None,
        num_draws: int = NUM_DRAWS,
    ):
        counts = (("heads", heads), ("key_width", key_width), ("value_width", value_width))
        self.heads, self.key_width, self.value_width = (
            None if count is None else positive_integer(name, count) for name, count in counts
        )
        if mechanism not in MECHANISMS:
            raise ValueError(unknown("attention mechanism", mechanism, list(MECHANISMS)))
        if scaling not in SCALINGS:
            raise ValueError(unknown("scaling of scores", scaling, list(SCALINGS)))
        if not (positions is None or isinstance(positions, PositionEncoding)):
            raise TypeError(f"expected positions to be a PositionEncoding, got {positions!r}")
        self.mechanism, self.scaling, self.positions = mechanism, scaling, positions
        self.num_draws, self.sampling = positive_integer("num_draws", num_draws), None
        # Widths of the first three follow from the heads when they are used.
        self.key = Dense(1, w_std=_std("key_std", key_std))
        self.query = Dense(1, w_std=_std("query_std", query_std))
        self.value = Dense(1, w_std=_std("value_std", value_std))
        self.out = Dense(width, w_std=_std("out_std", out_std), b_std=_number("b_std", b_std))

    @property
    def width(self) -> int:
        """Channels of the outputs."""
        return self.out.width

    @property
    def num_heads(self) -> int:
        """How many heads there are at this width."""
        return self.width if self.heads is None else self.heads

    @property
    def tied(self) -> bool:
        """Whether queries are the keys, but for their scale."""
        return self.scaling == "linear"

    @property
    def is_drawn(self) -> bool:
        """Whether the kernel map is an estimate from drawn scores."""
        return self.mechanism == "softmax" and not self.tied

    def attend(self, scores: Array, mask: Masked) -> Array:
        """What multiplies the values, from scores whose last axis is that of keys."""
        return attend(self.mechanism, scores, mask)

    def propagate(self, x: Array, linear: LinearStep) -> Array:
        return self.carry(x, None, linear)[0]

    def carry(self, x: Array, mask: Masked, linear: LinearStep) -> Carried:
        if x.ndim < 3:
            raise ShapeError(
                "expected inputs [point, position, channel]: attention is over positions; got "
                f"inputs of shape {list(x.shape[1:])} a point"
            )
        grid = x.shape[1:-1]
        features = x.reshape(x.shape[0], -1, x.shape[-1])
        encoded = features
        if self.positions is not None:
            encoded = self.positions.encoded(features, grid, linear)
        scores = self._scores(encoded, linear)
        values = encoded if self.positions is not None and self.positions.in_values else features
        value_width = self.value_width or self.width
        values = self._of_heads(self.value, value_width, values, linear)
        weights = self.attend(scores, None if mask is None else mask.reshape(x.shape[0], -1))
        attended = jnp.einsum("nhpq,nqhv->nphv", weights, values, precision="highest")
        heads = attended.reshape(*attended.shape[:2], -1)
        return pointwise(linear(self.out, heads).reshape(x.shape[0], *grid, self.width), mask)

    def _scores(self, x: Array, linear: LinearStep) -> Float[Array, "n h p p"]:
        width = self.key_width or self.width
        keys = self._of_heads(self.key, width, x, linear)
        if self.tied:
            ratio = jnp.asarray(self.query.w_std, x.dtype) / jnp.asarray(self.key.w_std, x.dtype)
            queries, divisor = ratio * keys, float(width)
        else:
            queries, divisor = self._of_heads(self.query, width, x, linear), math.sqrt(width)
        products = jnp.einsum("nphd,nqhd->nhpq", queries, keys, precision="highest")
        return products / jnp.asarray(divisor, x.dtype)

    def _of_heads(
        self, layer: Dense, width: int, x: Array, linear: LinearStep
    ) -> Float[Array, "n p h d"]:
        wide = layer.at_width(self.num_heads * width)
        return linear(wide, x).reshape(*x.shape[:-1], self.num_heads, width)

    def needs_all_pairs(self, after: bool) -> bool:
        return True

    def covariance(self, k: Covariance) -> Covariance:
        if not k.grid:
            raise ShapeError("expected inputs with positions: attention is over positions")
        return attention_limit.covariance(self, k)

    def at_width(self, width: int) -> "SelfAttention":
        return eqx.tree_at(lambda layer: layer.out, self, self.out.at_width(width))


def _std(name: str, value: object) -> object:
    return checked_std(name, _number(name, value))


def _number(name: str, value: object) -> object:
    if isinstance(value, Scale) or is_law(value):
        raise ValueError(f"expected {name} of attention to be a number, got the law {value}")
    return value
