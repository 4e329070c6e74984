"""Scoped double precision: the library never changes the caller's global x64 flag."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

_P = ParamSpec("_P")
_R = TypeVar("_R")


def in_double_precision(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run `function` with 64-bit types enabled, whatever the caller's flag; restored after."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return wrapped
