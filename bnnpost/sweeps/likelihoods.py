"""Likelihoods of a configuration: a name, a call as in Python, a table, or code of the user's.

    likelihood = "laplace"
    likelihood = "StudentT(df=4, noise_std=0.4)"
    likelihood = { type = "student_t", df = 4, noise_std = "HalfNormal(0.5)" }

Parameters may also stand beside the name, as keys or flags of their own.
"""

import ast
import contextlib
import inspect
import re
from collections.abc import Mapping
from typing import Any

from bnnpost.arguments import shown
from bnnpost.likelihoods import Gaussian, GaussianUnknownNoise, Likelihood
from bnnpost.likelihoods.records import known, made, parameters, to_record
from bnnpost.naming import unknown
from bnnpost.settings import ConfigError
from bnnpost.sweeps import code, laws
from bnnpost.sweeps.keys import Record, SweepKeys

_KEY, _TYPE, _NOISE = "likelihood", "type", "noise_std"
_EXPECTED = "module:Class for a subclass of bnnpost.likelihoods.Likelihood"


def parameter_keys(values: Mapping[str, object]) -> tuple[str, ...]:
    """Parameters that may stand beside the name: those of the package's, and of the one named."""
    kinds = [*known().values()]
    if values.get(_KEY) is not None:
        kinds.append(_kind(_table(values[_KEY])))
    return tuple(dict.fromkeys(name for kind in kinds for name in parameters(kind)))


def overridden(values: Mapping[str, object], flags: Mapping[str, object]) -> dict[str, object]:
    """Settings of a file with flags on top, of which one may be a part of the file's likelihood.

    Of another likelihood that the flags name, the file's parameters stay that it takes.
    """
    found = {**values, **flags}
    if flags.get(_KEY) is not None:
        table = _table(flags[_KEY])
        for name in parameter_keys(values):
            if name not in flags and (name in table or name not in parameters(_kind(table))):
                found.pop(name, None)
    elif values.get(_KEY) is not None:
        found[_KEY] = {k: v for k, v in _table(values[_KEY]).items() if k not in flags}
    return found


def gathered(values: Mapping[str, object]) -> dict[str, object]:
    """Settings with the parameters of the likelihood, noise_std apart, in one table with it.

    Raises ConfigError for a parameter that is given twice or that it does not take.
    """
    found = dict(values)
    table = _table(found.get(_KEY))
    kind, beside = _kind(table), [n for n in parameter_keys(values) if found.get(n) is not None]
    for name in beside:
        if name in table:
            raise ConfigError(f"{name} is given twice: beside the likelihood and as a part of it")
        if name not in parameters(kind):
            raise ConfigError(f"{name}: {_takes(kind)}; leave {name} out")
        if name != _NOISE:
            table[name] = found.pop(name)
    if len(table) > 1 or found.get(_KEY) is not None:
        found[_KEY] = table
    return found


def _takes(kind: type[Likelihood]) -> str:
    taken = ", ".join(parameters(kind)) or "no parameters"
    noise = "" if _NOISE in parameters(kind) else " and no noise"
    return f"the likelihood {kind.__name__} takes {taken}{noise}"


def settled(given: object, noise_std: float | Record) -> tuple[Record | None, float | Record]:
    """The record of a likelihood, with noise_std in it where it takes one and says none.

    None is Gaussian noise of known size, of which the second, noise_std, says all; with a law it is
    Gaussian noise of unknown size. Raises ConfigError.
    """
    table = _table(given)
    kind = _kind(table)
    signature = inspect.signature(kind).parameters
    for name in table:
        if name not in (*signature, _TYPE):
            wrong = unknown(f"parameter of {kind.__name__}", name, list(signature) or ["none"])
            raise ConfigError(f"{_KEY}: {wrong}")
    if _NOISE in signature and signature[_NOISE].default is inspect.Parameter.empty:
        table.setdefault(_NOISE, noise_std)
    arguments: dict[str, Any] = {k: _value(k, one) for k, one in table.items() if k != _TYPE}
    if kind is Gaussian and isinstance(arguments[_NOISE], Mapping):
        kind = GaussianUnknownNoise
    likelihood = _made(str(table[_TYPE]), kind, arguments)
    if kind is Gaussian:
        return None, arguments[_NOISE]
    if kind in known().values():
        return to_record(likelihood), SweepKeys.noise_std
    return {_TYPE: table[_TYPE], **arguments}, SweepKeys.noise_std


def of_record(record: Record) -> Likelihood:
    """The likelihood of a record that `settled` gave."""
    arguments = {name: one for name, one in record.items() if name != _TYPE}
    return _made(str(record[_TYPE]), _kind(record), arguments)


def _made(name: str, kind: type[Likelihood], arguments: Mapping[str, Any]) -> Likelihood:
    missing = [
        one.name
        for one in inspect.signature(kind).parameters.values()
        if one.default is inspect.Parameter.empty and one.name not in arguments
    ]
    if missing:
        raise ConfigError(f"{_KEY}: {kind.__name__} needs {', '.join(missing)}")
    theirs = code.user_errors(_KEY, name) if ":" in name else contextlib.nullcontext()
    try:
        with theirs:
            return made(kind, arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from None


def _value(name: str, value: object) -> Any:
    """A parameter as plain data: a number, a word, or the record of a law."""
    if isinstance(value, Mapping) or (isinstance(value, str) and "(" in value):
        return laws.noise(name, value)
    if name == _NOISE:
        return laws.scale(name, value)
    if not isinstance(value, int | float | str):
        raise ConfigError(f"{name}: expected a number, a word or a law, got {shown(value)}")
    return value


def _table(value: object) -> dict[str, Any]:
    """{"type": name, parameter: value}, whichever way a likelihood was written."""
    if value is None:
        return {_TYPE: Gaussian.__name__}
    if isinstance(value, Likelihood):
        return to_record(value)
    if isinstance(value, str):
        return _of_text(value)
    if not isinstance(value, Mapping) or not isinstance(value.get(_TYPE), str):
        raise ConfigError(
            f'{_KEY}: expected a name such as "student_t", a call "StudentT(df=4, noise_std=0.4)" '
            f"or a table with a type, got {shown(value)}"
        )
    return dict(value)


def _of_text(source: str) -> dict[str, object]:
    name, bracket, rest = source.partition("(")
    table: dict[str, object] = {_TYPE: name.strip()}
    if not bracket:
        return table
    positions = parameters(_kind(table))
    try:
        call = laws.parsed(f"_({rest}", "its parameters")
        given = [*zip(positions, call.args, strict=False)]
        given += [(str(one.arg), one.value) for one in call.keywords]
        if len(call.args) > len(positions):
            raise ValueError(f"{len(call.args)} parameters are too many")
        return table | {one: _of_node(node, source) for one, node in given}
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f'{_KEY}: expected a call such as "StudentT(df=4, noise_std=0.4)", got '
            f"{shown(source)}: {error}"
        ) from None


def _of_node(node: ast.expr, source: str) -> object:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return laws.called(node, source)
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bool):
        return node.value
    return laws.literal(node)


def _kind(table: Record) -> type[Likelihood]:
    """The class of a likelihood. Raises ConfigError for a name that is none."""
    name = str(table[_TYPE])
    kinds = {_plain(one): kind for one, kind in known().items()}
    if ":" in name:
        found = code.imported(_KEY, name, _EXPECTED)
        if not (isinstance(found, type) and issubclass(found, Likelihood)):
            raise ConfigError(f"{_KEY}: expected {name} to be {_EXPECTED}")
        return found
    if _plain(name) not in kinds:
        words = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", one).lower() for one in known()]
        raise ConfigError(f"{_KEY}: {unknown('likelihood', name, words)} Or {_EXPECTED}")
    return kinds[_plain(name)]


def _plain(name: str) -> str:
    return re.sub("[-_ ]", "", name).lower()
