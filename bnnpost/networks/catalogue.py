"""The activations that have a name: what each is called, its hyperparameters and defaults."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array

from bnnpost.networks import nonlinearities as forms
from bnnpost.numerics.quadrature import DEFAULT_STEP


@dataclass(frozen=True)
class Entry:
    """A named activation: its type in layer lists, its hyperparameters, how to build it."""

    spec_type: str
    defaults: Mapping[str, object]
    build: Callable[..., forms.Nonlinearity]


def _monomial(degree: int) -> forms.Nonlinearity:
    if isinstance(degree, bool) or int(degree) != degree or degree < 0:
        raise ValueError(f"expected degree to be a whole number of at least 0, got {degree!r}")
    return forms.Polynomial(np.eye(int(degree) + 1)[int(degree)])


def _numerical(name: str) -> Callable[[], forms.Nonlinearity]:
    # jax.nn costs nothing here, but its functions are looked up late to keep this a table.
    def build() -> forms.Nonlinearity:
        import jax

        return forms.Numerical(getattr(jax.nn, name))

    return build


CATALOGUE: Mapping[str, Entry] = {
    "identity": Entry("Identity", {}, lambda: forms.PiecewiseLinear(1.0, 1.0)),
    "relu": Entry("Relu", {}, lambda: forms.PiecewiseLinear(0.0, 1.0)),
    "leaky_relu": Entry(
        "LeakyRelu", {"alpha": 0.01}, lambda alpha: forms.PiecewiseLinear(alpha, 1.0)
    ),
    "ab_relu": Entry("ABRelu", {"a": 0.0, "b": 1.0}, forms.PiecewiseLinear),
    "abs": Entry("Abs", {}, lambda: forms.PiecewiseLinear(-1.0, 1.0)),
    "erf": Entry("Erf", {"a": 1.0, "b": 1.0, "c": 0.0}, forms.Erf),
    "gelu": Entry("Gelu", {}, forms.Gelu),
    "sin": Entry("Sin", {"a": 1.0, "b": 1.0, "c": 0.0}, forms.Sine),
    "cos": Entry(
        "Cos",
        {"a": 1.0, "b": 1.0, "c": 0.0},
        lambda a, b, c: forms.Sine(a, b, np.asarray(c) + np.pi / 2),
    ),
    "rbf": Entry(
        "Rbf",
        {"gamma": 1.0},
        lambda gamma: forms.Sine(np.sqrt(2), np.sqrt(2 * np.asarray(gamma)), np.pi / 4),
    ),
    "exp": Entry("Exp", {"a": 1.0, "b": 1.0}, forms.Exponential),
    "gaussian": Entry("Gaussian", {"a": 1.0, "b": -1.0}, forms.Gaussian),
    "sign": Entry("Sign", {}, forms.Sign),
    "monomial": Entry("Monomial", {"degree": 2}, _monomial),
    "polynomial": Entry("Polynomial", {"coef": (0.0, 1.0)}, forms.Polynomial),
    "tanh": Entry("Tanh", {}, _numerical("tanh")),
    "sigmoid": Entry("Sigmoid", {}, _numerical("sigmoid")),
    "softplus": Entry("Softplus", {}, _numerical("softplus")),
}
NAME_OF_SPEC_TYPE = {entry.spec_type: name for name, entry in CATALOGUE.items()}


def names() -> tuple[str, ...]:
    """Names that `Activation` knows."""
    return tuple(CATALOGUE)


def unknown(kind: str, given: object, known: list[str]) -> str:
    """An error message for a name that is not known; it names the close ones."""
    close = difflib.get_close_matches(
        str(given).lower(), [k.lower() for k in known], n=3, cutoff=0.5
    )
    spelled = [k for k in known if k.lower() in close]
    hint = f"did you mean {' or '.join(spelled)}? " if spelled else ""
    return f"unknown {kind} {given!r}: {hint}known are {', '.join(known)}"


def build_nonlinearity(
    function: str | Callable[[Array], Array] | forms.Nonlinearity,
    step: float | None,
    parameters: Mapping[str, object],
) -> tuple[str, forms.Nonlinearity, dict[str, object]]:
    """Name, nonlinearity and resolved hyperparameters of what `Activation` was given."""
    if isinstance(function, str):
        return _build_named(function, step, parameters)
    if parameters:
        raise ValueError(
            f"hyperparameters {sorted(parameters)} need a named activation; "
            "bind them in your function instead, e.g. with functools.partial"
        )
    if isinstance(function, forms.Nonlinearity):
        return type(function).__name__, function, {}
    if not callable(function):
        raise TypeError(f"expected an activation name or a function, got {function!r}")
    name = getattr(function, "__name__", type(function).__name__)
    return name, forms.Numerical(function, step or DEFAULT_STEP), {}


def _build_named(
    name: str, step: float | None, parameters: Mapping[str, object]
) -> tuple[str, forms.Nonlinearity, dict[str, object]]:
    if name not in CATALOGUE:
        raise ValueError(unknown("activation", name, list(CATALOGUE)))
    entry = CATALOGUE[name]
    for parameter in parameters:
        if parameter not in entry.defaults:
            known = list(entry.defaults)
            raise ValueError(unknown(f"hyperparameter of {name}", parameter, known or ["none"]))
    resolved = {
        key: _plain(parameters.get(key, default)) for key, default in entry.defaults.items()
    }
    built = entry.build(**resolved)
    if step is not None and isinstance(built, forms.Numerical):
        built = forms.Numerical(built.function, step)
    return name, built, resolved


def _plain(value: object) -> object:
    """A hyperparameter as plain Python, so that it can be written to a file."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return tuple(value) if isinstance(value, list) else value
