"""Function space and weight space: one prior draw, its log weight, its continuation.

A draw is its key. Everything a draw has (features, outputs, parameters) is a function of
that key and of the posterior, so nothing else need be stored.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.likelihoods import Gaussian
from bnnpost.networks.layers import Layer, Linear, Parameters, Serial
from bnnpost.numerics import gp
from bnnpost.numerics.random import FEATURE_DTYPES
from bnnpost.posterior import Posterior
from bnnpost.spaces import controls
from bnnpost.spaces.completions import AS_FUNCTION, Completion, elimination_order
from bnnpost.spaces.steps import Conditioning, LinearStep

SPACES = ("functions", "weights")
# Folded into a draw's key: the acceptance threshold, and everything that the network draws.
_THRESHOLD, _NETWORK = 0, 1


class Observation(NamedTuple):
    """What one proposal contributes to estimates over all proposals.

    log_weight in nats; its predictive at the test inputs; control variates [q], each with
    mean exactly zero under the prior (none where the network has no closed form for them).
    """

    log_weight: Float[Array, ""]
    predictive: gp.Conditional
    controls: Float[Array, " q"]


class Space(eqx.Module):
    """The posterior as prior draws with weights.

    form: "functions" draws each layer's outputs at the training rows, "weights" every
    weight (the paper's method); same law. collapse: the Gaussian readout is integrated
    out. conditioned: False for draws from the prior, whose weights are all one. order: of
    elimination of the training points, part of what a draw is.
    """

    posterior: Posterior
    order: Int[np.ndarray, " n"]
    form: str = eqx.field(static=True)
    collapse: bool = eqx.field(static=True)
    precision: str = eqx.field(static=True)
    conditioned: bool = eqx.field(static=True, default=True)

    @property
    def layers(self) -> tuple[tuple[Layer, ...], Linear | None]:
        """Hidden layers and linear readout (None if the network does not end in one)."""
        return split_readout(self.posterior.network)

    @property
    def dtype(self) -> Any:
        """Of the random features and normals."""
        return FEATURE_DTYPES[self.precision]

    @property
    def bound(self) -> str:
        """Which upper bound of the weight is used: "collapsed" or "naive"."""
        return "collapsed" if self.collapse else "naive"

    def log_bound(self) -> float:
        """An upper bound of `log_weight` over all draws, in nats."""
        targets = self.posterior.targets
        if not self.conditioned:
            return 0.0
        if not self.collapse:
            return float(self.posterior.likelihood.log_bound(targets))
        readout = self.layers[1]
        bias_var = 0.0 if readout is None or readout.b_std is None else float(readout.b_std) ** 2
        return self._gaussian.collapsed_log_bound(targets, bias_var)

    @property
    def _gaussian(self) -> Gaussian:
        likelihood = self.posterior.likelihood
        assert isinstance(likelihood, Gaussian)
        return likelihood

    def threshold_key(self, key: Array) -> Array:
        """The key of the acceptance threshold of the draw with this key."""
        return jax.random.fold_in(key, _THRESHOLD)

    def _step(self, key: Array, completion: Completion) -> LinearStep:
        network_key = jax.random.fold_in(key, _NETWORK)
        num_train = self.posterior.num_points
        form = self.form == "weights"
        return LinearStep(network_key, num_train, self.dtype, form, completion, self.order)

    def _inputs(self, x_test: Array | None) -> Array:
        x = jnp.asarray(self.posterior.x, jnp.float64)
        return x if x_test is None else jnp.concatenate([x, x_test])

    def log_weight(self, key: Array) -> Float[Array, ""]:
        """log ℓ of the prior draw with this key, in nats."""
        if not self.conditioned:
            return jnp.zeros((), jnp.float64)
        step = self._step(key, AS_FUNCTION)
        targets = jnp.asarray(self.posterior.targets)
        hidden, readout = self.layers
        if self.collapse and readout is not None:
            features = _through(hidden, self._inputs(None), step)
            kernel = readout.gram(_flat_rows(readout, features))
            return self._gaussian.collapsed_log_prob(kernel, targets)
        outputs = self.posterior.network.propagate(self._inputs(None), step)
        return self.posterior.likelihood.log_prob(outputs.astype(jnp.float64), targets)

    def outputs(
        self, key: Array, x_test: Float[Array, "m *f"] | None, completion: Completion
    ) -> Float[Array, "n+m k"]:
        """Latent function values of the draw with this key: training points, then any x_test."""
        return self._run(self._step(key, completion), x_test).astype(jnp.float64)

    def _run(self, step: LinearStep, x_test: Array | None) -> Array:
        hidden, readout = self.layers
        if readout is None or not (self.collapse and self.conditioned):
            return self.posterior.network.propagate(self._inputs(x_test), step)
        features = _through(hidden, self._inputs(x_test), step)
        return _readout(step, readout, features, self._condition)

    def _condition(self, key: Array, factor: Array, normals: Array) -> Array:
        targets = jnp.asarray(self.posterior.targets)
        return self._gaussian.readout_given_targets(key, factor, normals, targets)

    def mixture(
        self, key: Array, x_test: Float[Array, "m *f"], completion: Completion
    ) -> gp.Conditional:
        """f* at x_test given this draw's hidden layers (and y). Needs a collapsed readout."""
        return self._conditional(self.kernels(key, x_test, completion)[-1])

    def _conditional(self, kernel: Float[Array, "n+m n+m"]) -> gp.Conditional:
        targets = jnp.asarray(self.posterior.targets)
        if self.conditioned:
            return gp.condition(kernel, targets, self._gaussian.noise_var)
        num_train, num_outputs = targets.shape
        prior = kernel[num_train:, num_train:]
        return gp.Conditional(jnp.zeros((prior.shape[0], num_outputs)), prior)

    def kernels(
        self, key: Array, x_test: Float[Array, "m *f"], completion: Completion
    ) -> list[Float[Array, "n+m n+m"]]:
        """K̂ of every linear layer of one draw at training and test rows, the readout's last."""
        hidden, readout = self.layers
        assert readout is not None
        step = self._step(key, completion)
        step.grams = []
        features = _through(hidden, self._inputs(x_test), step)
        return [*step.grams, readout.gram(_flat_rows(readout, features))]

    def observe(
        self, key: Array, x_test: Float[Array, "m *f"], completion: Completion
    ) -> "Observation":
        """One proposal's weight and its predictive at x_test. Needs a collapsed readout."""
        kernels = self.kernels(key, x_test, completion)
        num_train = self.posterior.num_points
        log_weight = self._gaussian.collapsed_log_prob(
            kernels[-1][:num_train, :num_train], jnp.asarray(self.posterior.targets)
        )
        return Observation(
            log_weight,
            self._conditional(kernels[-1]),
            controls.deviations(self.posterior.network, kernels),
        )

    def parameters(self, key: Array) -> Parameters:
        """Weights and biases of the one network that the draw with this key is."""
        step = self._step(key, AS_FUNCTION)
        step.parameters = []
        self._run(step, None)
        biases = [layer.has_bias for layer in linear_layers(self.posterior.network)]
        return tuple(
            Linear.split(matrix, bias) for matrix, bias in zip(step.parameters, biases, strict=True)
        )


def make_space(
    posterior: Posterior,
    *,
    space: str = "auto",
    collapse: bool = True,
    precision: str = "single",
    conditioned: bool = True,
) -> Space:
    """The space that a sampler was asked for; `collapse` holds where it is possible.

    Collapsing needs a Gaussian likelihood and a network that ends in a Dense layer.
    Raises ValueError for an unknown space or precision.
    """
    form = "functions" if space == "auto" else space
    if form not in SPACES:
        raise ValueError(f"expected space to be one of auto, {', '.join(SPACES)}, got {space!r}")
    if precision not in FEATURE_DTYPES:
        known = " or ".join(FEATURE_DTYPES)
        raise ValueError(f"expected precision to be {known}, got {precision!r}")
    possible = isinstance(posterior.likelihood, Gaussian) or not conditioned
    possible = possible and split_readout(posterior.network)[1] is not None
    order = elimination_order(posterior.network, posterior.x, posterior.num_points)
    return Space(posterior, order, form, collapse and possible, precision, conditioned)


def split_readout(network: Layer) -> tuple[tuple[Layer, ...], Linear | None]:
    """The layers before a final linear layer, and that layer (None if there is none)."""
    layers = network.flattened() if isinstance(network, Serial) else (network,)
    last = layers[-1]
    return (layers[:-1], last) if isinstance(last, Linear) else (layers, None)


def linear_layers(network: Layer) -> list[Linear]:
    """The linear layers in the order that a forward pass meets them."""
    met: list[Linear] = []

    def step(layer: Linear, rows: Array) -> Array:
        met.append(layer)
        return jnp.zeros((*rows.shape[:-1], layer.width))

    jax.eval_shape(lambda: network.propagate(jnp.zeros((1, 1)), step))
    return met


def _through(layers: tuple[Layer, ...], x: Array, step: LinearStep) -> Array:
    for layer in layers:
        x = layer.propagate(x, step)
    return x


def _flat_rows(readout: Linear, features: Array) -> Float[Array, "r f"]:
    rows = readout.rows(features)
    return rows.reshape(-1, rows.shape[-1]).astype(jnp.float64)


def _readout(step: LinearStep, readout: Linear, features: Array, condition: Conditioning) -> Array:
    # A conditioned readout is drawn in double, whatever the precision of the features.
    step.dtype = jnp.float64
    return step(readout, readout.rows(features), condition)
