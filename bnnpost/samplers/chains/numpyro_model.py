"""A posterior as a numpyro model in weight space: named sites for every layer."""

import importlib
from typing import Any

import jax.numpy as jnp
import numpyro
from jaxtyping import Array
from numpyro import distributions as laws

from bnnpost.likelihoods import Likelihood
from bnnpost.networks.layers import Affine
from bnnpost.networks.linear import Linear
from bnnpost.networks.priors import (
    IndependentEntries,
    Scale,
    StandardNormals,
    WeightPrior,
    standard,
)
from bnnpost.posterior import Posterior
from bnnpost.spaces.sources import NOISE_STD

# ArviZ 1 leaves a numpyro behind that loads when first used. `import numpyro.distributions` then
# runs that package twice, and this submodule, which `numpyro.factor` wants, is no longer in it.
numpyro.distributions.distribution = importlib.import_module("numpyro.distributions.distribution")

# Sites that hold the square of what a layer, or the noise, has.
_STD, _VARIANCE = "_std", "_var"


def describe(posterior: Posterior, y: Array | None) -> None:
    """The model of `hmc.model`, with the posterior as an argument that may be traced.

    y [n, target]: observed, or None to draw it.
    """
    met: list[Linear] = []
    shared: dict[str, Array] = {}

    def step(layer: Linear, rows: Array) -> Array:
        name, fan_in = f"layer{len(met)}", rows.shape[-1]
        met.append(layer)
        parameters = Affine(
            _parameters(f"{name}.weights", layer.priors.weights, (fan_in, layer.width)),
            _parameters(f"{name}.biases", layer.priors.biases, (layer.width,))
            if layer.has_bias
            else None,
            _scale(f"{name}.w_std", layer.w_std, fan_in, shared),
            _scale(f"{name}.b_std", layer.b_std, 1, shared),
        )
        return layer.outputs(parameters, rows)

    outputs = posterior.network.propagate(jnp.asarray(posterior.x, jnp.result_type(float)), step)
    numpyro.deterministic("f", outputs)
    _observe(posterior, outputs, y)


def _parameters(name: str, prior: WeightPrior | None, shape: tuple[int, ...]) -> Array:
    law = standard(prior)
    if not law.random:
        return law.sample(jnp.zeros(()), shape, jnp.result_type(float))
    return numpyro.sample(name, entries(law, shape))


def entries(prior: WeightPrior, shape: tuple[int, ...]) -> laws.Distribution:
    """The law of a whole array of parameters, for numpyro."""
    if isinstance(prior, StandardNormals):
        return laws.Normal(0.0, 1.0).expand(shape).to_event(len(shape))
    if isinstance(prior, IndependentEntries):
        return prior.law.expand(shape).to_event(len(shape))
    return _Own(prior, shape)


class _Own(laws.Distribution):
    """A prior of the user's own."""

    pytree_data_fields = ("prior",)

    def __init__(self, prior: WeightPrior, shape: tuple[int, ...]):
        self.prior = prior
        super().__init__(event_shape=shape, validate_args=False)

    @laws.constraints.dependent_property
    def support(self) -> Any:
        return laws.constraints.independent(laws.constraints.real, len(self.event_shape))

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        assert sample_shape == ()
        return self.prior.sample(key, self.event_shape, jnp.result_type(float))

    def log_prob(self, value: Array) -> Array:
        return self.prior.log_prob(value)


def _scale(name: str, scale: Any, fan_in: int, shared: dict[str, Array]) -> Array | None:
    """Of one layer; those that layers share are in `shared` by their label, one site for all."""
    if not isinstance(scale, Scale):
        return None
    label, shape = scale.label(name), scale.shape(fan_in)
    if label not in shared:
        site = f"{label.removesuffix(_STD)}{_VARIANCE}" if scale.of_variance else label
        law = scale.law.expand(shape).to_event(len(shape))
        shared[label] = scale.std(numpyro.sample(site, law))
    return shared[label]


def _observe(posterior: Posterior, outputs: Array, y: Array | None) -> None:
    likelihood, targets = posterior.likelihood, None if y is None else jnp.asarray(y, outputs.dtype)
    if likelihood.known_std is not None:
        law = laws.Normal(outputs, jnp.asarray(likelihood.known_std, outputs.dtype)).to_event(2)
    elif likelihood.noise_site is not None:
        law = laws.Normal(outputs, _noise_std(*likelihood.noise_site)).to_event(2)
    else:
        law = _Observations(likelihood, outputs, posterior.targets.shape)
    numpyro.sample("y", law, obs=targets)


class _Observations(laws.Distribution):
    """Targets [n, target] given outputs [n, k], as a likelihood has them."""

    pytree_data_fields = ("likelihood", "outputs")

    def __init__(self, likelihood: Likelihood, outputs: Array, shape: tuple[int, ...]):
        self.likelihood, self.outputs = likelihood, outputs
        super().__init__(event_shape=shape, validate_args=False)

    @laws.constraints.dependent_property
    def support(self) -> Any:
        numbers = self.likelihood.target_kind == "numbers"
        one = laws.constraints.real if numbers else laws.constraints.nonnegative_integer
        return laws.constraints.independent(one, 2)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        assert sample_shape == ()
        return self.likelihood.sample(key, self.outputs)

    def log_prob(self, value: Array) -> Array:
        return self.likelihood.log_prob(self.outputs, value)


def _noise_std(name: str, law: Any) -> Array:
    drawn = numpyro.sample(name, law)
    return drawn if name == NOISE_STD else jnp.sqrt(drawn)


def as_given(sites: dict[str, Array]) -> dict[str, Array]:
    """Values of the random sites, by the names that an `Origin` gives them."""
    found = {}
    for name, value in sites.items():
        if name.endswith(_VARIANCE):
            name, value = f"{name.removesuffix(_VARIANCE)}_std", jnp.sqrt(value)
        found[name] = value
    return found
