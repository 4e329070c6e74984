"""Scoped double precision: the library never changes the caller's global x64 flag."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax
import numpy as np

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T")


def in_double_precision(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run `function` with 64-bit types enabled, whatever the caller's flag; restored after.

    It is given its arguments as `unshared` makes them.
    """

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        positional = [unshared(value) for value in args]
        named = {name: unshared(value) for name, value in kwargs.items()}
        with jax.enable_x64(True):
            return function(*positional, **named)  # type: ignore[arg-type]

    return wrapped


def unshared(value: _T) -> _T:
    """A numpy array, or a module that holds some, with each array as a new view of its numbers.

    JAX remembers what a numpy array became in a program, by the identity of the array and not by
    the x64 flag, for as long as the program lives. The program of a user, in single precision, that
    holds the inputs of a posterior would turn them into single precision, or end in an error of the
    compiler, in a program of double precision. So no program of ours in double precision is given
    an array that a user may have.
    """
    if not isinstance(value, np.ndarray | eqx.Module):
        return value
    leaves, structure = jax.tree.flatten(value)
    if not any(map(_is_shared, leaves)):
        return value
    viewed = [leaf.view() if _is_shared(leaf) else leaf for leaf in leaves]
    return jax.tree.unflatten(structure, viewed)  # type: ignore[no-any-return]


def _is_shared(leaf: Any) -> bool:
    return type(leaf) is np.ndarray
