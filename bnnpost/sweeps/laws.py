"""Prior laws in a configuration: written as in Python, or as the tables of layer lists."""

import ast
import math
from collections.abc import Mapping

import numpy as np

from bnnpost.arguments import real_number, shown
from bnnpost.naming import close_names
from bnnpost.networks.priors import prior_of_record, scale_of_record, scale_record, weight_prior
from bnnpost.numerics.scalar_laws import law_of_record, law_record
from bnnpost.settings import ConfigError, in_a_grid
from bnnpost.sweeps.keys import Record

# No law is as long as this; Python's own parser gives up on some that are longer.
_LONGEST = 1000
_SHOWN = 80

_PER, _PER_INPUT = "per", "per_input"
_NAME, _SHARED = "shared", "shared_scale"
# The law of weights and biases that name none.
STANDARD = {"law": "Normal", "parameters": {"loc": 0.0, "scale": 1.0}}


def prior(name: str, value: object) -> Record | None:
    """The law of weights as plain data, from "Laplace(0, 1)" or {law = …, parameters = {…}}.

    None is the standard normal law, also where it is spelled out. Raises ConfigError.
    """
    if value is None:
        return None
    try:
        found = as_record(value)
        weight_prior(name, prior_of_record(found))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: {error}") from None
    return None if found == STANDARD else found


def scale(name: str, value: object) -> float | Record:
    """A standard deviation: a number, or its law, which per_input(…) gives each input unit.

    Raises ConfigError.
    """
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return _plain(name, value)
    if not isinstance(value, Mapping) and not (isinstance(value, str) and "(" in value):
        raise ConfigError(
            f'{name}: expected a number or a law such as "HalfNormal(1)", got {shown(value)}'
            + in_a_grid(value)
        )
    try:
        return scale_record(scale_of_record(as_record(value)))  # type: ignore[return-value]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: {error}") from None


def noise(name: str, value: object) -> float | Record:
    """The standard deviation of noise: a number, or the law of an unknown one.

    Raises ConfigError.
    """
    found = scale(name, value)
    if isinstance(found, Mapping) and (_PER in found or _NAME in found):
        raise ConfigError(f"{name}: expected one law for all observations, got {text(found)}")
    return found


def _plain(name: str, value: object) -> float:
    try:
        return real_number(name, value)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def text(record: object) -> str:
    """A law, a likelihood or a number, as it is written in Python."""
    if not isinstance(record, Mapping):
        return f"{record:.4g}" if isinstance(record, int | float) else str(record)
    if "type" in record:
        named = (f"{name}={text(one)}" for name, one in record.items() if name != "type")
        return f"{record['type']}({', '.join(named)})"
    if set(record) == {"fixed"}:
        return f"Fixed({record['fixed']})"
    numbers = record.get("parameters", {}).values()
    plain = f"{record['law']}({', '.join(_number(one) for one in numbers)})"
    if _NAME in record:
        return f"{_SHARED}({plain}, {str(record[_NAME])!r})"
    return f"{_PER_INPUT}({plain})" if record.get(_PER) == "input" else plain


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def as_record(value: object) -> Record:
    """Plain data that is the same for the same law, however it was written."""
    if isinstance(value, str):
        return called(parsed(value), value)
    if not isinstance(value, Mapping):
        raise ValueError(f'expected a law such as "Laplace(0, 1)", got {shown(value)}')
    if set(value) == {"fixed"}:
        return dict(value)
    rest = {key: part for key, part in value.items() if key not in (_PER, _NAME)}
    more = {key: value[key] for key in (_PER, _NAME) if key in value}
    return {**law_record(law_of_record({"parameters": {}, **rest})), **more}


def parsed(source: str, what: str = 'a law such as "Laplace(0, 1)"') -> ast.Call:
    """What is written in Python as a call; raises ValueError for anything else."""
    try:
        tree = ast.parse(source.strip()[:_LONGEST], mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise ValueError(f"expected {what}, got {shown(source)}")
    return tree


def called(call: ast.Call, source: str) -> Record:
    """The record of a call that names a law of numpyro and its numbers; nothing is executed."""
    from numpyro import distributions as laws

    name = call.func.id  # type: ignore[attr-defined]
    if name == _PER_INPUT and len(call.args) == 1 and isinstance(call.args[0], ast.Call):
        return {**called(call.args[0], source), _PER: "input"}
    if name == _SHARED and call.args and isinstance(call.args[0], ast.Call):
        return {**called(call.args[0], source), _NAME: _shared_name(call, source)}
    kind = getattr(laws, name, None)
    if not (isinstance(kind, type) and issubclass(kind, laws.Distribution)):
        raise ValueError(f"{name!r} is no law of numpyro.distributions{_hint(name)}")
    try:
        numbers = [literal(one) for one in call.args]
        named = {str(one.arg): literal(one.value) for one in call.keywords}
        return law_record(kind(*numbers, **named))
    except (TypeError, AttributeError) as error:
        raise ValueError(
            f"expected the numbers of a law {name}, got {shown(source)}: {error}"
        ) from None


def _shared_name(call: ast.Call, source: str) -> str:
    """The name in shared_scale(law, "name"), or the default one."""
    given = [*call.args[1:], *(one.value for one in call.keywords if one.arg == "name")]
    if not given and not call.keywords:
        return "scale"
    name = given[0].value if isinstance(given[0], ast.Constant) else None
    if len(given) != 1 or not isinstance(name, str):
        raise ValueError(f'expected a law and a name, {_SHARED}(law, "name"), got {shown(source)}')
    return name


def _hint(name: str) -> str:
    from numpyro import distributions as laws

    known = [one for one in laws.__all__ if isinstance(getattr(laws, one), type)]
    close = close_names(name, known)
    return f": did you mean {close[0]}?" if close else ""


def literal(node: ast.expr) -> float:
    """A number as a float, so that no law computes in whole numbers."""
    try:
        value = real_number("it", ast.literal_eval(node))
    except (TypeError, ValueError):
        value = None
    if value is None or not math.isfinite(value):
        raise TypeError(f"{ast.unparse(node)[:_SHOWN]} is no finite number")
    return value
