"""What every Markov chain sampler is made of: a state, one transition, and what is kept of it.

A kernel leaves the posterior as it is, exactly; how fast it moves is another matter. The
kernels here move standard normals whose density is multiplied by exp(log_weight): any prior
and any likelihood, with the readout integrated out where that can be.
"""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bnnpost.spaces.sources import Origin
from bnnpost.spaces.space import Space

Arrays = dict[str, Array]
# A number that is a leaf: traced, or not yet.
Number: TypeAlias = Any
# Prior draws tried for a start before there is said to be none.
START_TRIES = 100


class Kernel(eqx.Module):
    """One transition of a chain. Its numbers are leaves.

    num_warmup: transitions in which it may adapt itself, the first ones.
    """

    name: eqx.AbstractClassVar[str]
    num_warmup: eqx.AbstractVar[Number]

    @abc.abstractmethod
    def init(self, key: Array) -> Any:
        """A state to start from."""

    @abc.abstractmethod
    def alive(self, state: Any) -> Array:
        """Whether the posterior has a density that is positive and finite at this state."""

    @abc.abstractmethod
    def step(self, key: Array, state: Any, number: Array) -> Any:
        """The state after the transition of this number; `key` is for it alone."""

    @abc.abstractmethod
    def given(self, state: Any) -> Arrays:
        """What a draw is, beyond its key: the arrays of an `Origin`."""

    @abc.abstractmethod
    def stats(self, state: Any) -> Arrays:
        """Numbers that go with a draw, by ArviZ's names; `n_steps` and `diverging` among them."""

    def tuned(self, state: Any) -> Array:
        """The step size that warmup has come to; NaN where there is none."""
        del state
        return jnp.full((), jnp.nan)

    @property
    def x64(self) -> bool:
        """Under which flag of JAX's it runs."""
        return True

    @property
    def gradients_per_step(self) -> int:
        """Gradients of the log density in each of `n_steps`."""
        return 0


class State(NamedTuple):
    """normals, by name; their log weight, in nats; what is adapted; numbers of the last step."""

    normals: Arrays
    log_weight: Float[Array, ""]
    tuning: Any
    stats: Arrays


class NormalsKernel(Kernel):
    """A kernel on the standard normals that a draw's log weight depends on.

    space: of weights without a bound; any other normals (a collapsed readout's, say) are drawn
    afresh for each draw. num_warmup: an array leaf.
    """

    space: eqx.AbstractVar[Space]

    @abc.abstractmethod
    def start(self, normals: Arrays) -> Any:
        """What is adapted, before the first step."""

    def init(self, key: Array) -> State:
        """A prior draw of positive weight; of weight 0 if there is none in 100."""

        def missing(carry: tuple[Array, Arrays, Array]) -> Array:
            tries, _, log_weight = carry
            return ~(log_weight > -jnp.inf) & (tries < START_TRIES)

        def again(carry: tuple[Array, Arrays, Array]) -> tuple[Array, Arrays, Array]:
            normals = self.space.normals(jax.random.fold_in(key, carry[0]))
            return carry[0] + 1, normals, self.log_weight(normals)

        shapes = jax.eval_shape(self.space.normals, key)
        none = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
        first = (jnp.zeros((), jnp.uint32), none, jnp.full((), -jnp.inf, jnp.float64))
        _, normals, log_weight = jax.lax.while_loop(missing, again, first)
        stats = {**self._no_stats(), "lp": log_weight - 0.5 * square(normals)}
        return State(normals, log_weight, self.start(normals), stats)

    def alive(self, state: State) -> Array:
        return jnp.isfinite(state.log_weight)

    def log_weight(self, normals: Arrays) -> Float[Array, ""]:
        """log weight in nats, −∞ where it is no finite number."""
        return self.weighed(normals)[0]

    def weighed(self, normals: Arrays) -> tuple[Float[Array, ""], Bool[Array, ""]]:
        """The same, and whether it is undefined: NaN, or +∞."""
        # All that is random about the weight is given: no number comes from this key.
        found = self.space.log_weight(Origin(jax.random.key(0), normals))
        return jnp.where(jnp.isfinite(found), found, -jnp.inf), ~(found < jnp.inf)

    def log_density(self, normals: Arrays) -> Float[Array, ""]:
        """log weight plus log density of the normals, without constants, in nats."""
        return self.log_weight(normals) - 0.5 * square(normals)

    def _no_stats(self) -> Arrays:
        return {
            "lp": jnp.zeros((), jnp.float64),
            "acceptance_rate": jnp.zeros((), jnp.float64),
            "n_steps": jnp.zeros((), jnp.int64),
            "diverging": jnp.zeros((), bool),
        }

    def given(self, state: State) -> Arrays:
        return state.normals

    def stats(self, state: State) -> Arrays:
        return state.stats


def fresh(key: Array, like: Arrays) -> Arrays:
    """Standard normals of the same names, shapes and dtypes."""
    keys = jax.random.split(key, len(like))
    return {
        name: jax.random.normal(one, array.shape, array.dtype)
        for one, (name, array) in zip(keys, sorted(like.items()), strict=True)
    }


def combined(function: Callable[[Array, Array], Array], a: Arrays, b: Arrays) -> Arrays:
    """`function` of two sets of arrays, name by name, in the dtype of the first."""
    return {name: function(a[name], b[name]).astype(a[name].dtype) for name in a}


def rotated(a: Arrays, b: Arrays, angle: Array) -> tuple[Arrays, Arrays]:
    """(a cos θ + b sin θ, b cos θ − a sin θ): standard normals stay standard normals."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return (
        combined(lambda x, y: cos * x + sin * y, a, b),
        combined(lambda x, y: cos * x - sin * y, b, a),
    )


def square(arrays: Arrays) -> Float[Array, ""]:
    """Σ g² over all of them, in double precision."""
    return sum(
        (jnp.sum(array.astype(jnp.float64) ** 2) for array in arrays.values()),
        jnp.zeros((), jnp.float64),
    )
