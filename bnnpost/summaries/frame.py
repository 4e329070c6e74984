"""The frame of pages that are not yet described as summaries."""

from collections.abc import Sequence
from dataclasses import dataclass

from bnnpost.summaries.elements import Html, element, join
from bnnpost.summaries.html_page import _block, _shipped
from bnnpost.summaries.page_files import GENERATOR
from bnnpost.summaries.summary import Block


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


def as_html(block: Block) -> Html:
    """Return a block of a page."""
    return join([_block(block)])


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
