"""What pages are made of: tables, lists of facts, notes, text to copy, pictures with captions."""

from collections.abc import Iterable, Mapping, Sequence

from bnnpost.summaries.elements import Html, element, join
from bnnpost.summaries.panels import Panel
from bnnpost.summaries.svg import svg

Row = Sequence[object]


def table(heads: Sequence[object], rows: Iterable[Row], caption: str, words: int = 1) -> Html:
    """A table that scrolls by itself where the screen is narrow.

    The first cell of a row is its heading. words: so many columns from the left hold words,
    the others numbers.
    """

    def cells(row: Row) -> Iterable[Html]:
        for i, cell in enumerate(row):
            kind = None if i < words else "number"
            if i == 0:
                yield element("th", cell, scope="row")
            else:
                yield element("td", cell, class_=kind)

    head = (
        element("th", name, scope="col", class_=None if i < words else "number")
        for i, name in enumerate(heads)
    )
    body = (element("tr", *cells(row)) for row in rows)
    return titled(element("tr", *head), body, caption)


def titled(head: Html, body: Iterable[Html], caption: str, stacked: bool = False) -> Html:
    """A table of rows that are made already. Its title stays where it is when it scrolls.

    stacked: on a phone a row's cells stand one below another, each beside its `data-head`.
    """
    found = element(
        "table",
        element("thead", head),
        element("tbody", *body),
        class_="stacked" if stacked else None,
        aria_label=caption,
    )
    frame = element("div", found, class_="wide", tabindex=0, role="region", aria_label=caption)
    return join([element("p", caption, class_="caption"), frame])


def facts(values: Mapping[str, object]) -> Html:
    """Names and what they stand for."""
    pairs = (
        element("div", element("dt", name), element("dd", value)) for name, value in values.items()
    )
    return element("dl", *pairs, class_="facts")


def notes(texts: Iterable[object], tone: str = "plain") -> Html | None:
    """Remarks, each set apart; tone "plain" or "bad". None where there are none."""
    found = [element("li", text) for text in texts]
    return element("ul", *found, class_=f"notes {tone}") if found else None


def paragraphs(*texts: object) -> Html:
    """Each a paragraph; None is left out."""
    return join(element("p", text) for text in texts if text is not None)


def code(text: str, label: str) -> Html:
    """Text to be copied as it stands. label: what it is."""
    return element("div", element("pre", element("code", text), aria_label=label), class_="code")


def legend(entries: Iterable[tuple[str, str]]) -> Html:
    """What has which style."""
    keys = (
        element("li", element("span", class_=f"key {style}"), words) for style, words in entries
    )
    return element("ul", *keys, class_="legend")


def figure(panels: Iterable[Panel], caption: object, columns: int = 2, main: bool = False) -> Html:
    """Panels side by side as far as there is room, with their explanation if there is one.

    main: they are wider than others of the page; on a phone their letters are made as large.
    """
    kind = f"pictures across-{columns}{' main' if main else ''}"
    cells = (element("div", svg(panel), class_="picture") for panel in panels)
    below = element("figcaption", caption) if caption is not None else None
    return element("figure", element("div", *cells, class_=kind), below)
