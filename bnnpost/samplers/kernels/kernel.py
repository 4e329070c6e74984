"""What moves a Markov chain: how it begins, one transition, and how two chains are coupled.

A kernel leaves the posterior as it is, exactly; how fast it moves is another matter. Coupled, it
moves two chains at once, each by its own law, so that they may meet and then stay together.
"""

import abc
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from bnnpost.arguments import number_between
from bnnpost.spaces.sources import Origin
from bnnpost.spaces.space import Space

Arrays: TypeAlias = dict[str, Array]
# Numbers that go with a transition, by ArviZ's names.
Info: TypeAlias = dict[str, Array]
# A number that is a leaf: traced, or not yet.
Number: TypeAlias = Any
# Prior draws tried for a start before there is said to be none.
START_TRIES = 100
# Of a kernel in plain data: the name of its class.
KIND = "kind"
# Hoffman and Gelman (2014), section 3.2.
_SHRINKAGE, _OFFSET, _FORGETTING = 0.05, 10.0, 0.75
# The largest angle of a step: an independent draw, where the weight is constant.
QUARTER_TURN = math.pi / 2


class Target(eqx.Module):
    """A posterior as a density on named arrays, which chains move."""

    @property
    def x64(self) -> bool:
        """Under which flag of JAX's chains run on it."""
        return True

    @abc.abstractmethod
    def prior(self, key: Array) -> Arrays:
        """A prior draw."""

    @abc.abstractmethod
    def log_density(self, position: Arrays) -> Float[Array, ""]:
        """Its log, in nats, without constants."""

    @abc.abstractmethod
    def given(self, position: Arrays) -> Arrays:
        """What a draw is, beyond its key: the arrays of an `Origin`."""


class Normals(Target):
    """The standard normals that a draw's log weight depends on: any prior, any likelihood.

    With the readout integrated out where that can be. space: of weights without a bound; any other
    normals (a collapsed readout's, say) are drawn afresh for each draw. dtypes: by name.
    """

    space: Space
    dtypes: tuple[tuple[str, Any], ...] = eqx.field(static=True)

    @classmethod
    def of(cls, space: Space) -> "Normals":
        """Raises NotImplementedError for a prior that has no map from standard normals."""
        with jax.enable_x64(True):
            shapes = jax.eval_shape(space.normals, jax.random.key(0))
        return cls(space, tuple((name, shape.dtype) for name, shape in sorted(shapes.items())))

    def prior(self, key: Array) -> Arrays:
        return self.space.normals(key)

    def given(self, position: Arrays) -> Arrays:
        return {name: position[name].astype(dtype) for name, dtype in self.dtypes}

    def log_density(self, position: Arrays) -> Array:
        # All that is random about the weight is given: no number comes from this key.
        origin = Origin(jax.random.key(0), self.given(position))
        return self.space.log_weight(origin) - 0.5 * square(position)

    def log_weight(self, position: Arrays) -> Float[Array, ""]:
        """Log density over that of standard normals, in nats; −∞ where it is no finite number."""
        return self.weighed(position)[0]

    def weighed(self, position: Arrays) -> tuple[Float[Array, ""], Bool[Array, ""]]:
        """The same, and whether it is undefined: NaN, or +∞."""
        found = self.space.log_weight(Origin(jax.random.key(0), position))
        return jnp.where(jnp.isfinite(found), found, -jnp.inf), ~(found < jnp.inf)


class State(NamedTuple):
    """Where a chain is, by name; its log weight, in nats; what is adapted."""

    position: Arrays
    log_weight: Float[Array, ""]
    tuning: Any


class Coupling(NamedTuple):
    """How a kernel is coupled: plain kernels, which find its steps, and what moves pairs by these.

    plains: each with its `step_size`, or one that is to be found; moved_by: makes the `Paired`
    kernel of their steps, NaN for a plain kernel that has none. cost: of a step of one chain,
    about, in evaluations of the weight. by_luck: it finds what prior draws hit, and may be tried
    where these reach all of the posterior.
    """

    plains: "tuple[Kernel, ...]"
    moved_by: "Callable[..., Paired]"
    cost: int = 1
    by_luck: bool = False


class Kernel(eqx.Module):
    """One transition of a chain; its fields are its settings, the numbers among them leaves.

    A kernel of your own states its `name`, `init` and `step`, and what else it has: a step size
    that it adapts (`tuned`), gradients that it takes in each of its steps, a `coupling`.
    A state is any tree of arrays, where the chain is in its `position`.
    """

    name: eqx.AbstractClassVar[str]
    # Whether, where all weights are drawn, it moves these and not the standard normals of a space.
    on_weights: ClassVar[bool] = False
    # Transitions of warmup, unless another number is asked for.
    default_warmup: ClassVar[int] = 1000
    # Of the log density, in each of `n_steps`.
    gradients_per_step: ClassVar[int] = 0

    def prepared(self, target: Target, num_warmup: int) -> "Kernel":
        """The kernel for chains on this target, of so much warmup: itself, if all are alike."""
        del target, num_warmup
        return self

    @abc.abstractmethod
    def init(self, key: Array, target: Any) -> tuple[Any, Float[Array, ""]]:
        """A state to start from and its log density, NaN or −∞ if there is none; see `begin`."""

    @abc.abstractmethod
    def step(self, key: Array, state: Any, target: Any, adapting: Array) -> tuple[Any, Info]:
        """The state after a transition, and numbers that go with it, by ArviZ's names.

        adapting: whether it is one of warmup. "lp" must be among the numbers (the log density);
        "n_steps" (evaluations of the density), "acceptance_rate" and "diverging" are summed up.
        """

    def position(self, state: Any) -> Arrays:
        """Where the chain is."""
        found: Arrays = state.position
        return found

    def tuned(self, state: Any) -> Number:
        """The step size that warmup has come to; NaN where there is none."""
        del state
        return jnp.full((), jnp.nan)

    def coupling(self) -> Coupling:
        """How two chains are moved by it. Raises ValueError for a kernel that is not coupled."""
        raise ValueError(
            "pairs of chains are moved by pcn, by elliptical slices, by hmc with rotations, in a "
            "space of standard normals, or by a kernel with a coupling of its own; got "
            f"{self.name} ({type(self).__name__}), which is not coupled"
        )

    @classmethod
    def tried(cls) -> "Sequence[Kernel]":
        """Of this kind, what pairs try where it is asked for by name alone, the cheapest first."""
        return [cls()]


class Moved(NamedTuple):
    """A pair after a step, whether it is now one, X's acceptance, evaluations of the weight."""

    pair: Any
    met: Bool[Array, ""]
    acceptance: Float[Array, ""]
    evaluations: Array


class Paired(Kernel):
    """A plain kernel of standard normals that moves pairs as well. Nothing is adapted.

    One of your own is kept in a run's directory by the name of its class and by its fields, which
    are numbers, words or kernels.
    """

    @abc.abstractmethod
    def at(self, target: Normals, position: Arrays) -> Any:
        """The state of a chain that is there."""

    @abc.abstractmethod
    def moved(self, key: Array, pair: Any, target: Normals, count: Array) -> Moved:
        """The first of two chains one step further, or where count is 2 both. pair: [2, …].

        Each as by `step`, the first with this key, and with the very numbers that it would have.
        """

    @abc.abstractmethod
    def settings(self) -> dict[str, Any]:
        """Its numbers, by the names that `CoupledInfo` has for them (step_size, say), if any."""

    def coupling(self) -> Coupling:
        """Itself."""
        return Coupling((), lambda: self)


class PairedPlain(Paired):
    """A plain kernel as it is, with what moves pairs by it."""

    plain: eqx.AbstractVar[Kernel]

    def init(self, key: Array, target: Normals) -> tuple[Any, Array]:
        return self.plain.init(key, target)

    def step(self, key: Array, state: Any, target: Normals, adapting: Array) -> tuple[Any, Info]:
        return self.plain.step(key, state, target, adapting)

    def tuned(self, state: Any) -> Number:
        return self.plain.tuned(state)


def plain_kernel(kernel: Kernel, *, with_kinds: bool = True) -> dict[str, object]:
    """The fields of a kernel by name, in plain data, as JSON can hold it: NaN is None.

    Of kernels among them their fields, of arrays lists, of what is none of these its type's name.
    with_kinds: and the name of each kernel's class.
    """

    def plain(value: Any) -> object:
        if isinstance(value, Kernel):
            return plain_kernel(value, with_kinds=with_kinds)
        if isinstance(value, np.ndarray | np.generic | jax.Array):
            value = np.asarray(value).tolist()
        if isinstance(value, float) and math.isnan(value):
            return None
        is_plain = isinstance(value, bool | int | float | str | list | None)
        return value if is_plain else type(value).__name__

    fields = {one.name: plain(getattr(kernel, one.name)) for one in dataclasses.fields(kernel)}
    return {KIND: type(kernel).__name__, **fields} if with_kinds else fields


class StepSize(NamedTuple):
    """Dual averaging (Hoffman and Gelman 2014, algorithm 5) on the log of a step size.

    centre: what it is drawn to; error: mean of target − acceptance; averaged: the result.
    """

    log_step: Float[Array, ""]
    averaged: Float[Array, ""]
    centre: Float[Array, ""]
    error: Float[Array, ""]
    updates: Float[Array, ""]

    @classmethod
    def start(cls, step: Array | float) -> "StepSize":
        """From a first guess."""
        log_step = jnp.log(jnp.asarray(step, jnp.float64))
        zero = jnp.zeros((), jnp.float64)
        return cls(log_step, log_step, log_step + math.log(2.0), zero, zero)

    def updated(self, acceptance: Array, target: Array, most: Array | float) -> "StepSize":
        """After one more transition with this acceptance probability; never above `most`."""
        updates = self.updates + 1
        share = 1 / (updates + _OFFSET)
        error = (1 - share) * self.error + share * (target - acceptance)
        log_step = self.centre - jnp.sqrt(updates) / _SHRINKAGE * error
        log_step = jnp.minimum(log_step, jnp.log(most))
        weight = updates**-_FORGETTING
        averaged = weight * log_step + (1 - weight) * self.averaged
        return StepSize(log_step, averaged, self.centre, error, updates)

    def value(self, adapting: Array) -> Float[Array, ""]:
        """The step size to use: the last one while adapting, then the average."""
        return jnp.exp(jnp.where(adapting, self.log_step, self.averaged))


def begin(
    key: Array, draw: Callable[[Array], Arrays], value: Callable[[Arrays], Array]
) -> tuple[Arrays, Float[Array, ""]]:
    """A draw whose value (a log density or weight) is finite; the last of 100 if there is none."""

    def missing(carry: tuple[Array, Arrays, Array]) -> Array:
        return ~jnp.isfinite(carry[2]) & (carry[0] < START_TRIES)

    def again(carry: tuple[Array, Arrays, Array]) -> tuple[Array, Arrays, Array]:
        position = draw(jax.random.fold_in(key, carry[0]))
        return carry[0] + 1, position, value(position)

    shapes = jax.eval_shape(draw, key)
    none = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    nothing = jnp.full((), -jnp.inf, jax.eval_shape(value, shapes).dtype)
    _, position, found = jax.lax.while_loop(missing, again, (jnp.uint32(0), none, nothing))
    return position, found


def started(key: Array, target: Normals, tuning: Callable[[Arrays], Any]) -> tuple[State, Array]:
    """The `init` of kernels that move standard normals; tuning: what they adapt, at a position."""
    position, log_weight = begin(key, target.prior, target.log_weight)
    return State(position, log_weight, tuning(position)), log_weight - 0.5 * square(position)


def number(name: str, largest: float) -> Callable[[Any], np.float64]:
    """A converter for a setting above 0 and at most `largest`."""
    return lambda value: np.float64(number_between(name, value, 0.0, largest))


def number_or_none(name: str, largest: float) -> Callable[[Any], np.float64]:
    """The same, NaN for None."""
    return lambda value: np.float64(math.nan) if value is None else number(name, largest)(value)


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


def chosen(condition: Array, yes: Any, no: Any) -> Any:
    """One of two trees of arrays."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
