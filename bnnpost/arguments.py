"""What users hand in, checked where it comes in: counts, numbers, arrays, and how errors show it.

Every error says what was expected and what came, in one line, however large that is.
"""

import math
import reprlib
from collections.abc import Iterable

import numpy as np

# The largest count there is: more does not fit a machine's whole numbers.
LARGEST_COUNT = 2**63 - 1
# Units of one layer: arrays have no longer axis.
LARGEST_WIDTH = 2**31 - 1
# Of a standard deviation: beyond, its square or what it multiplies is 0 or infinite in single
# precision, a few layers deep.
SMALLEST_STD, LARGEST_STD = 1e-30, 1e30
# Layers within layers, or lists within lists: Python's own limit is a few hundred calls away.
DEEPEST = 32
_REAL_KINDS = "fiub"
# How much of a value an error shows.
_SHOWN = 80
_BITS_A_DIGIT = 3.3219


class OutOfRange(IndexError, ValueError):
    """A place beyond the first or the last of what there is."""


class _Short(reprlib.Repr):
    """A repr of bounded length and depth; Python spells out no whole number that is huge."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, _SHOWN, _SHOWN

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() <= 128:
            return repr(x)
        return f"a whole number of {int(x.bit_length() / _BITS_A_DIGIT) + 1:,} digits"


def shown(value: object) -> str:
    """A value as errors show it: in one line of about 80 characters."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    text = " ".join(_Short().repr(value).split())
    return text if len(text) <= 2 * _SHOWN else f"{text[: 2 * _SHOWN - 1]}…"


def listed(names: Iterable[object], most: int = 12) -> str:
    """Names with commas between, the first of them where there are many."""
    found = list(map(str, names))
    more = f" and {len(found) - most:,} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def positive_integer(name: str, value: object, most: int = LARGEST_COUNT) -> int:
    """`value` as an int from 1 to `most`; raises ValueError or TypeError that names it."""
    number = whole_number(name, value)
    if number < 1:
        raise ValueError(f"expected {name} to be at least 1, got {shown(number)}")
    if number > most:
        raise ValueError(f"expected {name} to be at most {most}, got {shown(number)}")
    return number


def whole_number(name: str, value: object) -> int:
    """`value` as an int; raises TypeError that names it. Floats are none, nor are truth values."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"expected {name} to be a whole number, got {shown(value)}")
    return int(value)


def true_or_false(name: str, value: object) -> bool:
    """`value` as a bool; raises TypeError for what is neither True nor False, such as a word."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"expected {name} to be True or False, got {shown(value)}")
    return bool(value)


def real_number(name: str, value: object) -> float:
    """`value` as a float; raises TypeError for anything but one real number, ValueError for NaN."""
    if isinstance(value, bool | str) or value is None:
        raise TypeError(f"expected {name} to be a number, got {shown(value)}")
    array = real_array(name, value, "a number")
    if array.ndim > 0:
        raise TypeError(f"expected {name} to be one number, got {shown(value)}")
    if np.isnan(array):
        raise ValueError(f"expected {name} to be a number, got NaN")
    return float(array)


def number_between(name: str, value: object, low: float, high: float) -> float:
    """`value` as a float above `low` and at most `high`; raises ValueError for anything else."""
    try:
        number = real_number(name, value)
    except (TypeError, ValueError):
        number = math.nan  # which is between no numbers
    if not low < number <= high:
        raise ValueError(
            f"expected {name} to be above {low:g} and at most {high:g}, got {shown(value)}"
        )
    return number


def real_array(name: str, values: object, what: str = "an array of numbers") -> np.ndarray:
    """`values` as a float64 array, a copy; NaN and infinity pass. what: said to be expected.

    Raises ValueError for what does not hold real numbers: text, dates, complex numbers, None,
    lists of different lengths, numbers too large for a float, masked entries.
    """
    wanted = f"expected {name} to be {what}"
    if np.ma.is_masked(values):
        raise ValueError(f"{wanted}, got masked ones among them: remove those rows or fill them in")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{wanted}: {error}") from None
    if array.dtype.kind == "O":
        array = _of_objects(wanted, array)
    if array.dtype.kind not in _REAL_KINDS and array.dtype.name != "bfloat16":
        raise ValueError(f"{wanted}, all real, got {shown(values)} of type {array.dtype}")
    return np.array(array, np.float64)


def _of_objects(wanted: str, array: np.ndarray) -> np.ndarray:
    """Python's own numbers, as tables of mixed columns and very large whole numbers come."""
    for entry in array.flat:
        if entry is None or isinstance(entry, str | bytes) or not hasattr(entry, "__float__"):
            raise ValueError(f"{wanted}, got {shown(entry)}")
    try:
        return np.array(array, np.float64)
    except OverflowError:
        raise ValueError(f"{wanted} of double precision, got {shown(array.tolist())}") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{wanted}: {error}") from None


def place(name: str, value: object, count: int) -> int:
    """`value` as the place of one of `count` things, from 0; −1 is the last, as in Python.

    Raises TypeError for what is no whole number, such as a list or a slice, and OutOfRange, an
    IndexError, for one that is out of range.
    """
    number = whole_number(name, value)
    if not -count <= number < count:
        raise OutOfRange(
            f"expected {name} to be from 0 to {count - 1}, one of {count:,}, got {shown(number)}"
        )
    return number % count


def nested_deeper(value: object, most: int = DEEPEST) -> bool:
    """Whether lists and tables lie within each other more than `most` deep."""
    level: list[object] = [value]
    for _ in range(most + 1):
        level = [
            part
            for one in level
            if isinstance(one, dict | list | tuple)
            for part in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return any(isinstance(one, dict | list | tuple) for one in level)
