"""The elementwise activation as a layer: one of the catalogue, or a function of the user's."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from bnnpost.networks.catalogue import CATALOGUE, resolve
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.layers import Map
from bnnpost.networks.nonlinearities import Nonlinearity, Numerical
from bnnpost.networks.units import activated, through_map
from bnnpost.numerics.quadrature import DEFAULT_STEP
from bnnpost.spelling import as_call


class Activation(Map):
    """An elementwise activation: a name with its hyperparameters, or any function of yours.

    `Activation("erf", b=0.7)` looks the name up (`bnnpost.networks.catalogue.names()` lists
    them). `Activation(jax.nn.elu)` takes any elementwise JAX function; its kernel is then
    computed by quadrature with the given `step`, as is any kernel after biases with a law of
    their own. A `Nonlinearity` of yours brings its own kernel map. bound: what the size of your
    function never exceeds, if there is such a number: auxiliary rejection needs it.
    Raises ValueError for an unknown name or hyperparameter.
    """

    # A name in the catalogue with its hyperparameters, or else a nonlinearity of the user's.
    catalogued: str | None = eqx.field(static=True)
    options: tuple[tuple[str, int], ...] = eqx.field(static=True)
    step: float | None = eqx.field(static=True)
    parameters: dict[str, Array]
    own: Nonlinearity | None

    def __init__(
        self,
        function: str | Callable[[Array], Array] | Nonlinearity,
        *,
        step: float | None = None,
        bound: float = math.inf,
        **parameters: object,
    ):
        self.step = _checked_step(step)
        if bound != math.inf and (isinstance(function, str | Nonlinearity) or not bound > 0):
            raise ValueError(
                f"expected a positive bound of a function of yours, got {bound!r}: a named "
                "activation, or a Nonlinearity, says its own"
            )
        self.catalogued, self.options, self.parameters, self.own = None, (), {}, None
        if isinstance(function, str):
            resolved = resolve(function, parameters)
            self.catalogued = function
            self.options = tuple((k, v) for k, v in resolved.items() if isinstance(v, int))
            self.parameters = {k: v for k, v in resolved.items() if not isinstance(v, int)}
        elif parameters:
            raise ValueError(
                f"hyperparameters {sorted(parameters)} need a named activation; "
                "bind them in your function instead, e.g. with functools.partial"
            )
        else:
            self.own = _own_nonlinearity(function, self.step, bound)

    def __repr__(self) -> str:
        named = {"": self.catalogued or self.own, **dict(self.options), **self.parameters}
        return as_call("Activation", named if self.step is None else {**named, "step": self.step})

    @property
    def name(self) -> str:
        """The name it was asked for by, or the name of the user's own function."""
        if self.catalogued is not None:
            return self.catalogued
        function = self.own.function if isinstance(self.own, Numerical) else self.own
        return getattr(function, "__name__", type(function).__name__)

    @property
    def nonlinearity(self) -> Nonlinearity:
        """The function with its kernel map."""
        if self.own is not None:
            return self.own
        assert self.catalogued is not None
        built = CATALOGUE[self.catalogued].build(**dict(self.options), **self.parameters)
        if self.step is not None and isinstance(built, Numerical):
            return Numerical(built.function, self.step, built.bound)
        return built

    def __call__(self, x: Array) -> Array:
        return self.nonlinearity(x)

    def covariance(self, k: Covariance) -> Covariance:
        if k.units == "inputs":
            return through_map(self, k)
        return activated(self.nonlinearity, k, self.step)


def _own_nonlinearity(function: object, step: float | None, bound: float) -> Nonlinearity:
    if isinstance(function, Nonlinearity):
        return function
    if not callable(function):
        raise TypeError(f"expected an activation name or a function, got {function!r}")
    _check_elementwise(function)
    return Numerical(function, DEFAULT_STEP if step is None else step, float(bound))


def _check_elementwise(function: Callable[[Array], Array]) -> None:
    """Raise ValueError for a function whose results are not of the shape of its inputs."""
    given = jax.ShapeDtypeStruct((2, 3), jnp.float32)
    shapes: list[object] = []

    def noting(inputs: Array) -> Array:
        shapes.append(getattr(function(inputs), "shape", None))
        return inputs

    try:
        jax.eval_shape(noting, given)
    except Exception:  # one of its own, which is raised where it is used
        return
    [found] = shapes
    if found != given.shape:
        name = getattr(function, "__name__", type(function).__name__)
        raise ValueError(
            f"expected the activation {name} to act on each number by itself: of an array of shape "
            f"{given.shape} it makes {'no array' if found is None else f'one of shape {found}'}"
        )


def _checked_step(step: float | None) -> float | None:
    if step is not None and not 0 < step <= 2:
        raise ValueError(f"expected step to be positive and small (0.1 is usual), got {step}")
    return step
