"""The hidden units of a network with one hidden layer, a batch at a time."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.networks.layers import Layer
from bnnpost.networks.linear import Linear
from bnnpost.posterior import Posterior
from bnnpost.spaces.auxiliary.unit_draws import Draw, Units
from bnnpost.spaces.completions import AS_FUNCTION
from bnnpost.spaces.forms import LayerRows
from bnnpost.spaces.network_parts import split_gaussian_readout
from bnnpost.spaces.sources import Source
from bnnpost.spaces.steps import LayerDraw, LinearStep, layer_normals

# Units drawn together.
BATCH = 512


class HiddenLayer:
    """The hidden layer at the training inputs, in one form for all of its units.

    by_direction: features are those of normals with a mean square of 1.
    """

    def __init__(
        self,
        posterior: Posterior,
        dtype: Any,
        weights: bool,
        order: Int[np.ndarray, " n"],
        by_direction: bool,
    ):
        layers, readout = split_gaussian_readout(posterior.network)
        assert readout is not None
        place = next(i for i, layer in enumerate(layers) if isinstance(layer, Linear))
        linear: Any = layers[place]
        self._linear = linear
        self._after: tuple[Layer, ...] = layers[place + 1 :]
        self._w_std = readout.w_std
        self._step = LinearStep(
            Source(jax.random.key(0), {}), posterior.num_points, dtype, weights, AS_FUNCTION, order
        )
        rows = jnp.asarray(posterior.x, jnp.float64)
        for layer in layers[:place]:
            rows, _ = layer.carry(rows, None, self._step)
        self._rows = linear.rows(rows)
        one = LayerDraw(self._step, linear.at_width(1), self._rows, dtype, None)
        self._form = one.form
        self._by_direction = by_direction

    @property
    def factor(self) -> Float[Array, "n d"]:
        """F, of which units are φ(F z), z standard normals, where weights and biases are."""
        return self._form.factor

    def units(self, key: Array) -> Draw:
        """Units from the prior: batches that differ in their numbers share nothing."""

        def draw(number: Array) -> Units:
            source = Source(jax.random.fold_in(key, number), {})
            step = LinearStep(
                source,
                self._step.num_train,
                self._step.dtype,
                self._step.weights,
                AS_FUNCTION,
                self._step.order,
            )
            layer = self._linear.at_width(BATCH)
            linear, biases = step.without_own_bias(layer)
            met = LayerRows(
                linear, self._rows, self._rows[:0], step.key, AS_FUNCTION, self._step.dtype
            )
            normals = layer_normals(step, met, self._form.factor.shape[1])
            outputs = self._form.outputs(normals)
            kind = "normals" if linear.priors.weights is None else "weights"
            arrays = {f"{step.name}.{kind}": normals}
            if biases is not None:
                arrays[f"{step.name}.biases"] = biases
                outputs = outputs + (layer.b_std * biases).astype(outputs.dtype)
            for after in self._after:
                outputs, _ = after.carry(outputs, None, step)
            features = self._w_std * outputs.astype(jnp.float64)
            if self._by_direction:
                features /= jnp.sqrt(jnp.mean(normals.astype(jnp.float64) ** 2, axis=0))
            return Units(arrays, features)

        return draw
