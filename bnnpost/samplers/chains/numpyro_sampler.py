"""numpyro's NUTS and HMC: the one file that knows numpyro's samplers."""

import dataclasses
import math
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array
from numpyro import handlers, infer
from numpyro.infer import util

from bnnpost.arguments import LARGEST_STD, number_between, positive_integer
from bnnpost.posterior import Posterior
from bnnpost.samplers.chains import numpyro_model
from bnnpost.samplers.chains.kernel import Arrays, Info, Kernel, Normals, Number, Target, begin
from bnnpost.samplers.chains.rotation import Rotation

# Of 2^30 steps, which are counted in 32 bits.
_DEEPEST_TREE = 30
_METHODS = ("nuts", "hmc")
_INTEGRATORS = ("leapfrog", "rotation")
# Of HMC's trajectories: the time in which a standard normal forgets where it was.
_LENGTH = math.pi / 2


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
        trace = handlers.trace(handlers.seed(numpyro_model.describe, key))
        sites = trace.get_trace(*self._arguments)
        values = {
            name: site["value"]
            for name, site in sites.items()
            if site["type"] == "sample" and not site["is_observed"]
        }
        return dict(util.unconstrain_fn(numpyro_model.describe, self._arguments, {}, values))

    def log_density(self, position: Arrays) -> Array:
        return -util.potential_energy(numpyro_model.describe, self._arguments, {}, position)

    def given(self, position: Arrays) -> Arrays:
        values = util.constrain_fn(numpyro_model.describe, self._arguments, {}, position)
        return numpyro_model.as_given({name: values[name] for name in position})


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
