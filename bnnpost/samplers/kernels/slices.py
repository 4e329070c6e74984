"""Elliptical slice sampling in function space, for one chain or two."""

import math
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bnnpost.numerics.random import exponential
from bnnpost.samplers.kernels.kernel import (
    Arrays,
    Coupling,
    Info,
    Kernel,
    Moved,
    Normals,
    PairedPlain,
    State,
    chosen,
    fresh,
    rotated,
    square,
    started,
)
from bnnpost.samplers.kernels.pairing import apart, each, halves, other_noise

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

    def coupling(self) -> Coupling:
        return Coupling((self,), lambda _: PairedSlice(EllipticalSlice()))


class PairedSlice(PairedPlain):
    """Elliptical slice sampling: a common level and angles, ellipses that may cross.

    Where both chains take the first angle, their ellipses can cross there: the second prior draw
    is the first one, shifted, by reflection and maximal coupling.
    """

    plain: EllipticalSlice
    name: ClassVar[str] = "slice"

    def settings(self) -> dict[str, Any]:
        return {}

    def at(self, target: Normals, position: Arrays) -> State:
        return State(position, target.log_weight(position), ())

    def moved(self, key: Array, pair: State, target: Normals, count: Array) -> Moved:
        keys = self.plain.keys(key)
        x, y = halves(pair.position)
        noise = fresh(keys.normal, x)
        other, same = other_noise(key, apart(x, y, 1 / jnp.tan(keys.first_angle())), noise)
        noises = {name: jnp.stack([noise[name], other[name]]) for name in noise}

        def sliced(one: State, noise: Arrays) -> tuple[State, Array]:
            after, info = self.plain.along(keys, one, target, noise)
            return after, info["n_steps"].astype(jnp.float64)

        pair, evaluations = each(count, sliced, pair, noises)
        met = same & (count == 2) & jnp.all(evaluations == 1)
        first, second = halves(pair)
        # The point of the other ellipse is the same but for rounding.
        second = chosen(met, first, second)
        pair = jax.tree.map(lambda *arrays: jnp.stack(arrays), first, second)
        return Moved(pair, met, 1 / evaluations[0], jnp.sum(evaluations).astype(jnp.int64))
