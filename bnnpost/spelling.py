"""How numbers are spelled in a sentence, and what is printed of an object."""

import dataclasses
import math
import textwrap
from collections.abc import Mapping
from typing import Any

_LONGEST_CALL, _LONGEST_LIST = 72, 8
_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes"))
_MINUTE, _HOUR, _DAY, _YEAR = 60.0, 3600.0, 86400.0, 31557600.0


def count(number: float) -> str:
    """A number of things, to two digits: 9,000 or 3·10¹²."""
    if not math.isfinite(number):
        return "more than 10³⁰⁰"
    if float(f"{number:.1e}") < 1e7:
        return f"{float(f'{number:.1e}'):,.0f}"
    mantissa, exponent = f"{number:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}·10{raised(int(exponent))}"


def paired(value: float, error: float, digits: int = 1) -> str:
    """A number ± another, both as far as `digits` figures of that: 0.01180 ± 0.00007."""
    largest = max(abs(value), error)
    power = math.floor(math.log10(largest))
    power = 0 if -4 < power < 6 else power
    value, error = value / 10.0**power, error / 10.0**power
    places = max(0, digits - 1 - math.floor(math.log10(error)))
    places = min(places, 8)
    text = f"{value:,.{places}f} ± {error:,.{places}f}".replace("-", "−")
    return f"({text})·10{raised(power)}" if power else text


def rounded(value: float, digits: int = 3) -> str:
    """A number in `digits` figures: 0.0121, 1,240, 3.4·10⁻⁷."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if 1e-4 <= size < 1e7:
        whole = int(f"{value:.{digits - 1}e}".split("e")[1]) + 1
        value = round(value, digits - whole)
        places = max(0, digits - whole)
        text = f"{value:,.{places}f}"
    else:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa}·10{raised(int(exponent))}"
    return text.replace("-", "−")


def p_in_words(value: float) -> str:
    """Return a p-value in two figures, a small one in one: 0.013, 6e-11."""
    if value < 1e-300:
        return "below 1e-300"
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.0e}"


def power_of_ten(exponent: float, digits: int = 2) -> str:
    """Return 10^exponent in `digits` figures, however small or large: 0.0020, 3.4·10⁻⁷¹⁰."""
    whole = math.floor(exponent)
    if -4 <= whole < 7:
        return rounded(10.0**exponent, digits)
    mantissa = f"{10.0 ** (exponent - whole):.{digits - 1}f}"
    if float(mantissa) == 10.0:
        mantissa, whole = f"{1:.{digits - 1}f}", whole + 1
    return f"{mantissa}·10{raised(whole)}"


def byte_size(number: float) -> str:
    """Return a number of bytes in two digits and the unit that suits it: 1.2 kB."""
    shown = float(f"{number:.1e}")
    unit, name = next((pair for pair in _BYTES if shown >= pair[0]), _BYTES[-1])
    return f"{shown / unit:g} {name}"


def raised(exponent: int) -> str:
    """A whole number in superscript."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def duration(seconds: float) -> str:
    """A time in the unit that suits it: 0.4 s, 3 min, 5 h, 12 days, 4 years."""
    if not math.isfinite(seconds):
        return "for ever"
    if seconds < 2 * _MINUTE:
        return f"{max(seconds, 0.1):.{1 if seconds < 10 else 0}f} s"
    for unit, name, until in ((_MINUTE, "min", _HOUR * 2), (_HOUR, "h", 2 * _DAY)):
        if seconds < until:
            return f"{seconds / unit:.0f} {name}"
    if seconds < 2 * _YEAR:
        return f"{seconds / _DAY:.0f} days"
    years = float(f"{seconds / _YEAR:.1e}")
    return f"{years:,.0f} years" if years < 1e6 else "over 10⁶ years"


def fields_of(thing: Any) -> str:
    """A dataclass by its name and the fields that are not None, numbers as they are."""
    held = {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
    return as_call(type(thing).__name__, {k: v for k, v in held.items() if v is not None})


def as_call(name: str, arguments: Mapping[str, Any]) -> str:
    """name(argument=value, …), on lines of their own where that is long."""
    parts = [
        f"{key}={value_of(value)}" if key else value_of(value) for key, value in arguments.items()
    ]
    if sum(map(len, parts)) <= _LONGEST_CALL and not any("\n" in part for part in parts):
        return f"{name}({', '.join(parts)})"
    return f"{name}(\n{_indented(parts)})"


def value_of(value: Any) -> str:
    """A number, a short array as a list, a longer one by its shape, a law by its parameters."""
    if isinstance(value, list | tuple):
        parts = [value_of(one) for one in value]
        if any("\n" in part or len(part) > _LONGEST_CALL // 2 for part in parts):
            return f"[\n{_indented(parts)}]"
        return f"[{', '.join(parts)}]"
    if hasattr(value, "arg_constraints"):
        law = {name: getattr(value, name) for name in value.arg_constraints if hasattr(value, name)}
        return as_call(type(value).__name__, law)
    if not (hasattr(value, "shape") and hasattr(value, "dtype")):
        return repr(value)
    import numpy as np  # not before it is used: commands that only list need none

    try:
        number = np.asarray(value)
    except Exception:  # traced: it has no value
        number = None
    if number is None or number.size > _LONGEST_LIST:
        return f"array of {' × '.join(map(str, value.shape)) or 'one number'}"
    return str(number.round(6).tolist() if number.ndim else float(f"{float(number):.6g}"))


def _indented(parts: list[str]) -> str:
    return "".join(textwrap.indent(f"{part},\n", "  ") for part in parts)
