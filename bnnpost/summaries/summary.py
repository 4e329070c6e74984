"""What there is to say of a result, as data: printed by `text`, made a page by `page`, or JSON."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bnnpost.spelling import duration, paired, rounded
from bnnpost.summaries.panels import Panel

Tone = Literal["plain", "good", "bad"]


@dataclass(frozen=True)
class Number:
    """A number to be read. error: its standard error. digits: significant ones.

    form: "measured"; "count", of things; "places", three decimals, of what is close to 1;
    "seconds". wrong: whether it is not as it should be.
    """

    value: float
    error: float = math.nan
    digits: int = 3
    form: Literal["measured", "count", "places", "seconds"] = "measured"
    wrong: bool = False

    def __str__(self) -> str:
        """As it is read; "–" where it is not finite."""
        if not math.isfinite(self.value):
            return "–"
        match self.form:
            case "count":
                return f"{self.value:,.0f}"
            case "places":
                return f"{self.value:.3f}".replace("-", "−")
            case "seconds":
                return duration(self.value)
        known = math.isfinite(self.error) and self.error > 0
        return paired(self.value, self.error) if known else rounded(self.value, self.digits)


def measured(value: float, error: float | None = None, digits: int = 3) -> Number:
    """A measured number, perhaps with its standard error."""
    return Number(float(value), math.nan if error is None else float(error), digits)


def counted(value: float) -> Number:
    """A number of things."""
    return Number(float(value), form="count")


def close_to_one(value: float, wrong: bool = False) -> Number:
    """To three places."""
    return Number(float(value), form="places", wrong=wrong)


def lasted(seconds: float) -> Number:
    """A time."""
    return Number(float(seconds), form="seconds")


@dataclass(frozen=True)
class Fact:
    """A name and what it stands for. key: in JSON."""

    key: str
    label: str
    value: object


@dataclass(frozen=True)
class Facts:
    """Facts one below another. key: of their record in JSON. record: more that it holds there."""

    key: str
    facts: tuple[Fact, ...]
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ShownColumn:
    """A column of a table. key: in JSON; head: None for one that is in JSON alone.

    words: whether it holds words, and no numbers.
    """

    key: str
    head: str | None
    words: bool = False


@dataclass(frozen=True)
class ShownTable:
    """A table, a row a mapping by the keys of its columns. most: rows that a page shows."""

    key: str
    caption: str
    columns: tuple[ShownColumn, ...]
    rows: tuple[Mapping[str, object], ...]
    most: int = 1000

    @property
    def shown(self) -> tuple[ShownColumn, ...]:
        """Its columns for people."""
        return tuple(column for column in self.columns if column.head is not None)


@dataclass(frozen=True)
class Paragraph:
    """A sentence or a few."""

    text: str


@dataclass(frozen=True)
class Notes:
    """Remarks, each set apart."""

    texts: tuple[str, ...]
    tone: Tone = "plain"


@dataclass(frozen=True)
class Doubts:
    """What speaks against trusting a result, a sentence each. none: what is said without any."""

    texts: tuple[str, ...]
    none: str = ""


@dataclass(frozen=True)
class Code:
    """Text to be copied as it stands. label: what it is."""

    text: str
    label: str


@dataclass(frozen=True)
class Pictures:
    """Panels side by side. legend: styles, and what has them. main: wider than others."""

    panels: tuple[Panel, ...]
    caption: str | None = None
    columns: int = 2
    main: bool = False
    legend: tuple[tuple[str, str], ...] = ()


Block = Facts | ShownTable | Paragraph | Notes | Doubts | Code | Pictures


@dataclass(frozen=True)
class Section:
    """A part. key: its place in a page. brief: whether it is printed; folded: on a page."""

    title: str
    key: str
    blocks: tuple[Block, ...]
    brief: bool = False
    folded: bool = False


@dataclass(frozen=True)
class Summary:
    """What there is to say of one result.

    title: of a page; kind: what the result is. headline: what was found, in a sentence; lead: more
    sentences. marks: short remarks with "good", "bad" or "plain". data: more for JSON alone.
    """

    title: str
    kind: str
    headline: str
    lead: tuple[str, ...] = ()
    marks: tuple[tuple[str, Tone], ...] = ()
    sections: tuple[Section, ...] = ()
    footer: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        from bnnpost.summaries.text import as_text

        return as_text(self)

    def blocks(self) -> Iterator[Block]:
        """Those of all sections."""
        for section in self.sections:
            yield from section.blocks

    @property
    def doubts(self) -> tuple[str, ...]:
        """All that speaks against trusting the result."""
        return tuple(t for one in self.blocks() if isinstance(one, Doubts) for t in one.texts)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data for JSON; numbers that are not finite are None."""
        found: dict[str, Any] = {
            "kind": self.kind,
            "headline": self.headline,
            "lead": list(self.lead),
            "marks": [{"text": text, "tone": tone} for text, tone in self.marks],
            "doubts": list(self.doubts),
            **self.data,
        }
        for block in self.blocks():
            if isinstance(block, Facts):
                facts = {k: v for one in block.facts for k, v in _entries(one.key, one.value)}
                found[block.key] = {**found.get(block.key, {}), **facts, **block.record}
            elif isinstance(block, ShownTable):
                found[block.key] = [
                    {k: v for key, value in row.items() for k, v in _entries(key, value)}
                    for row in block.rows
                ]
        return plain(found)


def _entries(key: str, value: object) -> Sequence[tuple[str, object]]:
    """A value by its key, and its standard error by another."""
    if not isinstance(value, Number):
        return [(key, value)]
    found: list[tuple[str, object]] = [(key, value.value)]
    return [*found, (f"{key}_se", value.error)] if math.isfinite(value.error) else found


def plain(value: Any) -> Any:
    """Plain data for JSON: numbers that are not finite become None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, str):
        return value.replace("\u00a0", " ")
    return None if isinstance(value, float) and not math.isfinite(value) else value
