"""numpyro: a posterior as its model in weight space, and its NUTS and HMC as a kernel.

The one file that knows numpyro's samplers. The model has named sites for every layer.
"""

import dataclasses
import importlib
import math
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro
from jaxtyping import Array
from numpyro import distributions as laws
from numpyro import handlers, infer
from numpyro.infer import util

from bnnpost.arguments import LARGEST_STD, number_between, positive_integer
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
from bnnpost.samplers.kernels.kernel import Arrays, Info, Kernel, Normals, Number, Target, begin
from bnnpost.samplers.kernels.rotation import Rotation
from bnnpost.spaces.sources import NOISE_STD

# ArviZ 1 leaves a numpyro behind that loads when first used. `import numpyro.distributions` then
# runs that package twice, and this submodule, which `numpyro.factor` wants, is no longer in it.
numpyro.distributions.distribution = importlib.import_module("numpyro.distributions.distribution")

# Of 2^30 steps, which are counted in 32 bits.
_DEEPEST_TREE = 30
_METHODS = ("nuts", "hmc")
_INTEGRATORS = ("leapfrog", "rotation")
# Of HMC's trajectories: the time in which a standard normal forgets where it was.
_LENGTH = math.pi / 2
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


class Weights(Target):
    """All weights, biases, scales and noise, of numpyro's model, unconstrained."""

    posterior: Posterior
    double: bool = eqx.field(static=True)

    @property
    def x64(self) -> bool:
        return self.double

    @property
    def _arguments(self) -> tuple[object, ...]:
        return self.posterior, self.posterior.targets

    def prior(self, key: Array) -> Arrays:
        trace = handlers.trace(handlers.seed(describe, key))
        sites = trace.get_trace(*self._arguments)
        values = {
            name: site["value"]
            for name, site in sites.items()
            if site["type"] == "sample" and not site["is_observed"]
        }
        return dict(util.unconstrain_fn(describe, self._arguments, {}, values))

    def log_density(self, position: Arrays) -> Array:
        return -util.potential_energy(describe, self._arguments, {}, position)

    def given(self, position: Arrays) -> Arrays:
        values = util.constrain_fn(describe, self._arguments, {}, position)
        return as_given({name: values[name] for name in position})


def to_the_line(model: Callable[..., Any], sites: Arrays) -> Arrays:
    """The coordinates without limits that numpyro gives to the random sites of a model."""
    return dict(util.unconstrain_fn(model, (), {}, sites))


def from_the_line(model: Callable[..., Any], position: Arrays) -> Arrays:
    """The inverse; with what is deterministic besides."""
    return dict(util.constrain_fn(model, (), {}, position))


class Hamiltonian(Kernel):
    """NUTS (Hoffman and Gelman 2014) or HMC by numpyro, on weights or on standard normals.

    name: "nuts" or "hmc". integrator: of "hmc", "leapfrog" or "rotation" (see `Rotation`; the
    default where standard normals are moved). step_size: None to adapt it in warmup towards
    target_accept, of weights with a diagonal mass matrix. num_steps: of "hmc"; by default 3
    rotations, or leapfrog steps up to a length of π/2, of 2^max_tree_depth at most where the step
    size is adapted. Raises ValueError for what is none of these, or does not go together.
    """

    name: str = eqx.field(static=True, default="nuts")  # type: ignore[misc]
    integrator: str | None = eqx.field(static=True, default=None)
    step_size: float | None = eqx.field(static=True, default=None)
    target_accept: float = eqx.field(static=True, default=0.8)
    num_steps: int | None = eqx.field(static=True, default=None)
    max_tree_depth: int = eqx.field(static=True, default=10)
    num_warmup: int = eqx.field(static=True, default=0)
    on_weights: ClassVar[bool] = True
    gradients_per_step: ClassVar[int] = 1

    def __check_init__(self) -> None:
        if self.name not in _METHODS:
            raise ValueError(f"expected method to be {' or '.join(_METHODS)}, got {self.name!r}")
        if self.integrator not in (None, *_INTEGRATORS):
            raise ValueError(
                f"expected integrator to be {' or '.join(_INTEGRATORS)}, got {self.integrator!r}"
            )
        number_between("target_accept", self.target_accept, 0.0, 1.0)
        if self.step_size is not None:
            number_between("step_size", self.step_size, 0.0, LARGEST_STD)
        positive_integer("max_tree_depth", self.max_tree_depth, _DEEPEST_TREE)
        if self.num_steps is not None:
            positive_integer("num_steps", self.num_steps)
        if self.name == "nuts" and (self.integrator == "rotation" or self.num_steps is not None):
            raise ValueError(
                "NUTS takes leapfrog steps, as many as it finds it needs: for rotations or a "
                'number of steps use method="hmc"'
            )

    def prepared(self, target: Target, num_warmup: int) -> Kernel:
        of_normals = isinstance(target, Normals)
        if self.integrator == "rotation" and not of_normals:
            raise ValueError(
                'rotations need standard normals: use space="functions", or collapse=True'
            )
        if self.name == "hmc" and self.integrator != "leapfrog" and of_normals:
            steps = {} if self.num_steps is None else {"num_steps": self.num_steps}
            return Rotation(self.step_size, self.target_accept, **steps)
        return dataclasses.replace(self, integrator="leapfrog", num_warmup=num_warmup)

    def init(self, key: Array, target: Target) -> tuple[Any, Array]:
        start_key, own_key = jax.random.split(key)
        # Standard normals are moved in double precision, whatever their own.
        dtype = jnp.result_type(float)

        def draw(key: Array) -> Arrays:
            return {name: array.astype(dtype) for name, array in target.prior(key).items()}

        z, _ = begin(start_key, draw, target.log_density)
        state = self._begun(self._sampler(target), own_key, z)
        return state, -state.potential_energy

    def _sampler(self, target: Target) -> Any:
        common = {
            "potential_fn": lambda z: -target.log_density(z),
            "step_size": 1.0 if self.step_size is None else self.step_size,
            "adapt_step_size": self.step_size is None,
            "adapt_mass_matrix": not isinstance(target, Normals),
            "target_accept_prob": self.target_accept,
        }
        if self.name == "nuts":
            return infer.NUTS(**common, max_tree_depth=self.max_tree_depth)
        length = _LENGTH if self.num_steps is None else None
        return infer.HMC(**common, num_steps=self.num_steps, trajectory_length=length)

    def _begun(self, sampler: Any, key: Array, z: Arrays) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return sampler.init(key, self.num_warmup, init_params=z)

    def step(self, key: Array, state: Any, target: Target, adapting: Array) -> tuple[Any, Info]:
        del adapting
        adapted = state.adapt_state._replace(step_size=self.tuned(state))
        sampler = self._sampler(target)
        # A sampler learns its schedule from init; what that computes is not used.
        self._begun(sampler, key, state.z)
        state = sampler.sample(state._replace(adapt_state=adapted, rng_key=key), (), {})
        whole = jnp.result_type(int)
        info = {
            "lp": -state.potential_energy,
            "acceptance_rate": state.accept_prob,
            "n_steps": jnp.asarray(state.num_steps, whole),
            "diverging": state.diverging,
            "energy": state.energy,
            "step_size": self.tuned(state),
        }
        if self.name == "nuts":
            info["tree_depth"] = jnp.log2(state.num_steps).astype(whole) + 1
        return state, info

    def position(self, state: Any) -> Arrays:
        return dict(state.z)

    def tuned(self, state: Any) -> Number:
        """If adapted, not so small that HMC takes more steps than the deepest tree of NUTS."""
        step_size = state.adapt_state.step_size
        given = self.step_size is not None or self.num_steps is not None
        if self.name == "nuts" or given:
            return step_size
        return jnp.maximum(step_size, _LENGTH / 2**self.max_tree_depth)
