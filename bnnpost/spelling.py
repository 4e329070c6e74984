"""How numbers are spelled in a sentence."""

import math

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MINUTE, _HOUR, _DAY, _YEAR = 60.0, 3600.0, 86400.0, 31557600.0


def count(number: float) -> str:
    """A number of things, to two digits: 9,000 or 3·10¹²."""
    if not math.isfinite(number):
        return "more than 10³⁰⁰"
    rounded = float(f"{number:.1e}")
    if rounded < 1e7:
        return f"{rounded:,.0f}"
    mantissa, exponent = f"{number:.1e}".split("e")
    superscript = str(int(exponent)).translate(_SUPERSCRIPTS)
    return f"{mantissa.removesuffix('.0')}·10{superscript}"


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
