"""Small pictures described: axes, what is drawn between them, and what is said of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bnnpost.spelling import raised

_MOST_POINTS = 400  # of a long series


@dataclass(frozen=True)
class AxisScale:
    """An axis from low to high, with marks at some values."""

    low: float
    high: float
    log: bool = False
    marks: tuple[tuple[float, str], ...] = ()

    def share(self, value: np.ndarray | float) -> np.ndarray:
        """Where values are between the ends: 0 and 1 there."""
        place = np.asarray(value, float)
        low, high = self.low, self.high
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                place, low, high = np.log(place), math.log(low), math.log(high)
        return np.asarray((place - low) / (high - low))


def linear(low: float, high: float, most: int = 5) -> AxisScale:
    """An even axis, marked at round values."""
    if not high > low:
        low, high = low - 0.5, low + 0.5
    step = _round_step((high - low) / most)
    values = np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1) * step
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    marks = tuple((float(v), f"{v + 0.0:.{places}f}".replace("-", "−")) for v in values)
    return AxisScale(low, high, False, marks)


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


def logarithmic(low: float, high: float) -> AxisScale:
    """A logarithmic axis, marked at powers of ten, or where there are few at 1, 2 and 5 as well."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, (last - first) // 5)
    decades = [10.0**k for k in range(first, last + 1, every)]
    inside = [v for v in decades if low <= v <= high]
    if len(inside) < 2:
        inside = [m * 10.0**k for k in range(first, last + 1) for m in (1, 2, 5)]
        inside = [v for v in inside if low <= v <= high]
    return AxisScale(low, high, True, tuple((v, _power(v)) for v in inside))


def _power(value: float) -> str:
    if 1e-3 <= value < 1e5:
        return f"{value:,.10g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    power = f"10{raised(int(exponent))}"
    return power if mantissa == "1" else f"{mantissa}·{power}"


def named_ticks(values: Sequence[float], *, log: bool, margin: float = 1.5) -> AxisScale:
    """An axis marked at these values themselves, those left out that would touch."""
    low, high = min(values) / margin, max(values) * margin
    whole = AxisScale(low, high, log)
    kept: list[float] = []
    for value in sorted(values, reverse=True):
        if not kept or whole.share(kept[-1]) - whole.share(value) > _apart(kept[-1], value):
            kept.append(value)
    return AxisScale(low, high, log, tuple((v, f"{v:g}") for v in kept))


def _apart(*values: float) -> float:
    """How far apart two marks must be, in shares of the axis of the smallest pictures."""
    return 0.025 + 0.029 * sum(len(f"{value:g}") for value in values) / 2


@dataclass(frozen=True)
class Line:
    """A line through points; where one is not finite it is broken. style: colour and strokes."""

    xs: ArrayLike
    ys: ArrayLike
    style: str


@dataclass(frozen=True)
class Area:
    """What is between a line and the lower axis."""

    xs: ArrayLike
    ys: ArrayLike
    style: str


@dataclass(frozen=True)
class Band:
    """What is between two lines."""

    xs: ArrayLike
    lows: ArrayLike
    highs: ArrayLike
    style: str


@dataclass(frozen=True)
class Dot:
    """A point, with what is said of it when it is pointed at."""

    x: float
    y: float
    style: str
    said: str = ""


@dataclass(frozen=True)
class Bar:
    """An upright line between two values; a lower one that is nowhere on the axis is below."""

    x: float
    low: float
    high: float
    style: str


Shape = Line | Area | Band | Dot | Bar


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A picture with two axes. Sizes in its own units, of which 400 are about a phone's width.

    title: above it, note: below that; said: what it shows, in words.
    """

    x: AxisScale
    y: AxisScale
    shapes: Sequence[Shape]
    title: str = ""
    said: str
    x_label: str = ""
    y_label: str = ""
    note: str = ""
    width: int = 400
    height: int = 250
    left: int = 48
    right: int = 10
    top: int = 44
    bottom: int = 42

    @property
    def inner(self) -> tuple[int, int]:
        """Width and height between the axes."""
        return self.width - self.left - self.right, self.height - self.top - self.bottom


def thinned(ys: np.ndarray, most: int = _MOST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Places and values of a long series: its ends, and of each stretch its least and greatest."""
    places = np.arange(len(ys))
    if len(ys) <= most:
        return places, ys
    kept = {0, len(ys) - 1}
    for stretch in np.array_split(places, most // 2 - 1):
        kept |= {int(stretch[pick(ys[stretch])]) for pick in (np.argmin, np.argmax)}
    chosen = np.array(sorted(kept))
    return chosen, ys[chosen]
