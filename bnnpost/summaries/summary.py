"""What there is to say of a result, as data: printed by `text`, made a page by `page`, or JSON."""

import abc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bnnpost.summaries.values import Words, json_entries, plain

if TYPE_CHECKING:
    from bnnpost.summaries.panels import Panel

    Panels = tuple[Panel | tuple[Panel, ...], ...]

Tone = Literal["plain", "good", "bad"]


@dataclass(frozen=True)
class Fact:
    """A name and what it stands for. key: in JSON."""

    key: str
    label: str
    value: object


@dataclass(frozen=True)
class Facts:
    """Facts one below another.

    key: of their record in JSON; "" if each stands there by its own key. record: more that it
    holds there, in the place of facts of the same keys.
    """

    key: str
    facts: tuple[Fact, ...]
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ShownColumn:
    """A column of a table.

    key: of its values in the rows, and in JSON. head: None for a column that is in JSON alone.
    words: whether it holds words, and no numbers; long: whether these may be sentences, which are
    printed below their row. record: whether it is in JSON.
    """

    key: str
    head: Words | None
    words: bool = False
    long: bool = False
    record: bool = True


@dataclass(frozen=True)
class ShownTable:
    """A table, a row a mapping by the keys of its columns; without headings in JSON alone.

    key: of its rows in JSON, "" where these are there already. most: rows that a page shows;
    printed: that text has. by: the key of the column that names the rows in JSON, which are a
    mapping then, else a list. turned: the heading of the columns' names, in a table that a page
    shows with a column for each row. stacked: whether a row takes several lines where space is
    scarce, as rows of sentences do; the first two of its columns say which row it is. failed: the
    key by which a row is marked as failed.
    """

    key: str
    caption: Words
    columns: tuple[ShownColumn, ...]
    rows: tuple[Mapping[str, object], ...]
    most: int = 1000
    printed: int = 20
    by: str = ""
    turned: str = ""
    stacked: bool = False
    failed: str = ""

    @property
    def shown(self) -> tuple[ShownColumn, ...]:
        """Its columns for people."""
        return tuple(column for column in self.columns if column.head is not None)

    @property
    def records(self) -> list[dict[str, object]] | dict[str, dict[str, object]]:
        """Its rows as JSON holds them."""
        hidden = {column.key for column in self.columns if not column.record}
        records = [
            {
                name: part
                for key, value in row.items()
                if key not in hidden
                for name, part in json_entries(key, value)
            }
            for row in self.rows
        ]
        return {str(record.pop(self.by)): record for record in records} if self.by else records


@dataclass(frozen=True)
class Paragraph:
    """A sentence or a few."""

    text: Words


@dataclass(frozen=True)
class Notes:
    """Remarks, each set apart; those without a title of all sections are one list in JSON.

    title: above them, if they have one.
    """

    texts: tuple[Words, ...]
    tone: Tone = "plain"
    title: str = ""


@dataclass(frozen=True)
class Doubts:
    """What speaks against trusting a result, a sentence each. none: the text if there are none."""

    texts: tuple[str, ...]
    none: str = ""


@dataclass(frozen=True)
class Code:
    """Text to be copied as it stands. label: what it is."""

    text: str
    label: str


@dataclass(frozen=True)
class Pictures:
    """Panels side by side, several in a tuple one below another.

    panels: or what returns them, if they take time that only a page needs. title: above them.
    legend: styles, and what has them. main: wider than others.
    """

    panels: "Panels | Callable[[], Panels]"
    caption: Words | None = None
    columns: int = 2
    main: bool = False
    legend: tuple[tuple[str, str], ...] = ()
    title: str = ""


@dataclass(frozen=True)
class Nested:
    """Summaries of parts, folded on a page and not printed.

    key: of a table of as many rows, to whose records those of the parts are added in JSON. part:
    returns the summary of the i-th, None if there is none yet. most: so many are on a page.
    """

    key: str
    count: int
    part: "Callable[[int], Summary | None]"
    most: int = 400


Block = Facts | ShownTable | Paragraph | Notes | Doubts | Code | Pictures | Nested


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
    headline: Words
    lead: tuple[Words, ...] = ()
    marks: tuple[tuple[str, Tone], ...] = ()
    sections: tuple[Section, ...] = ()
    footer: Words = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        from bnnpost.summaries.text import as_text

        return as_text(self)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of all sections."""
        for section in self.sections:
            yield from section.blocks

    @property
    def doubts(self) -> tuple[str, ...]:
        """All that speaks against trusting the result."""
        return tuple(t for block in self.blocks() if isinstance(block, Doubts) for t in block.texts)

    @property
    def notes(self) -> tuple[Words, ...]:
        """All remarks."""
        return tuple(t for block in self.blocks() if isinstance(block, Notes) for t in block.texts)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data for JSON; numbers that are not finite are None.

        Blocks of one key are one record: facts are added, and rows of tables in their order.
        """
        record: dict[str, Any] = {
            "kind": self.kind,
            "headline": self.headline,
            "lead": list(self.lead),
            "marks": [{"text": text, "tone": tone} for text, tone in self.marks],
            "doubts": list(self.doubts),
            "notes": list(self.notes),
            **self.data,
        }
        for block in self.blocks():
            match block:
                case Facts(key, facts, more):
                    own = {k: v for fact in facts for k, v in json_entries(fact.key, fact.value)}
                    own |= more
                    record |= {key: _joined(record.get(key), own)} if key else own
                case ShownTable(key) if key:
                    record[key] = _joined(record.get(key), block.records)
                case Nested(key, count, part):
                    parts = [found.to_dict() if (found := part(i)) else {} for i in range(count)]
                    record[key] = _joined(record.get(key), parts)
        return dict(plain(record))


class Described(abc.ABC):
    """A result of which there is one description, and all that people and programs read of it."""

    @abc.abstractmethod
    def describe(self) -> Summary:
        """Return the description, of which text, page and JSON are made."""

    def __str__(self) -> str:
        return self.summary()

    def summary(self) -> str:
        """Return the text: what was found first, then what it rests on."""
        return str(self.describe())

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; numbers that are not finite are None."""
        return self.describe().to_dict()


def _joined(before: Any, after: Any) -> Any:
    """Return two records of one key as one."""
    if before is None:
        return after
    if isinstance(before, Mapping):
        return {**before, **after}
    return [{**old, **new} for old, new in zip(before, after, strict=True)]
