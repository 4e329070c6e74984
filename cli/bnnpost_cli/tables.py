"""What draws are expected to cost as plain text of at most 100 columns; tables."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

_COLUMNS = 100


def by_heads(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows under the heads that are their keys, each text at the right; ? where a row has none."""
    heads = list(dict.fromkeys(head for row in rows for head in row))
    texts = [[row.get(head, "?") for head in heads] for row in rows]
    return "\n".join(aligned([heads, *texts], side=">"))


def aligned(rows: Sequence[Sequence[str]], side: str = "<") -> list[str]:
    """A line a row, in columns; side: of each column at which texts are."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def advice(found: Mapping[int, Any]) -> str:
    """The sentences of costs by width, what several widths share said once, wrapped."""
    widths: dict[str, list[int]] = {}
    for width, cost in found.items():
        for sentence in cost.sentences:
            widths.setdefault(sentence, []).append(width)
    lines = ["Advice"]
    # What is one width's comes first, what is every width's last.
    for sentence, concerned in sorted(widths.items(), key=lambda item: len(item[1])):
        label = "every width" if len(concerned) == len(found) else listed(concerned)
        text = sentence if len(found) == 1 else f"{label}: {sentence}"
        lines.append(indented(f"  {text}", 4))
    return "\n".join(lines)


def listed(widths: Sequence[int]) -> str:
    """Widths, as part of a sentence."""
    return f"width{'s' if len(widths) > 1 else ''} {', '.join(map(str, widths))}"


def indented(line: str, indent: int) -> str:
    """The line wrapped, with what follows its first line indented."""
    return textwrap.fill(line, _COLUMNS, subsequent_indent=" " * indent)


def wrapped(text: str) -> str:
    """Each line of the text wrapped."""
    return "\n".join(part for line in text.splitlines() for part in textwrap.wrap(line, _COLUMNS))
