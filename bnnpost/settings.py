"""Settings, each declared once: what it holds, its default, bounds and meaning.

The checks of configurations, the flags of the command line and the tables of the documentation are
made of these declarations. Nothing heavy is imported before a value is checked, not even numpy, so
that help is quick.
"""

import dataclasses
import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints


class ConfigError(ValueError):
    """A configuration that cannot be run; the message names the key and what was expected."""


@dataclass(frozen=True)
class Meaning:
    """What is told of a setting besides its default.

    group: of flags; a key without one has no flag. shown: the default as help spells it, where it
    is not the value itself. read: how, where it is no plain value ("std" for a number or law).
    also: further spellings of the flag. word: that may stand in the place of a number. least, most:
    of whole numbers.
    """

    group: str
    help: str
    shown: str | None = None
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()
    read: str = ""
    also: tuple[str, ...] = ()
    word: str | None = None


def setting(default: Any, group: str, help: str, **others: Any) -> Any:
    """A field of a dataclass that is a setting."""
    return dataclasses.field(default=default, metadata={"meaning": Meaning(group, help, **others)})


def meanings(kind: type) -> dict[str, Meaning]:
    """What is told of each setting of a class, by name; other fields are none."""
    fields = (field for field in dataclasses.fields(kind) if "meaning" in field.metadata)
    return {field.name: field.metadata["meaning"] for field in fields}


def kinds(kind: type) -> dict[str, Any]:
    """What each field of a class holds."""
    return get_type_hints(kind)


def check(config: object, readers: Mapping[str, Callable[[str, Any], Any]] | None = None) -> None:
    """Put each setting's value in the place of what was given for it.

    readers: what turns a value into one, by `Meaning.read`. Raises ConfigError for wrong ones.
    """
    held, read = kinds(type(config)), readers or {}
    for name, meaning in meanings(type(config)).items():
        value = getattr(config, name)
        if meaning.word is not None and value == meaning.word:
            continue
        if meaning.read in read and not (value is None and may_be_none(held[name])):
            value = read[meaning.read](name, value)
        elif not meaning.read:
            value = typed(name, held[name], value, meaning.most)
        object.__setattr__(config, name, value)
        for one in value if isinstance(value, tuple) else (value,):
            if meaning.least is not None:
                at_least(name, one, meaning.least)
            if meaning.choices and one is not None and not meaning.read:
                one_of(name, str(one), meaning.choices)


# What a value of each type is called.
_EXPECTED = {
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    str: "a string",
    tuple: "a list of whole numbers",
}


def may_be_none(kind: Any) -> bool:
    """Whether a setting that holds this may have no value."""
    return type(None) in get_args(kind)


def plain_kind(kind: Any) -> type | None:
    """Of what type the values of a setting are, None aside: bool, float, int, str or tuple."""
    return next((one for one in (bool, float, int, str) if kind in (one, one | None)), None)


def typed(name: str, kind: Any, value: object, most: int | None = None) -> object:
    """`value` as what the field holds; raises ConfigError that says what was expected."""
    from bnnpost.arguments import LARGEST_COUNT, shown

    if value is None and may_be_none(kind):
        return None
    plain = plain_kind(kind) or tuple
    if plain is float and _is_number(value):
        return _finite(name, value)
    if plain is int and _is_whole(value):
        most = LARGEST_COUNT if most is None else most
        if abs(int(value)) > most:  # type: ignore[call-overload]
            raise ConfigError(f"{name}: expected at most {most}, got {shown(value)}")
        return int(value)  # type: ignore[call-overload]
    if plain is tuple and isinstance(value, list | tuple) and all(map(_is_whole, value)):
        return tuple(int(v) for v in value)
    if plain in (bool, str) and isinstance(value, plain):
        return value
    hint = "" if plain is tuple else in_a_grid(value)
    raise ConfigError(f"{name}: expected {_EXPECTED[plain]}, got {shown(value)}{hint}")


def in_a_grid(value: object) -> str:
    """A hint, where a list is given for one value of a setting."""
    if not isinstance(value, list | tuple) or not value:
        return ""
    return "; several to be tried are listed in the table [grid]"


def _finite(name: str, value: object) -> float:
    """A number as a float. Raises ConfigError for NaN, infinity, and what is too large."""
    from bnnpost.arguments import real_number, shown

    try:
        number = real_number(name, value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{name}: expected a finite number, got {shown(value)}")
    return number


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def at_least(name: str, value: object, least: int) -> None:
    """Raise ConfigError for a number below `least`; None passes."""
    from bnnpost.arguments import shown

    if value is not None and value < least:  # type: ignore[operator]
        raise ConfigError(f"{name}: expected at least {least}, got {shown(value)}")


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ConfigError for a word that is not allowed."""
    from bnnpost.arguments import shown

    if value not in allowed:
        raise ConfigError(f"{name}: expected one of {', '.join(allowed)}, got {shown(value)}")
