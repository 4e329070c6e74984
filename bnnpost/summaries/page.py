"""The frame of every page, and where one may be written: never in the place of something else."""

import importlib.resources
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnpost.summaries import parts
from bnnpost.summaries.elements import Html, element, join
from bnnpost.summaries.summary import (
    Block,
    Code,
    Doubts,
    Facts,
    Notes,
    Paragraph,
    Pictures,
    ShownTable,
    Summary,
)

# Pages of ours are known by this, so that no other file is written over.
GENERATOR = "bnnpost report 1"
_HEAD_LENGTH = 2000
ENDINGS = (".html", ".htm")


@dataclass(frozen=True)
class HtmlSection:
    """A part of a page. title: of its heading; anchor: its place in the page, by which it is found.

    folded: shown when asked for, and on paper.
    """

    title: str
    anchor: str
    body: Html
    folded: bool = False


def page(
    *,
    title: str,
    kind: str,
    headline: object,
    lead: Sequence[object] = (),
    marks: Sequence[tuple[str, str]] = (),
    sections: Sequence[HtmlSection] = (),
    footer: object = "",
) -> str:
    """One file that loads nothing.

    kind: what the page is about, above the headline. lead: paragraphs below it. marks: short
    remarks, each with "good", "bad" or "plain".
    """
    head = join(
        [
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="generator", content=GENERATOR),
            element("meta", name="color-scheme", content="light dark"),
            element("title", title),
            element("style", Html(_shipped("style.css"))),
        ],
        "\n",
    )
    body = join(
        [
            element("a", "Skip to the contents", class_="skip", href="#contents"),
            _top(kind, headline, lead, marks),
            _contents(sections),
            element("main", *(_section(one) for one in sections), id="contents"),
            element("footer", footer),
            element("script", Html(_shipped("zoom.js"))),
        ],
        "\n",
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n'
        "</html>\n"
    )


def as_page(summary: Summary) -> str:
    """One file that loads nothing, with all that a summary says."""
    return page(
        title=summary.title,
        kind=summary.kind,
        headline=summary.headline,
        lead=summary.lead,
        marks=summary.marks,
        sections=[
            HtmlSection(one.title, one.key, join(map(as_html, one.blocks)), one.folded)
            for one in summary.sections
        ],
        footer=summary.footer,
    )


def as_html(block: Block) -> Html | None:
    """A block of a page; None where there is nothing to show."""
    match block:
        case Facts(facts=facts):
            return parts.facts({fact.label: fact.value for fact in facts})
        case ShownTable():
            return _table(block)
        case Paragraph(text):
            return element("p", text)
        case Notes(texts, tone):
            return parts.notes(texts, tone)
        case Doubts(texts, none):
            return parts.notes(texts, "bad") or (element("p", none) if none else None)
        case Code(text, label):
            return parts.code(text, label)
        case Pictures():
            return _pictures(block)


def _table(table: ShownTable) -> Html:
    heads = [column.head for column in table.shown]
    rows = [[row.get(c.key, "–") for c in table.shown] for row in table.rows[: table.most]]
    return parts.table(heads, rows, table.caption, sum(column.words for column in table.shown))


def _pictures(block: Pictures) -> Html:
    legend = parts.legend(block.legend) if block.legend else None
    return join([legend, parts.figure(block.panels, block.caption, block.columns, block.main)])


def is_ours(text: str) -> bool:
    """Whether the beginning of a file is that of a page made here."""
    pattern = r'<meta name="generator" content="bnnpost report \d+">'
    return re.search(pattern, text[:_HEAD_LENGTH]) is not None


def _shipped(name: str) -> str:
    return (importlib.resources.files("bnnpost.summaries") / name).read_text(encoding="utf-8")


def _top(
    kind: str, headline: object, lead: Sequence[object], marks: Sequence[tuple[str, str]]
) -> Html:
    return element(
        "header",
        element("p", kind, class_="kind"),
        element("h1", headline),
        *(element("p", text, class_="lead") for text in lead),
        element(
            "ul",
            *(element("li", text, class_=f"mark {tone}") for text, tone in marks),
            class_="marks",
        )
        if marks
        else None,
    )


def _contents(sections: Sequence[HtmlSection]) -> Html | None:
    if len(sections) < 3:
        return None
    links = (element("li", element("a", s.title, href=f"#{s.anchor}")) for s in sections)
    return element("nav", element("ul", *links), aria_label="Sections")


def _section(one: HtmlSection) -> Html:
    heading = element("h2", one.title)
    if one.folded:
        inner = element("details", element("summary", heading), one.body, class_="whole")
        return element("section", inner, id=one.anchor)
    return element("section", heading, one.body, id=one.anchor)


class NotAReport(FileExistsError):
    """A file that is in the way is no report, or cannot be one by its name."""


def check_free(path: Path) -> None:
    """Raise what keeps a page from being written here, which is good to know before long work.

    NotAReport for a file that is no report, and is not to be lost, or a name that says it is none;
    FileNotFoundError if there is no folder.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to write {path} in: create it first")
    if path.is_dir():
        raise NotAReport(f"{path} is a directory: expected a file for the report")
    if path.exists() and not (path.is_file() and is_ours(_start(path))):
        raise NotAReport(f"{path} is there and is no report of bnnpost: name another file")
    if path.suffix.lower() not in ENDINGS:
        raise NotAReport(
            f"expected a name that ends in {' or '.join(ENDINGS)}, as what is written is a page of "
            f"HTML, got {path}: a browser prints it as PDF"
        )


def _start(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(4000).decode("utf-8", errors="replace")
