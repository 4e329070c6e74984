"""The linear step: how one matrix product with random weights is drawn.

Given the rows h that enter it, and its scales, the outputs are F g with g standard normal, in one
of the two forms of `forms`. Weights of another law are drawn as they are, in matrix form; biases of
another law are drawn by themselves and added.
"""

import dataclasses
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
from bnnpost.numerics.random import row_normals
from bnnpost.spaces.completions import Completion
from bnnpost.spaces.forms import Domain, LayerRows, Matrix, Row
from bnnpost.spaces.sources import Source

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
    weights: always matrix form; order: of elimination of the training points; drawn: the layers
    met so far.
    """

    source: Source
    num_train: int
    dtype: Any
    weights: bool
    completion: Completion
    order: Int[np.ndarray | Array, " n"]
    drawn: "list[LayerDraw]" = dataclasses.field(default_factory=list)

    def __call__(self, layer: Linear, rows: Array) -> Array:
        """Outputs [point, …, width] for rows [point, …, fan_in]."""
        return self.draw(layer, rows, self.dtype)

    def draw(
        self, layer: Linear, rows: Array, dtype: Any, condition: Conditioning | None = None
    ) -> Array:
        """The same in another dtype, and perhaps with normals that are given something on F g."""
        one = LayerDraw(self, layer, rows, dtype, condition)
        self.drawn.append(one)
        return one.outputs().reshape(*rows.shape[:-1], layer.width).astype(dtype)

    @property
    def name(self) -> str:
        """Of the layer that comes next, in the names of its arrays."""
        return f"layer{len(self.drawn)}"

    @property
    def key(self) -> Array:
        """Of the layer that comes next."""
        return jax.random.fold_in(self.source.key, len(self.drawn))

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
            scale.label(f"{self.name}.{kind}"),
            scale.key(jax.random.fold_in(self.key, domain), self.source.key),
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
        law, key = standard(prior), jax.random.fold_in(self.key, domain)
        if not law.random:
            return law.sample(key, shape, dtype)
        name = f"{self.name}.{kind}"
        values = self.source.values(
            name, key, shape, lambda key: law.sample(key, shape, dtype), law.from_normals
        )
        return values.astype(dtype)


class LayerDraw:
    """One layer of one draw: training outputs, their continuation, and the weights behind them.

    rows: what enters it; realised: the layer with numbers for its scales; biases: its own, where
    they are drawn by themselves; form: what is drawn for the rest; normals: g.
    """

    def __init__(
        self,
        step: LinearStep,
        layer: Linear,
        rows: Array,
        dtype: Any,
        condition: Conditioning | None,
    ):
        fan_in, source = rows.shape[-1], step.source
        self.layer, self.realised = layer, step.realised(layer, fan_in)
        self.rows = rows.reshape(-1, fan_in)
        num_train = step.num_train * math.prod(rows.shape[1:-1])
        linear, self.biases = step.without_own_bias(self.realised)
        met = LayerRows(
            linear, self.rows[:num_train], self.rows[num_train:], step.key, step.completion, dtype
        )
        in_weights = matrix_form(self.realised, num_train, fan_in, step.weights)
        self.form = Matrix(met) if in_weights else Row(met, step.order)
        self.normals = layer_normals(step, met, self.form.factor.shape[1])
        # A conditioned readout is small and enters the posterior itself: kept in double.
        if condition is not None:
            name, noise_key = f"{step.name}.noise", met.domain(Domain.NOISE)

            def noise(shape: tuple[int, ...]) -> Array:
                return source.normals(
                    name, lambda: jax.random.normal(noise_key, shape, jnp.float64)
                )

            self.normals = condition(noise, self.form.factor, self.normals.astype(jnp.float64))

    def outputs(self) -> Float[Array, "n+m width"]:
        """Training outputs, then test outputs."""
        outputs = self.form.outputs(self.normals)
        if self.biases is None:
            return outputs
        return outputs + (self.realised.b_std * self.biases).astype(outputs.dtype)

    def gram(self) -> Float[Array, "r r"]:
        """K̂ of all rows."""
        return self.realised.gram(self.rows.astype(jnp.float64))

    def parameters(self) -> Affine:
        """Weights and biases, and the scales that are random."""
        weights, biases = self.form.weights(self.normals), self.biases
        if biases is None:
            weights, biases = self.realised.split(weights, self.realised.has_bias)[:2]
        pairs = ((self.layer.w_std, self.realised.w_std), (self.layer.b_std, self.realised.b_std))
        scales = [jnp.asarray(std) if isinstance(scale, Scale) else None for scale, std in pairs]
        return Affine(weights, biases, *scales)


def layer_normals(step: LinearStep, met: LayerRows, rows: int) -> Float[Array, "q width"]:
    """What multiplies F: standard normals, or weights of another law."""
    given, width, weights = step.source.given, met.linear.width, met.linear.priors.weights
    name, key = f"{step.name}.weights", met.domain(Domain.TRAINING)
    if weights is not None:
        shape = (met.train.shape[1], width)
        return step.of_law("weights", Domain.WEIGHTS, weights, shape, met.dtype)
    if name in given:
        biases = [given[f"{step.name}.biases"][None]] if met.linear.has_bias else []
        return jnp.concatenate([given[name], *biases]).astype(met.dtype)
    return step.source.normals(step.name, lambda: row_normals(key, rows, width, met.dtype))
