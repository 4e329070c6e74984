"""Function space and weight space: one prior draw, its log weight, its continuation.

A draw is its key, or its key and the arrays that a chain gives for it. Everything a draw has
(features, outputs, parameters) is a function of these and of the posterior, so nothing else
need be stored.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.networks.layers import Layer, Parameters
from bnnpost.networks.linear import Linear, linear_layers
from bnnpost.numerics import gp
from bnnpost.numerics.random import FEATURE_DTYPES
from bnnpost.posterior import Posterior
from bnnpost.spaces import controls
from bnnpost.spaces.auxiliary.hidden_layer import HiddenLayer
from bnnpost.spaces.auxiliary.law import Auxiliary, UnitsOf
from bnnpost.spaces.completions import (
    AS_FUNCTION,
    Completion,
)
from bnnpost.spaces.guides import DrawnSites, Guide
from bnnpost.spaces.network_parts import split_gaussian_readout
from bnnpost.spaces.sources import Origin, Source, origin
from bnnpost.spaces.steps import LayerDraw, LinearStep, matrix_form

SPACES = ("functions", "weights")
# Folded into a draw's key: the acceptance threshold, everything that the network draws,
# what its guide draws, and what a comparison draws given the kernels.
_THRESHOLD, _NETWORK, _GUIDE, _INNER, _ATTEMPT = 0, 1, 2, 3, 4


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
    weight (the paper's method); same law. order: of elimination of the training points.
    guide: the sites through which the readout is integrated out, or None where it is drawn
    from the prior. conditioned: False for draws from the prior, whose weights are all one.
    strict: whether it was made for a bound that no weight exceeds. _log_bound: an upper bound of
    the log weight, ∞ where none is known; a leaf, since it depends on the targets, for which
    nothing need be compiled again. All of it is part of what a draw is.
    """

    posterior: Posterior
    order: Int[np.ndarray, " n"]
    guide: Guide | None
    form: str = eqx.field(static=True)
    precision: str = eqx.field(static=True)
    conditioned: bool = eqx.field(static=True)
    strict: bool = eqx.field(static=True)
    _log_bound: np.float64
    auxiliary: Auxiliary | None = None

    @property
    def layers(self) -> tuple[tuple[Layer, ...], Linear | None]:
        """Hidden layers and readout (None if the network does not end in one to collapse)."""
        return split_gaussian_readout(self.posterior.network)

    @property
    def dtype(self) -> Any:
        """Of the random features and normals."""
        return FEATURE_DTYPES[self.precision]

    @property
    def collapse(self) -> bool:
        """Whether the readout is integrated out."""
        return self.guide is not None or (not self.conditioned and self.layers[1] is not None)

    @property
    def bound(self) -> str:
        """Which upper bound of the weight is used: "auxiliary", "collapsed" or "naive"."""
        if self.auxiliary is not None:
            return "auxiliary"
        return "collapsed" if self.collapse else "naive"

    def log_bound(self) -> float:
        """An upper bound of `log_weight` over all draws, in nats; ∞ where none is known."""
        return float(self._log_bound)

    @property
    def log_bound_se(self) -> float:
        """Its standard error: 0 but where draws are relative to an estimate."""
        return 0.0 if self.auxiliary is None else float(self.auxiliary.log_constant_se)

    def threshold_key(self, key: Array) -> Array:
        """The key of the acceptance threshold of the draw with this key."""
        return jax.random.fold_in(key, _THRESHOLD)

    def layer_forms(self) -> str:
        """What is drawn of each linear layer, in order: "functions" or "weights"."""
        num_train, weights = self.posterior.num_points, self.form == "weights"
        layers = linear_layers(self.posterior.network, self.posterior.x.shape[1:])
        forms = [matrix_form(m.layer, num_train * m.rows, m.fan_in, weights) for m in layers]
        return ", ".join(SPACES[form] for form in forms)

    def _step(self, source: Source, completion: Completion) -> LinearStep:
        key = jax.random.fold_in(source.key, _NETWORK)
        network = Source(key, source.given, source.recorded)
        num_train = self.posterior.num_points
        form = self.form == "weights"
        return LinearStep(network, num_train, self.dtype, form, completion, self.order)

    def _inputs(self, x_test: Array | None) -> Array:
        x = jnp.asarray(self.posterior.x, jnp.float64)
        return x if x_test is None else jnp.concatenate([x, x_test])

    def drawn(self, draw: Array | Origin) -> DrawnSites:
        """The sites of a draw. Needs a guide."""
        return self._drawn(self._source(draw))

    def _drawn(self, source: Source) -> DrawnSites:
        assert self.guide is not None
        key = jax.random.fold_in(source.key, _GUIDE)
        return self.guide.draw(Source(key, source.given, source.recorded))

    def log_weight(self, draw: Array | Origin) -> Float[Array, ""]:
        """log weight of the prior draw that this is, in nats. A draw is its key, or an Origin."""
        key, given = origin(draw)
        if self.auxiliary is not None and not given:
            return self._log_weight_of_attempt(key, self.auxiliary)
        return self._log_weight(Source(key, given))

    def normals(self, key: Array) -> dict[str, Array]:
        """The standard normals, by name, that the log weight of the draw with this key is of.

        An `Origin` with others of the same shapes in their place is another draw; under the
        posterior their density is that of standard normals times exp(log_weight). Raises
        NotImplementedError for a prior that has no map from standard normals.
        """
        recorded: dict[str, Array] = {}
        self._log_weight(Source(key, {}, recorded))
        return recorded

    def _log_weight(self, source: Source) -> Float[Array, ""]:
        if not self.conditioned:
            return jnp.zeros((), jnp.float64)
        step, readout = self._step(source, AS_FUNCTION), self.layers[1]
        if self.guide is None or readout is None:
            return self._log_prob(self.posterior.network.propagate(self._inputs(None), step))
        hidden = self._hidden(step, readout, None)
        drawn = self._drawn(source)
        outputs = None if self.guide.exact else hidden.outputs(drawn.sites)
        return self.guide.log_weight(hidden.kernel, drawn, outputs, hidden.shift)

    def _source(self, draw: Array | Origin) -> Source:
        """The random arrays of a draw; of an auxiliary one, its hidden layer besides its key."""
        key, given = origin(draw)
        if self.auxiliary is not None and not given:
            given = self.auxiliary.layer(self._attempt_key(key), self._units(self.auxiliary))
        return Source(key, given)

    def _attempt_key(self, key: Array) -> Array:
        return jax.random.fold_in(key, _ATTEMPT)

    def _units(self, auxiliary: Auxiliary) -> UnitsOf:
        weights, by_direction = self.form == "weights", auxiliary.by_direction
        return HiddenLayer(self.posterior, self.dtype, weights, self.order, by_direction).units

    def _log_weight_of_attempt(self, key: Array, auxiliary: Auxiliary) -> Float[Array, ""]:
        """log weight of an attempt: −∞ unless it comes to a draw, and its bound less r if so."""
        units, attempt_key = self._units(auxiliary), self._attempt_key(key)
        attempt = auxiliary.attempt(attempt_key, units)
        layer = auxiliary.layer(attempt_key, units, attempt.log_kept > -jnp.inf)
        readout = self.layers[1]
        assert readout is not None
        hidden = self._hidden(self._step(Source(key, layer), AS_FUNCTION), readout, None)
        largest = jnp.max(jnp.abs(hidden.rows)).astype(jnp.float64) * jnp.abs(readout.w_std)
        return auxiliary.log_weight(hidden.kernel, largest) + attempt.log_kept

    def _log_prob(self, outputs: Array) -> Float[Array, ""]:
        targets = jnp.asarray(self.posterior.targets)
        return self.posterior.likelihood.log_prob(outputs.astype(jnp.float64), targets)

    def outputs(
        self, draw: Array | Origin, x_test: Float[Array, "m *f"] | None, completion: Completion
    ) -> Float[Array, "n+m k"]:
        """Latent function values of a draw: training points, then any x_test."""
        source = self._source(draw)
        step = self._step(source, completion)
        return self._outputs(source, x_test, step).astype(jnp.float64)

    def _outputs(self, source: Source, x_test: Array | None, step: LinearStep) -> Array:
        readout = self.layers[1]
        if readout is None or self.guide is None or not self.conditioned:
            return self.posterior.network.propagate(self._inputs(x_test), step)
        return self._hidden(step, readout, x_test).outputs(self._drawn(source).sites)

    def mixture(
        self, draw: Array | Origin, x_test: Float[Array, "m *f"], completion: Completion
    ) -> gp.Conditional:
        """f* at x_test given what this draw has but its readout (or but f*). Needs a guide."""
        return self.observe(draw, x_test, completion).predictive

    def outputs_and_law(
        self, draw: Array | Origin, x_test: Float[Array, "m *f"], completion: Completion
    ) -> tuple[Float[Array, "n+m k"], gp.Conditional]:
        """`outputs`, and the `mixture` that they are from, at the training points too.

        In one pass through the network. Needs a guide.
        """
        source, (_, readout), guide = self._source(draw), self.layers, self.guide
        assert readout is not None and guide is not None
        hidden = self._hidden(self._step(source, completion), readout, x_test)
        sites, num_train = self._drawn(source).sites, self.posterior.num_points
        outputs = hidden.outputs(sites).astype(jnp.float64)
        # Training rows once more, among those that are asked for.
        rows = np.r_[:num_train, : num_train + len(x_test)]
        kernel = hidden.kernel[rows][:, rows]
        if guide.exact:
            law = gp.condition(kernel, sites.less(hidden.shift))
        else:
            order = jnp.concatenate([self.order, num_train + completion.order])
            order = jnp.concatenate([self.order, num_train + order])
            shift = 0.0 if hidden.shift is None else hidden.shift
            law = gp.condition_on_values(kernel, outputs[:num_train] - shift, order)
        return outputs, law.plus(hidden.shift)

    def observe(
        self, draw: Array | Origin, x_test: Float[Array, "m *f"], completion: Completion
    ) -> "Observation":
        """One proposal's weight and its predictive at x_test. Needs a Gaussian readout."""
        source, readout = self._source(draw), self.layers[1]
        assert readout is not None
        hidden = self._hidden(self._step(source, completion), readout, x_test)
        log_weight, predictive = self._weigh(source, hidden)
        deviations = controls.deviations(self.posterior.network, hidden.kernels())
        return Observation(log_weight, predictive, deviations)

    def kernels(
        self, key: Array, x_test: Float[Array, "m *f"], completion: Completion
    ) -> list[Float[Array, "n+m n+m"]]:
        """The drawn K̂ of each linear layer, training rows first. Needs a Gaussian readout."""
        readout = self.layers[1]
        assert readout is not None
        return self._hidden(self._step(Source(key, {}), completion), readout, x_test).kernels()

    def _hidden(self, step: LinearStep, readout: Linear, x_test: Array | None) -> "_Hidden":
        """The hidden layers, drawn."""
        rows, mask = self._inputs(x_test), None
        for layer in self.layers[0]:
            rows, mask = layer.carry(rows, mask, step)
        rows = readout.rows(rows)
        flat = rows.reshape(-1, rows.shape[-1]).astype(jnp.float64)
        realised = step.realised(readout, flat.shape[1])
        layer, biases = step.without_own_bias(realised)
        shift = None if biases is None else realised.b_std * biases
        return _Hidden(step, tuple(step.drawn), readout, rows, layer.gram(flat), shift)

    def inner_key(self, key: Array) -> Array:
        """A key for what is drawn besides the draw with this key, independently of its network."""
        return jax.random.fold_in(key, _INNER)

    def _weigh(self, source: Source, hidden: "_Hidden") -> tuple[Float[Array, ""], gp.Conditional]:
        num_train, kernel, shift = self.posterior.num_points, hidden.kernel, hidden.shift
        if not self.conditioned:
            prior, num_outputs = kernel[num_train:, num_train:], self.posterior.num_outputs
            none = jnp.zeros((prior.shape[0], num_outputs))
            return jnp.zeros((), jnp.float64), gp.Conditional(none, prior[None]).plus(shift)
        train = kernel[:num_train, :num_train]
        order = jnp.concatenate([self.order, num_train + hidden.step.completion.order])

        def given(outputs: Array) -> gp.Conditional:
            centred = outputs if shift is None else outputs - shift
            return gp.condition_on_values(kernel, centred, order).plus(shift)

        alone = hidden._replace(rows=hidden.rows[:num_train])
        if self.guide is None:
            outputs = alone.prior_outputs().astype(jnp.float64)
            return self._log_prob(outputs), given(outputs)
        drawn = self._drawn(source)
        if self.guide.exact:
            log_weight = self.guide.log_weight(train, drawn, None, shift)
            return log_weight, gp.condition(kernel, drawn.sites.less(shift)).plus(shift)
        outputs = alone.outputs(drawn.sites)
        return self.guide.log_weight(train, drawn, outputs, shift), given(outputs)

    def noise_variances(self, draw: Array | Origin) -> Float[Array, "n c"]:
        """Noise variances of a draw. Needs Gaussian noise, given them."""
        return jnp.asarray(self._drawn(self._source(draw)).sites.variances)

    def parameters(self, draw: Array | Origin) -> Parameters:
        """Weights and biases of the one network that a draw is."""
        source = self._source(draw)
        step = self._step(source, AS_FUNCTION)
        self._outputs(source, None, step)
        return tuple(layer.parameters() for layer in step.drawn)


class _Hidden(NamedTuple):
    """The hidden layers of a draw, and the readout that comes next in this step.

    rows: what enters it. kernel: its K̂, given its scales; shift: what biases of a law of their own
    add.
    """

    step: LinearStep
    layers: tuple[LayerDraw, ...]
    readout: Linear
    rows: Float[Array, "p f"]
    kernel: Float[Array, "r r"]
    shift: Float[Array, " k"] | None

    def kernels(self) -> list[Float[Array, "r r"]]:
        """K̂ of each layer, the readout's last."""
        return [*(layer.gram() for layer in self.layers), self.kernel]

    def prior_outputs(self) -> Float[Array, "p k"]:
        """Outputs, drawn from the prior."""
        return self.step(self.readout, self.rows)

    def outputs(self, sites: gp.Sites) -> Float[Array, "p k"]:
        """Outputs given the sites, drawn in double whatever the precision of the features."""
        less = sites.less(self.shift)

        def condition(noise: Callable[[tuple[int, ...]], Array], factor: Array, g: Array) -> Array:
            return gp.condition_normals(noise(less.targets.shape), factor, g, less)

        return self.step.draw(self.readout, self.rows, jnp.float64, condition)
