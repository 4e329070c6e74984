"""Tools to move two chains by one transition, so that they may meet, exactly, and stay together.

X's law and numbers are those of the plain kernel; Y's law is too. Both have common randomness but
for one vector of standard normals, which is that of reflection and maximal coupling (Heng and Jacob
2019, Biometrika 106; Bou-Rabee, Eberle and Zimmer 2020; in function space Agapiou, Roberts and
Vollmer 2018).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from bnnpost.samplers.kernels.kernel import Arrays, Number, State, combined, square

# Proposals whose means are further apart than so many of their stds hardly ever coincide: the
# same noise for both then, which keeps them as near as they are.
_NEAR = 2.0
# Folded into a transition's key for what makes two proposals one, apart from what X is moved by.
_MEETING = 0x6D656574


def apart(x: Arrays, y: Arrays, share: Array) -> Arrays:
    """x − y in double precision, so many times."""
    return {name: share * (x[name].astype(jnp.float64) - y[name]) for name in x}


def other_noise(key: Array, between: Arrays, noise: Arrays) -> tuple[Arrays, Bool[Array, ""]]:
    """Noise of Y's proposal, and whether that is to be X's proposal.

    between: the mean of X's proposal less that of Y's, over the std of both, the same in each
    direction. With d for it and ξ for X's noise: ξ + d, which makes the same proposal, with
    probability min(1, φ(ξ + d)/φ(ξ)), else ξ reflected at the plane between the means.
    """
    length = square(between)
    along = sum(jnp.sum(noise[name].astype(jnp.float64) * between[name]) for name in noise)
    near = length < _NEAR**2
    meeting = jax.random.uniform(jax.random.fold_in(key, _MEETING), (), jnp.float64)
    same = near & (jnp.log(meeting) <= -(along + 0.5 * length))
    times = jnp.where(same, -1.0, 2 * along / jnp.maximum(length, 1e-300))
    # Far apart they may be infinitely so, where the angle is next to none.
    return combined(lambda z, d: jnp.where(near, z - times * d, z), noise, between), same


def each(
    count: Array, move: Callable[[State, Any], tuple[State, Array]], pair: State, more: Any
) -> tuple[State, Array]:
    """One chain after the other, as many as `count`, by one program; and a number of each.

    more: what else each is given, [2, …].
    """

    def one(i: Array, carry: tuple[State, Array]) -> tuple[State, Array]:
        pair, numbers = carry
        after, number = move(_nth(pair, i), _nth(more, i))
        put = jax.tree.map(lambda array, new: array.at[i].set(new), pair, after)
        return put, numbers.at[i].set(number)

    return jax.lax.fori_loop(0, count, one, (pair, jnp.zeros(2, jnp.float64)))  # type: ignore[no-any-return]


def halves(tree: Any) -> tuple[Any, Any]:
    """X's part of a pair, and Y's."""
    return _nth(tree, 0), _nth(tree, 1)


def _nth(tree: Any, i: Number) -> Any:
    return jax.tree.map(lambda array: array[i], tree)
