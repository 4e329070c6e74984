"""numpyro's NUTS and HMC as kernels: the one file that knows numpyro's samplers."""

import abc
import math
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpyro import handlers, infer
from numpyro.infer import util

from bnnpost.posterior import Posterior
from bnnpost.samplers import numpyro_model
from bnnpost.samplers.kernels import START_TRIES, Arrays, Kernel, Number, square
from bnnpost.spaces.sources import Origin
from bnnpost.spaces.space import Space

# Of HMC's trajectories: the time in which a standard normal forgets where it was.
_LENGTH = math.pi / 2


class Density(eqx.Module):
    """A density on unconstrained arrays, and the draws that they stand for."""

    @abc.abstractmethod
    def start(self, key: Array) -> Arrays:
        """A prior draw."""

    @abc.abstractmethod
    def potential(self, z: Arrays) -> Float[Array, ""]:
        """Minus its log, in nats, without constants."""

    @abc.abstractmethod
    def given(self, z: Arrays) -> Arrays:
        """What a draw is, beyond its key."""


class WeightDensity(Density):
    """All weights, biases, scales and noise, of numpyro's model."""

    posterior: Posterior

    def start(self, key: Array) -> Arrays:
        trace = handlers.trace(handlers.seed(numpyro_model.describe, key))
        sites = trace.get_trace(self.posterior)
        values = {
            name: site["value"]
            for name, site in sites.items()
            if site["type"] == "sample" and not site["is_observed"]
        }
        return dict(util.unconstrain_fn(numpyro_model.describe, (self.posterior,), {}, values))

    def potential(self, z: Arrays) -> Array:
        return util.potential_energy(numpyro_model.describe, (self.posterior,), {}, z)

    def given(self, z: Arrays) -> Arrays:
        values = util.constrain_fn(numpyro_model.describe, (self.posterior,), {}, z)
        return numpyro_model.as_given({name: values[name] for name in z})


class NormalsDensity(Density):
    """The standard normals of a space, in double precision whatever that of the features."""

    space: Space

    def start(self, key: Array) -> Arrays:
        return {name: a.astype(jnp.float64) for name, a in self.space.normals(key).items()}

    def potential(self, z: Arrays) -> Array:
        log_weight = self.space.log_weight(Origin(jax.random.key(0), self.given(z)))
        return 0.5 * square(z) - log_weight

    def given(self, z: Arrays) -> Arrays:
        like = jax.eval_shape(self.space.normals, jax.random.key(0))
        return {name: array.astype(like[name].dtype) for name, array in z.items()}


class Hamiltonian(Kernel):
    """NUTS (Hoffman and Gelman 2014) or HMC with plain leapfrog steps, by numpyro.

    name: "nuts" or "hmc". step_size: None to adapt it. num_steps: of HMC; else trajectories of
    length π/2, of 2^max_tree_depth steps at most where the step size is adapted. mass: whether
    warmup adapts a diagonal mass matrix.
    """

    density: Density
    name: str = eqx.field(static=True)  # type: ignore[misc]
    num_warmup: int = eqx.field(static=True)
    double: bool = eqx.field(static=True)
    step_size: float | None = eqx.field(static=True)
    target: float = eqx.field(static=True)
    num_steps: int | None = eqx.field(static=True)
    max_tree_depth: int = eqx.field(static=True)
    mass: bool = eqx.field(static=True)

    @property
    def x64(self) -> bool:
        return self.double

    @property
    def gradients_per_step(self) -> int:
        return 1

    def _sampler(self) -> Any:
        common = {
            "potential_fn": self.density.potential,
            "step_size": 1.0 if self.step_size is None else self.step_size,
            "adapt_step_size": self.step_size is None,
            "adapt_mass_matrix": self.mass,
            "target_accept_prob": self.target,
        }
        if self.name == "nuts":
            return infer.NUTS(**common, max_tree_depth=self.max_tree_depth)
        length = _LENGTH if self.num_steps is None else None
        return infer.HMC(**common, num_steps=self.num_steps, trajectory_length=length)

    def init(self, key: Array) -> Any:
        start_key, own_key = jax.random.split(key)

        def missing(carry: tuple[Array, Arrays, Array]) -> Array:
            tries, _, potential = carry
            return ~(potential < jnp.inf) & (tries < START_TRIES)

        def again(carry: tuple[Array, Arrays, Array]) -> tuple[Array, Arrays, Array]:
            z = self.density.start(jax.random.fold_in(start_key, carry[0]))
            return carry[0] + 1, z, self.density.potential(z)

        first = again((jnp.zeros((), jnp.uint32), {}, jnp.zeros(())))
        _, z, _ = jax.lax.while_loop(missing, again, first)
        return self._begun(self._sampler(), own_key, z)

    def _begun(self, sampler: Any, key: Array, z: Arrays) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return sampler.init(key, self.num_warmup, init_params=z)

    def alive(self, state: Any) -> Array:
        return jnp.isfinite(state.potential_energy)

    def step(self, key: Array, state: Any, number: Array) -> Any:
        del number
        adapted = state.adapt_state._replace(step_size=self.tuned(state))
        state = state._replace(adapt_state=adapted)
        sampler = self._sampler()
        # A sampler learns its schedule from init; what that computes is not used.
        self._begun(sampler, key, state.z)
        return sampler.sample(state._replace(rng_key=key), (), {})

    def given(self, state: Any) -> Arrays:
        return self.density.given(state.z)

    def stats(self, state: Any) -> Arrays:
        whole = jnp.result_type(int)
        stats = {
            "lp": -state.potential_energy,
            "acceptance_rate": state.accept_prob,
            "n_steps": jnp.asarray(state.num_steps, whole),
            "diverging": state.diverging,
            "energy": state.energy,
            "step_size": self.tuned(state),
        }
        if self.name == "nuts":
            stats["tree_depth"] = jnp.log2(state.num_steps).astype(whole) + 1
        return stats

    def tuned(self, state: Any) -> Number:
        """If adapted, not so small that HMC takes more steps than the deepest tree of NUTS."""
        step_size = state.adapt_state.step_size
        given = self.step_size is not None or self.num_steps is not None
        if self.name == "nuts" or given:
            return step_size
        return jnp.maximum(step_size, _LENGTH / 2**self.max_tree_depth)
