"""Small pictures as SVG, coloured by the page's style, so that they are legible on light and dark.

No ids and no references: a picture may be shown many times on a page.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bnnpost.pages.elements import Html, element
from bnnpost.pages.parts import raised

_MOST_POINTS, _MOST_PIXELS = 400, 1.35  # of a long series; a unit


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
class Plot:
    """A picture with two axes. Sizes in its own units, of which 400 are about a phone's width."""

    x: AxisScale
    y: AxisScale
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

    def line(self, xs: object, ys: object, kind: str) -> Html:
        """A line through points; where one is not finite it is broken."""
        across, up = self._places(xs, ys)
        good = np.isfinite(across) & np.isfinite(up)
        pieces = np.split(np.arange(len(good)), np.flatnonzero(~good))
        drawn = (p[good[p]] for p in pieces)
        path = " ".join(
            "M" + " ".join(f"{across[i]:.1f} {up[i]:.1f}" for i in piece)
            for piece in drawn
            if len(piece) > 1
        )
        return element("path", d=path, class_=f"line {kind}") if path else Html("")

    def area(self, xs: object, ys: object, kind: str) -> Html:
        """What is between a line and the lower axis."""
        across, up = self._places(xs, ys)
        if not len(across):
            return Html("")
        points = " ".join(f"{a:.1f} {b:.1f}" for a, b in zip(across, up, strict=True))
        base = self.inner[1]
        path = f"M{across[0]:.1f} {base} {points} {across[-1]:.1f} {base}Z"
        return element("path", d=path, class_=f"area {kind}")

    def band(self, xs: object, lows: object, highs: object, kind: str) -> Html:
        """What is between two lines."""
        across, below = self._places(xs, lows)
        _, above = self._places(xs, highs)
        round_ = [*zip(across, above, strict=True), *zip(across[::-1], below[::-1], strict=True)]
        points = " ".join(f"{a:.1f} {b:.1f}" for a, b in round_)
        return element("path", d=f"M{points}Z", class_=f"area {kind}")

    def dot(self, x: float, y: float, kind: str, said: str = "") -> Html:
        """A point, with what is said of it when it is pointed at."""
        (across,), (up,) = self._places([x], [y])
        if not (np.isfinite(across) and np.isfinite(up)):
            return Html("")
        said_of = element("title", said) if said else None
        return element(
            "circle", said_of, cx=f"{across:.1f}", cy=f"{up:.1f}", r=4, class_=f"dot {kind}"
        )

    def bar(self, x: float, low: float, high: float, kind: str) -> Html:
        """An upright line between two values; a lower one that is nowhere on the axis is below."""
        (across, _), (down, up) = self._places([x, x], [low, high])
        if not (np.isfinite(across) and np.isfinite(up)):
            return Html("")
        down = self.inner[1] + 5.0 if not np.isfinite(down) else down
        path = f"M{across:.1f} {down:.1f} {across:.1f} {up:.1f}"
        return element("path", d=path, class_=f"line {kind}")

    def text(self, x: float, y: float, words: str, kind: str = "") -> Html:
        """Words at shares of the inner width and height, from the left and from the top."""
        across, down = x * self.inner[0], y * self.inner[1]
        return element("text", words, x=f"{across:.1f}", y=f"{down:.1f}", class_=kind or None)

    def _places(self, xs: object, ys: object) -> tuple[np.ndarray, np.ndarray]:
        across, down = self.inner
        return self.x.share(np.asarray(xs)) * across, (1 - self.y.share(np.asarray(ys))) * down

    def draw(
        self,
        parts: Iterable[Html],
        *,
        title: str,
        said: str,
        x_label: str = "",
        y_label: str = "",
        note: str = "",
    ) -> Html:
        """The picture. title: above it, note: below that; said: what it shows, in words."""
        across, down = self.inner
        inside = element(
            "svg", *parts, x=self.left, y=self.top, width=across, height=down, class_="inside"
        )
        words = [element("text", title, x=2, y=15, class_="title")] if title else []
        if note:
            words.append(element("text", note, x=2, y=31, class_="note"))
        if x_label:
            middle = self.left + across / 2
            words.append(
                element("text", x_label, x=middle, y=self.height - 5, class_="label middle")
            )
        if y_label:
            turn = f"rotate(-90 11 {self.top + down / 2:g})"
            at = {"x": 11, "y": f"{self.top + down / 2:g}"}
            words.append(element("text", y_label, **at, transform=turn, class_="label middle"))
        return element(
            "svg",
            *words,
            self._axes(),
            inside,
            viewBox=f"0 0 {self.width} {self.height}",
            role="img",
            aria_label=f"{title}. {said}" if title else said,
            # Where there is room; on a wide screen letters would else become too large.
            width=f"{_MOST_PIXELS * self.width:.0f}",
            class_="plot",
        )

    def _axes(self) -> Html:
        across, down = self.inner
        parts = []
        for value, words in self.x.marks:
            x = self.left + float(self.x.share(value)) * across
            y = self.top + down
            parts.append(element("path", d=f"M{x:.1f} {y} {x:.1f} {y + 4}", class_="axis"))
            parts.append(element("text", words, x=f"{x:.1f}", y=y + 16, class_="tick middle"))
        for value, words in self.y.marks:
            y_at = self.top + (1 - float(self.y.share(value))) * down
            ends = f"M{self.left} {y_at:.1f} {self.left + across} {y_at:.1f}"
            parts.append(element("path", d=ends, class_="rule"))
            parts.append(
                element("text", words, x=self.left - 6, y=f"{y_at + 3.5:.1f}", class_="tick end")
            )
        base = self.top + down
        parts.append(
            element("path", d=f"M{self.left} {base} {self.left + across} {base}", class_="axis")
        )
        return element("g", *parts)


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
