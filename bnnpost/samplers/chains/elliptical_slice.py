"""Elliptical slice sampling in function space."""

import math
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bnnpost.draws import Draws
from bnnpost.numerics.random import exponential
from bnnpost.posterior import Posterior
from bnnpost.samplers.chains import entry
from bnnpost.samplers.chains.kernel import (
    Arrays,
    Info,
    Kernel,
    Normals,
    State,
    chosen,
    fresh,
    rotated,
    square,
    started,
)

# Brackets are then narrower than 2π·0.5^100 of a turn, all but surely.
_MOST_EVALUATIONS = 200


class _Bracket(NamedTuple):
    """What is left of the ellipse, around the state at 0, and the last point of it looked at.

    undefined: whether the weight was, at any point looked at.
    """

    low: Float[Array, ""]
    high: Float[Array, ""]
    position: Arrays
    log_weight: Float[Array, ""]
    evaluations: Array
    undefined: Bool[Array, ""]


class SliceKeys(NamedTuple):
    """Of the prior draw that an ellipse goes through, of the level, and of the angles."""

    normal: Array
    level: Array
    angle: Array

    def share(self, number: Array) -> Float[Array, ""]:
        """Where in the bracket the angle of this number is."""
        return jax.random.uniform(jax.random.fold_in(self.angle, number), (), jnp.float64)

    def first_angle(self) -> Float[Array, ""]:
        """In [0, 2π)."""
        return 2 * math.pi * self.share(jnp.zeros((), jnp.int64))


class EllipticalSlice(Kernel):
    """g′ on an ellipse through g, the bracket of angles shrunk until the weight is above a level.

    Murray, Adams and MacKay (2010), figure 2; there is nothing to tune. n_steps counts
    evaluations of the weight.
    """

    name: ClassVar[str] = "slice"
    # It only leaves the start behind.
    default_warmup: ClassVar[int] = 100

    def init(self, key: Array, target: Normals) -> tuple[State, Array]:
        return started(key, target, lambda position: ())

    def step(
        self, key: Array, state: State, target: Normals, adapting: Array
    ) -> tuple[State, Info]:
        del adapting
        keys = self.keys(key)
        return self.along(keys, state, target, fresh(keys.normal, state.position))

    def keys(self, key: Array) -> "SliceKeys":
        """What a transition's key is made of."""
        return SliceKeys(*jax.random.split(key, 3))

    def along(
        self, keys: "SliceKeys", state: State, target: Normals, other: Arrays
    ) -> tuple[State, Info]:
        """The state after a transition on the ellipse through `other`, and numbers of it."""
        level = state.log_weight - exponential(keys.level)

        def below(carry: _Bracket) -> Array:
            # Once nothing is left of the bracket the state stays; rounding can lead there.
            return ~(carry.log_weight >= level) & (carry.evaluations < _MOST_EVALUATIONS)

        def shrink(carry: _Bracket) -> _Bracket:
            angle = carry.low + (carry.high - carry.low) * keys.share(carry.evaluations)
            position, _ = rotated(state.position, other, angle)
            # The first bracket is the whole ellipse, and breaks at the first angle.
            low = jnp.where(carry.evaluations == 0, angle - 2 * math.pi, carry.low)
            negative = angle < 0
            low, high = jnp.where(negative, angle, low), jnp.where(negative, carry.high, angle)
            log_weight, undefined = target.weighed(position)
            undefined = carry.undefined | undefined
            return _Bracket(low, high, position, log_weight, carry.evaluations + 1, undefined)

        nothing, whole = jnp.zeros((), jnp.float64), jnp.full((), 2 * math.pi, jnp.float64)
        none, well = jnp.zeros((), jnp.int64), jnp.zeros((), bool)
        first = _Bracket(nothing, whole, state.position, nothing - jnp.inf, none, well)
        last = jax.lax.while_loop(below, shrink, first)
        position, log_weight = chosen(
            last.log_weight >= level,
            (last.position, last.log_weight),
            (state.position, state.log_weight),
        )
        info = {
            "lp": log_weight - 0.5 * square(position),
            "acceptance_rate": 1 / last.evaluations.astype(jnp.float64),
            "n_steps": last.evaluations,
            "diverging": last.undefined,
        }
        return State(position, log_weight, ()), info


def sample(key: Array, posterior: Posterior, **options: Any) -> Draws:
    """Chains by elliptical slice sampling of the standard normals behind the functions.

    Each step goes to a random point, whose weight is above a random level, of an ellipse through
    the state and a fresh prior draw (Murray, Adams and MacKay 2010); nothing is tuned, warmup (of
    100 by default) only leaves the start behind. options, draws and errors as in `chains.sample`.
    """
    return entry.sample(key, posterior, EllipticalSlice(), **options)
