"""A summary as plain text of at most 100 columns."""

import itertools
import textwrap
from collections.abc import Iterator, Sequence

from bnnpost.summaries.summary import (
    Block,
    Facts,
    Notes,
    Paragraph,
    ShownColumn,
    ShownTable,
    Summary,
)
from bnnpost.summaries.values import NONE, Number, members

COLUMNS = 100
_GAP = "  "
_NARROW = 10  # characters of a heading that is not broken into lines
# Headings of rows of several lines that are wider have all other lines below them.
_WIDEST_HEADING = 28


def as_text(summary: Summary, *, doubts: bool = True) -> str:
    """Return headline, lead, marks and doubts, then the sections that are brief.

    doubts: whether they are in it; else whoever prints it prints them elsewhere.
    """
    parts = ["\n".join(wrapped(str(words)) for words in (summary.headline, *summary.lead) if words)]
    if summary.marks:
        parts[0] += "\n" + wrapped(" · ".join(text for text, _ in summary.marks))
    if doubts and summary.doubts:
        parts.append("\n".join(wrapped(f"doubt: {text}", 7) for text in summary.doubts))
    for section in summary.sections:
        if section.brief:
            parts += [text for block in section.blocks if (text := "\n".join(_lines(block)))]
    return "\n\n".join(filter(None, parts)).replace("\u00a0", " ")


def _lines(block: Block) -> Iterator[str]:
    """Yield the lines of a block; pictures and code are for pages, and doubts are printed above."""
    match block:
        case Facts(facts=facts):
            width = max((len(fact.label) for fact in facts), default=0)
            for fact in facts:
                yield wrapped(f"{fact.label:<{width}}  {_cell(fact.value)}", width + 2)
        case ShownTable(caption=caption) if block.shown and block.rows:
            if str(caption):
                yield wrapped(str(caption))
            yield from _stacked(block) if block.stacked else _table(block)
            if len(block.rows) > block.printed:
                yield f"… {len(block.rows) - block.printed:,} more"
        case Paragraph(text=text):
            yield wrapped(str(text))
        case Notes(texts=texts, title="") if texts:
            for text in texts:
                yield wrapped(f"note: {text}", 6)
        case Notes(texts=texts, title=title) if texts:
            yield title
            for text in texts:
                yield wrapped(f"  {text}", 4)


def _cell(value: object) -> str:
    """Return a value as text; numbers that are not as they should be have a star."""
    if value is None:
        return NONE
    if (parts := members(value)) is not None:
        return ", ".join(map(_cell, parts)) or NONE
    return f"{value}*" if isinstance(value, Number) and value.wrong else str(value)


def _table(table: ShownTable) -> Iterator[str]:
    """Yield the lines of a table, one that is too wide as several below one another.

    Sentences, in columns that are long, are below their row.
    """
    columns = [column for column in table.shown if not column.long]
    long = [column for column in table.shown if column.long]
    rows = table.rows[: table.printed]
    texts = [[_cell(row.get(column.key)) for row in rows] for column in columns]
    heads = [[str(column.head)] for column in columns]
    if sum(_widths(heads, texts)) + len(_GAP) * (len(columns) - 1) > COLUMNS:
        heads = [_head(column, cells) for column, cells in zip(columns, texts, strict=True)]
    widths = _widths(heads, texts)
    num_words = len([*itertools.takewhile(lambda column: column.words, columns)])
    for number, part in enumerate(_parts(widths, num_words)):
        if number:
            yield ""
        height = max(len(heads[i]) for i in part)
        padded = [[""] * (height - len(heads[i])) + heads[i] + texts[i] for i in part]
        sides = ["<" if columns[i].words else ">" for i in part]
        lines = aligned(list(zip(*padded, strict=True)), sides)
        yield from lines[:height]
        for row, line in zip(rows, lines[height:], strict=True):
            yield line
            if number == 0:
                yield from (f"    {text}" for c in long for text in _sentence(row.get(c.key)))


def _widths(heads: Sequence[Sequence[str]], texts: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, (*head, *cells))) for head, cells in zip(heads, texts, strict=True)]


def _sentence(value: object) -> list[str]:
    return textwrap.wrap(str(value), COLUMNS - 4) if value else []


def _head(column: ShownColumn, cells: Sequence[str]) -> list[str]:
    """Return the lines of a heading, which is about as wide as its cells or its longest word."""
    head = str(column.head)
    width = max(_NARROW, *map(len, (*cells, *head.split())))
    return textwrap.wrap(head, width, break_long_words=False, break_on_hyphens=False)


def _parts(widths: Sequence[int], num_words: int) -> list[list[int]]:
    """Return the columns of each part of a table that fits; its first columns are in all of them.

    num_words: columns at the left that hold words; these are repeated if there is room for them.
    Parts are about as wide as each other.
    """
    first = max(num_words, 1)
    while first > 1 and sum(widths[:first]) + len(_GAP) * first > COLUMNS // 2:
        first -= 1
    fewest = len(_filled(widths, first, COLUMNS))
    limits = range(COLUMNS, 0, -1)
    even = next((n for n in limits if len(_filled(widths, first, n - 1)) > fewest), COLUMNS)
    return _filled(widths, first, even)


def _filled(widths: Sequence[int], first: int, limit: int) -> list[list[int]]:
    """Return the columns of each part, each as full as the limit allows."""
    parts = [list(range(first))]
    for i in range(first, len(widths)):
        used = sum(widths[k] + len(_GAP) for k in parts[-1]) + widths[i]
        if used > limit and len(parts[-1]) > first:
            parts.append(list(range(first)))
        parts[-1].append(i)
    return parts


def _stacked(table: ShownTable) -> Iterator[str]:
    """Yield the lines of each row: short cells beside its heading, then each long one."""
    headings, others = table.shown[:2], table.shown[2:]
    rows = table.rows[: table.printed]
    starts = aligned([[_cell(row.get(c.key)) for c in headings] for row in rows], "<<")
    width = max(map(len, starts), default=0)
    indent = width + len(_GAP) if width <= _WIDEST_HEADING else 6
    for row, start in zip(rows, starts, strict=True):
        cells = [(c, row[c.key]) for c in others if row.get(c.key) not in (None, "")]
        short = [
            f"{_label(column)}\u00a0{_cell(cell)}" for column, cell in cells if not column.long
        ]
        yield wrapped(f"{start:<{width}}{_GAP}{'; '.join(short)}".rstrip(), indent)
        for column, cell in cells:
            if column.long:
                yield wrapped(f"{' ' * indent}{_label(column)}: {_cell(cell)}", indent + 2)


def _label(column: ShownColumn) -> str:
    """Return a heading as it stands within a line."""
    head = str(column.head)
    return head if head[1:2].isupper() else head[:1].lower() + head[1:]


def aligned(rows: Sequence[Sequence[str]], sides: Sequence[str]) -> list[str]:
    """Return a line for each row, in columns. sides: "<" or ">" for each column."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(sides))] if rows else []
    return [
        _GAP.join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def wrapped(text: str, indent: int = 0) -> str:
    """Return a text in lines, of which all but the first are indented.

    Blanks that hold numbers and units together stay.
    """
    return textwrap.fill(
        text.replace(" %", "\u00a0%"),
        COLUMNS,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=not indent,
    )
