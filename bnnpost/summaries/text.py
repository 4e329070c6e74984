"""A summary as plain text of at most 100 columns."""

import textwrap
from collections.abc import Iterator, Sequence

from bnnpost.summaries.summary import Block, Facts, Notes, Paragraph, ShownTable, Summary

COLUMNS = 100
_MOST_ROWS = 20


def as_text(summary: Summary, *, doubts: bool = True) -> str:
    """Headline, lead, marks and doubts, then the sections that are brief.

    doubts: whether they are in it; else whoever prints it says them elsewhere.
    """
    parts = ["\n".join(map(wrapped, (summary.headline, *summary.lead)))]
    if summary.marks:
        parts[0] += "\n" + wrapped(" · ".join(text for text, _ in summary.marks))
    if doubts and summary.doubts:
        parts.append("\n".join(_hanging(f"doubt: {text}", 7) for text in summary.doubts))
    for section in summary.sections:
        if section.brief:
            parts += [text for block in section.blocks if (text := "\n".join(_lines(block)))]
    return "\n\n".join(parts).replace("\u00a0", " ")


def _lines(block: Block) -> Iterator[str]:
    """Of a block; pictures and code are for pages, and doubts are said above."""
    match block:
        case Facts(facts=facts):
            width = max((len(fact.label) for fact in facts), default=0)
            for fact in facts:
                yield _hanging(f"{fact.label:<{width}}  {fact.value}", width + 2)
        case ShownTable():
            yield from _table(block)
        case Paragraph(text=text):
            yield wrapped(text)
        case Notes(texts=texts):
            for text in texts:
                yield _hanging(f"note: {text}", 6)


def _table(table: ShownTable) -> Iterator[str]:
    if table.caption:
        yield wrapped(table.caption)
    shown = table.shown
    rows = [[str(row.get(column.key, "–")) for column in shown] for row in table.rows[:_MOST_ROWS]]
    heads = [str(column.head) for column in shown]
    yield from aligned([heads, *rows], ["<" if column.words else ">" for column in shown])
    if len(table.rows) > _MOST_ROWS:
        yield f"… {len(table.rows) - _MOST_ROWS:,} more"


def aligned(rows: Sequence[Sequence[str]], sides: Sequence[str]) -> list[str]:
    """A line a row, in columns. sides: of each column, "<" or ">", at which its texts are."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def wrapped(text: str) -> str:
    """A text in lines; blanks that hold numbers and units together stay."""
    return textwrap.fill(text, COLUMNS, break_on_hyphens=False)


def _hanging(text: str, indent: int) -> str:
    return textwrap.fill(
        text,
        COLUMNS,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
