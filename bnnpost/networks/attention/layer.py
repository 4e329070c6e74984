"""Self-attention over positions, with any number of heads (Hron et al. 2020)."""

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bnnpost.arguments import positive_integer
from bnnpost.naming import unknown
from bnnpost.networks.attention.drawn import Sampling, estimated
from bnnpost.networks.attention.kernel_maps import (
    ELEMENTWISE,
    MECHANISMS,
    Scales,
    attend,
    bilinear,
    deterministic,
    elementwise,
)
from bnnpost.networks.attention.position_encodings import PositionEncoding
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.errors import ShapeError
from bnnpost.networks.layers import Layer, LinearStep, parts_of, with_parts
from bnnpost.networks.linear import Dense
from bnnpost.networks.masks import Carried, Masked, pointwise
from bnnpost.networks.nonlinearities import cast, checked_std
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
        flat = None if mask is None else mask.reshape(x.shape[0], -1)
        weights = attend(self.mechanism, scores, flat)
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
        encoded = k if self.positions is None else self.positions.covariance(k)
        encoded = encoded.hidden()
        values = encoded if self.positions is not None and self.positions.in_values else k
        found = self._attended(encoded, values)
        return found.changed(units="gaussian", grid=k.grid, all_pairs=True, fresh_weights=True)

    def _attended(self, encoded: Covariance, values: Covariance) -> Covariance:
        """By the covariances of what scores and values are made of."""
        scales = self._scales(encoded.cross)
        if self.tied:
            sides = ((encoded.within1, encoded.mask1), (encoded.within2, encoded.mask2))
            first, second = (attend(self.mechanism, scales.scores * k, mask) for k, mask in sides)
            return deterministic(first, second, values, scales)
        if self.mechanism == "identity":
            return bilinear(encoded, values, scales)
        if self.mechanism == "softmax":
            found = estimated(self.sampling, self.num_draws, encoded, values, scales.scores)
        else:
            found = elementwise(ELEMENTWISE[self.mechanism], encoded, values, scales.scores)
        return scales.of_attended(found)

    def _scales(self, like: Array) -> Scales:
        stds = [cast(part.w_std, like) for part in (self.key, self.query, self.value, self.out)]
        bias = jnp.zeros((), like.dtype) if self.out.b_std is None else cast(self.out.b_std, like)
        return Scales(stds[0] * stds[1], (stds[2] * stds[3]) ** 2, bias**2)

    def at_width(self, width: int) -> "SelfAttention":
        return eqx.tree_at(lambda layer: layer.out, self, self.out.at_width(width))


def _std(name: str, value: object) -> object:
    return checked_std(name, _number(name, value))


def _number(name: str, value: object) -> object:
    if isinstance(value, Scale) or is_law(value):
        raise ValueError(f"expected {name} of attention to be a number, got the law {value}")
    return value


def draws_scores(network: Layer) -> bool:
    """Whether the limit's kernel is an estimate from drawn scores."""
    return any(layer.is_drawn for layer in parts_of(network, SelfAttention))


def with_sampling(network: Layer, key: Array, together: bool) -> Layer:
    """The network whose attention layers draw from keys of their own, one for each."""
    count = itertools.count()

    def sampling(layer: SelfAttention) -> Layer:
        if not layer.is_drawn:
            return layer
        own = Sampling(jax.random.fold_in(key, next(count)), together)
        return eqx.tree_at(lambda node: node.sampling, layer, own, is_leaf=lambda n: n is None)

    return with_parts(network, SelfAttention, sampling)


def fixed_heads(network: Layer) -> list[int]:
    """Numbers of heads that do not grow with the width where a Gaussian limit needs that."""
    layers = parts_of(network, SelfAttention)
    return [layer.heads for layer in layers if layer.heads is not None and not layer.tied]
