"""The activations that have a name: what each is called, its hyperparameters and defaults."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bnnpost.arguments import shown
from bnnpost.naming import unknown
from bnnpost.networks import closed_forms as forms
from bnnpost.networks.nonlinearities import Nonlinearity, Numerical, concrete, hyperparameter

# Of a power of x: 170, twice as much, is the largest number whose factorial is a double.
_LARGEST_DEGREE = 85


@dataclass(frozen=True)
class NamedActivation:
    """A named activation: its type in layer lists, its hyperparameters, how to build it."""

    spec_type: str
    defaults: Mapping[str, object]
    build: Callable[..., Nonlinearity]


def _monomial(degree: int) -> Nonlinearity:
    return forms.Polynomial(np.eye(degree + 1)[degree])


def _numerical(name: str, bound: float = math.inf) -> Callable[[], Nonlinearity]:
    # jax.nn costs nothing here, but its functions are looked up late to keep this a table.
    def build() -> Nonlinearity:
        import jax

        return Numerical(getattr(jax.nn, name), largest=bound)

    return build


CATALOGUE: Mapping[str, NamedActivation] = {
    "identity": NamedActivation("Identity", {}, lambda: forms.PiecewiseLinear(1.0, 1.0)),
    "relu": NamedActivation("Relu", {}, lambda: forms.PiecewiseLinear(0.0, 1.0)),
    "leaky_relu": NamedActivation(
        "LeakyRelu", {"alpha": 0.01}, lambda alpha: forms.PiecewiseLinear(alpha, 1.0)
    ),
    "ab_relu": NamedActivation("ABRelu", {"a": 0.0, "b": 1.0}, forms.PiecewiseLinear),
    "abs": NamedActivation("Abs", {}, lambda: forms.PiecewiseLinear(-1.0, 1.0)),
    "erf": NamedActivation("Erf", {"a": 1.0, "b": 1.0, "c": 0.0}, forms.Erf),
    "gelu": NamedActivation("Gelu", {}, forms.Gelu),
    "sin": NamedActivation("Sin", {"a": 1.0, "b": 1.0, "c": 0.0}, forms.Sine),
    "cos": NamedActivation(
        "Cos",
        {"a": 1.0, "b": 1.0, "c": 0.0},
        lambda a, b, c: forms.Sine(a, b, c + np.pi / 2),
    ),
    "rbf": NamedActivation(
        "Rbf",
        {"gamma": 1.0},
        lambda gamma: forms.Sine(np.sqrt(2), (2 * gamma) ** 0.5, np.pi / 4),
    ),
    "exp": NamedActivation("Exp", {"a": 1.0, "b": 1.0}, forms.Exponential),
    "gaussian": NamedActivation("Gaussian", {"a": 1.0, "b": -1.0}, forms.GaussianCurve),
    "sign": NamedActivation("Sign", {}, forms.Sign),
    "monomial": NamedActivation("Monomial", {"degree": 2}, _monomial),
    "polynomial": NamedActivation("Polynomial", {"coef": (0.0, 1.0)}, forms.Polynomial),
    "tanh": NamedActivation("Tanh", {}, _numerical("tanh", 1.0)),
    "sigmoid": NamedActivation("Sigmoid", {}, _numerical("sigmoid", 1.0)),
    "softplus": NamedActivation("Softplus", {}, _numerical("softplus")),
}
NAME_OF_SPEC_TYPE = {entry.spec_type: name for name, entry in CATALOGUE.items()}


def names() -> tuple[str, ...]:
    """Names that `Activation` knows."""
    return tuple(CATALOGUE)


def resolve(name: str, parameters: Mapping[str, object]) -> dict[str, Any]:
    """All hyperparameters of a named activation: those given, and defaults for the others.

    Whole-number ones stay int, the others become float64 arrays (traced values pass).
    Raises ValueError for an unknown name or hyperparameter, or a value of the wrong shape.
    """
    if name not in CATALOGUE:
        raise ValueError(unknown("activation", name, list(CATALOGUE)))
    defaults = CATALOGUE[name].defaults
    for parameter in parameters:
        if parameter not in defaults:
            raise ValueError(
                unknown(f"hyperparameter of {name}", parameter, list(defaults) or ["none"])
            )
    return {
        key: _checked(f"{key} of {name}", parameters.get(key, default), default)
        for key, default in defaults.items()
    }


def _checked(label: str, value: Any, default: Any) -> object:
    """`value` in the type and shape of its default; finite, where it is known yet."""
    if isinstance(default, int):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
            raise ValueError(
                f"expected {label} to be a whole number of at least 0, got {shown(value)}"
            )
        if value > _LARGEST_DEGREE:
            raise ValueError(
                f"expected {label} to be at most {_LARGEST_DEGREE}, got {shown(value)}"
            )
        return int(value)
    array = hyperparameter(value, label)
    if np.ndim(array) != np.ndim(default) or np.size(array) == 0:
        expected = "one number" if np.ndim(default) == 0 else "a list of numbers"
        raise ValueError(f"expected {label} to be {expected}, got {value!r}")
    known = concrete(array)
    if known is not None and not np.all(np.isfinite(known)):
        raise ValueError(f"expected {label} to be finite, got {value!r}")
    return array
