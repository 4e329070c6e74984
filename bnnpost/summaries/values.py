"""Numbers, and sentences with numbers in them, as people read them and as JSON holds them."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bnnpost.spelling import (
    byte_size,
    count,
    duration,
    p_in_words,
    paired,
    power_of_ten,
    rounded,
)

NONE = "–"
Form = Literal[
    "measured", "count", "about", "exponent", "places", "percent", "seconds", "bytes",
    "p_value",
]  # fmt: skip


@dataclass(frozen=True)
class Number:
    """A number to be read.

    error: its standard error, to which it is rounded unless it has "places". low, high: the ends of
    its 95 % interval. digits: significant ones, or decimals of "places" and "percent". form:
    "measured"; "count", of things; "about", of things that are not counted yet, in two digits;
    "exponent", of a power of ten, which is read instead; "places", a fixed number of decimals;
    "percent", of a share; "seconds"; "bytes"; "p_value". wrong: whether it is not as it should be.
    """

    value: float
    error: float = math.nan
    digits: int = 3
    form: Form = "measured"
    wrong: bool = False
    low: float = math.nan
    high: float = math.nan

    def __str__(self) -> str:
        """Return the number as it is read, with its error or interval; "–" if it is not known."""
        if not self.interval:
            return self.alone
        return f"{self.alone} {self.interval}"

    @property
    def alone(self) -> str:
        """The number without its interval."""
        if math.isfinite(self.value) and math.isfinite(self.error) and self.error > 0:
            if self.form == "places":
                return f"{self._spelled(self.value)} ± {self._spelled(self.error)}"
            return paired(self.value, self.error)
        return self._spelled(self.value)

    @property
    def interval(self) -> str:
        """The interval in brackets; empty if there is none."""
        if not (math.isfinite(self.value) and math.isfinite(self.low)):
            return ""
        return f"[{self._spelled(self.low)}, {self._spelled(self.high)}]"

    @property
    def data(self) -> float:
        """The value in JSON, where counts are whole."""
        is_whole = self.form == "count" and math.isfinite(self.value)
        return int(self.value) if is_whole and self.value == int(self.value) else self.value

    def _spelled(self, value: float) -> str:
        if value == -math.inf and self.form == "exponent":
            return "0"
        too_large = value == math.inf and self.form in ("about", "seconds")
        if not (math.isfinite(value) or too_large):
            return NONE
        match self.form:
            case "count":
                return f"{value:,.0f}"
            case "about":
                return count(value)
            case "exponent":
                return power_of_ten(value, self.digits)
            case "percent":
                return f"{100 * value:.{self.digits}f} %"
            case "bytes":
                return byte_size(value)
            case "places":
                text = f"{value:.{self.digits}f}"
                return (text if float(text) else text.removeprefix("-")).replace("-", "−")
            case "seconds":
                return duration(value)
            case "p_value":
                return p_in_words(value)
        return rounded(value, self.digits)


def measured(value: float, error: float | None = None, digits: int = 3) -> Number:
    """Return a measured number, perhaps with its standard error."""
    return Number(float(value), math.nan if error is None else float(error), digits)


def counted(value: float) -> Number:
    """Return a number of things."""
    return Number(float(value), form="count")


def expected_count(value: float) -> Number:
    """Return about how many things there will be; infinity is told as too large a number."""
    return Number(float(value), form="about")


def close_to_one(value: float, wrong: bool = False) -> Number:
    """Return a number with three decimals."""
    return Number(float(value), form="places", wrong=wrong)


def p_value(value: float) -> Number:
    """Return a p-value."""
    return Number(float(value), form="p_value")


def lasted(seconds: float) -> Number:
    """Return a time."""
    return Number(float(seconds), form="seconds")


@dataclass(frozen=True)
class Span:
    """Words of a text that a page shows in another way than the rest.

    kind: "power", a raised exponent; "interval", not broken over lines; "unit", small; "code";
    "wrong", not as it should be; "link" to `address`; "swatch", a sample of the colour of bands.
    """

    words: str
    kind: Literal["power", "interval", "unit", "code", "wrong", "link", "swatch"]
    address: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "power":
                return f"^{self.words}"
            case "unit":
                return f"({self.words})"
        return self.words


@dataclass(frozen=True)
class Text:
    """A text of several parts: words, numbers and spans."""

    parts: tuple["str | Number | Span | Text", ...]

    @classmethod
    def of(cls, *parts: "str | Number | Span | Text") -> "Text":
        """Return the parts as one text."""
        return cls(parts)

    def __str__(self) -> str:
        return "".join(map(str, self.parts))


Words = str | Text


def members(value: object) -> list[object] | None:
    """Return what a list, or a mapping as "key value", holds; None for anything else."""
    if isinstance(value, Mapping):
        return [Text.of(f"{key} ", str(member)) for key, member in value.items()]
    return list(value) if isinstance(value, list | tuple) else None


def json_entries(key: str, value: object) -> Iterator[tuple[str, object]]:
    """Yield what JSON holds of a value: itself, and its error or interval by keys of their own."""
    if not isinstance(value, Number):
        yield key, value
        return
    yield key, value.data
    if math.isfinite(value.error):
        yield f"{key}_se", value.error
    if math.isfinite(value.low):
        yield f"{key}_low", value.low
        yield f"{key}_high", value.high


def plain(value: Any) -> Any:
    """Return plain data for JSON; numbers that are not finite become None."""
    if isinstance(value, Number):
        return plain(value.data)
    if isinstance(value, str | Text | Span):
        return str(value).replace("\u00a0", " ")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
