"""A summary as one HTML page that loads nothing."""

import importlib.resources
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bnnpost.storage import write_text
from bnnpost.summaries.elements import Html, element, join
from bnnpost.summaries.page_files import GENERATOR, check_free
from bnnpost.summaries.summary import (
    Block,
    Code,
    Described,
    Doubts,
    Facts,
    Nested,
    Notes,
    Paragraph,
    Pictures,
    Section,
    ShownColumn,
    ShownTable,
    Summary,
)
from bnnpost.summaries.values import NONE, Text, members

if TYPE_CHECKING:
    from bnnpost.summaries.panels import Panel


def write_html(result: Described, path: str | os.PathLike[str]) -> None:
    """Write a result as one page that loads nothing, whole or not at all.

    result: of `bnnpost.verify`, `bnnpost.invariance` or `bnnpost.calibrate`. A page that is there
    is replaced. Raises `bnnpost.reports.NotAReport` for any other file, FileNotFoundError if the
    folder does not exist.
    """
    target = Path(path)
    check_free(target)
    write_text(target, as_page(result.describe()))


def as_page(summary: Summary) -> str:
    """Return one file that loads nothing, with all of a summary but what is for JSON alone."""
    head = join(
        [
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="generator", content=GENERATOR),
            element("meta", name="color-scheme", content="light dark"),
            element("title", summary.title),
            element("style", Html(_shipped("style.css"))),
        ],
        "\n",
    )
    body = join(
        [
            element("a", "Skip to the contents", class_="skip", href="#contents"),
            _top(summary),
            _contents(summary.sections),
            element("main", *map(_section, summary.sections), id="contents"),
            element("footer", summary.footer),
            element("script", Html(_shipped("zoom.js"))),
        ],
        "\n",
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n'
        "</html>\n"
    )


def _shipped(name: str) -> str:
    return (importlib.resources.files("bnnpost.summaries") / name).read_text(encoding="utf-8")


def _top(summary: Summary) -> Html:
    marks = [element("li", words, class_=f"mark {tone}") for words, tone in summary.marks]
    return element(
        "header",
        element("p", summary.kind, class_="kind"),
        element("h1", summary.headline),
        *(element("p", words, class_="lead") for words in summary.lead),
        element("ul", *marks, class_="marks") if marks else None,
    )


def _contents(sections: Sequence[Section]) -> Html | None:
    """Return links to the sections, where they are many."""
    if len(sections) < 3:
        return None
    links = (element("li", element("a", s.title, href=f"#{s.key}")) for s in sections)
    return element("nav", element("ul", *links), aria_label="Sections")


def _section(section: Section) -> Html:
    heading, body = element("h2", section.title), join(map(_block, section.blocks))
    if section.folded:
        inner = element("details", element("summary", heading), body, class_="whole")
        return element("section", inner, id=section.key)
    return element("section", heading, body, id=section.key)


def _block(block: Block) -> Html | None:
    """Return a block of a page; None if there is nothing to show."""
    match block:
        case Facts(facts=facts):
            pairs = (
                element("div", element("dt", f.label), element("dd", _cell(f.value))) for f in facts
            )
            return element("dl", *pairs, class_="facts")
        case ShownTable() if block.shown:
            return _table(block)
        case Paragraph(words):
            return element("p", words)
        case Notes(texts, tone, title):
            heading = element("p", title, class_="caption") if title and texts else None
            return join([heading, _notes(texts, tone)])
        case Doubts(texts, none):
            return _notes(texts, "bad") or (element("p", none) if none else None)
        case Code(text, label):
            lines = element("pre", element("code", text), aria_label=label)
            return element("div", lines, class_="code")
        case Pictures():
            return _pictures(block)
        case Nested():
            return join(_nested(block))
    return None


def _notes(texts: Iterable[object], tone: str) -> Html | None:
    items = [element("li", text) for text in texts]
    return element("ul", *items, class_=f"notes {tone}") if items else None


def _table(table: ShownTable) -> Html:
    """Return a table that scrolls by itself where the screen is narrow, its title staying."""
    columns, rows = table.shown, table.rows[: table.most]
    if table.turned:
        first, *others = columns
        heads = [table.turned, *(row[first.key] for row in rows)]
        head = _heading_row(heads, [True, *(False for _ in rows)])
        body = [
            element(
                "tr",
                element("th", column.head, scope="row"),
                *(element("td", _cell(row.get(column.key)), class_="number") for row in rows),
            )
            for column in others
        ]
    else:
        head = _heading_row([column.head for column in columns], [c.words for c in columns])
        body = [_row(row, columns, table) for row in rows]
    inner = element(
        "table",
        element("thead", head),
        element("tbody", *body),
        class_="stacked" if table.stacked else None,
        aria_label=table.caption,
    )
    frame = element(
        "div", inner, class_="wide", tabindex=0, role="region", aria_label=table.caption
    )
    return join([element("p", table.caption, class_="caption"), frame])


def _heading_row(heads: Sequence[object], words: Sequence[bool]) -> Html:
    cells = (
        element("th", head, scope="col", class_=None if is_words else "number")
        for head, is_words in zip(heads, words, strict=True)
    )
    return element("tr", *cells)


def _row(row: Mapping[str, object], columns: Sequence[ShownColumn], table: ShownTable) -> Html:
    """Return a row; its first cell, of a stacked table the second, is its heading."""
    cells = []
    for i, column in enumerate(columns):
        is_heading = i == (1 if table.stacked else 0)
        kind = "words" if column.long else None if column.words else "number"
        value = _cell(row.get(column.key))
        if table.stacked and isinstance(value, Text):
            value = element("span", value)  # whose parts would be placed one by one
        cells.append(
            element(
                "th" if is_heading else "td",
                value,
                class_=None if is_heading else kind,
                scope="row" if is_heading else None,
                data_head=column.head or "Verdict" if table.stacked else None,
            )
        )
    failed = bool(table.failed and row.get(table.failed))
    return element("tr", *cells, class_="failed" if failed else None)


def _cell(value: object) -> object:
    if (parts := members(value)) is not None:
        return join(map(_cell, parts), ", ") or NONE
    return NONE if value is None else value


def _pictures(block: Pictures) -> Html:
    """Return panels side by side as far as there is room, with their explanation if there is one.

    Main ones are wider than others of the page; on a phone their letters are made as large.
    """
    items = (element("li", element("span", class_=f"key {s}"), words) for s, words in block.legend)
    panels = block.panels() if callable(block.panels) else block.panels
    kind = f"pictures across-{block.columns}{' main' if block.main else ''}"
    return join(
        [
            element("ul", *items, class_="legend") if block.legend else None,
            element("h3", block.title) if block.title else None,
            element(
                "figure",
                element("div", *map(_picture, panels), class_=kind),
                element("figcaption", block.caption) if block.caption is not None else None,
            )
            if panels
            else None,
        ]
    )


def _picture(panel: "Panel | tuple[Panel, ...]") -> Html:
    from bnnpost.summaries.svg import svg  # with numpy, which texts do without

    if isinstance(panel, tuple):
        return element("div", *map(_picture, panel))
    return element("div", svg(panel), class_="picture")


def _nested(block: Nested) -> Iterator[Html]:
    """Yield each part's summary, folded below its title."""
    shown = 0
    for i in range(block.count):
        if shown == block.most:
            return
        part = block.part(i)
        if part is None:
            continue
        shown += 1
        yield element(
            "details",
            element("summary", element("h3", part.title)),
            element("p", part.headline),
            *(element("p", words) for words in part.lead),
            *(
                join([element("h4", section.title), *map(_block, section.blocks)])
                for section in part.sections
            ),
        )
