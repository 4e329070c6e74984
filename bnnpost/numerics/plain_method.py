"""Methods that JAX takes as they are."""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class plain_method(Generic[P, R]):
    """A method of a module which, asked of an instance, is a plain function.

    jax.jit looks a function up by its hash, and that of a module's method is of all its arrays.
    """

    def __init__(self, function: Callable[Concatenate[Any, P], R]):
        self._function = function
        functools.update_wrapper(self, function)  # type: ignore[arg-type]

    def __get__(self, instance: object, owner: type | None = None) -> Callable[P, R]:
        if instance is None:
            return self._function  # type: ignore[return-value]
        return functools.partial(self._function, instance)
