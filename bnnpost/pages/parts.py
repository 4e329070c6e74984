"""What pages are made of: tables, lists of facts, notes, text to copy, pictures with captions."""

import math
from collections.abc import Iterable, Mapping, Sequence

from bnnpost.pages.elements import Html, element, join

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


def figure(pictures: Iterable[Html], caption: object, columns: int = 2, main: bool = False) -> Html:
    """Pictures side by side as far as there is room, with their explanation if there is one.

    main: they are wider than others of the page; on a phone their letters are made as large.
    """
    kind = f"pictures across-{columns}{' main' if main else ''}"
    cells = (element("div", picture, class_="picture") for picture in pictures)
    below = element("figcaption", caption) if caption is not None else None
    return element("figure", element("div", *cells, class_=kind), below)


def _number(value: float, text: str) -> Html:
    """A number to be read; in full in the attribute `value`."""
    if not math.isfinite(value):
        return element("span", "–", title="none")
    return element("data", text, value=repr(float(value)))


def measured_cell(value: float, error: float | None = None, digits: int = 3) -> Html:
    """A number with its standard error."""
    known = error is not None and math.isfinite(error) and error > 0 and math.isfinite(value)
    return _number(value, paired(value, float(error or 0)) if known else spelled(value, digits))


def paired(value: float, error: float, digits: int = 1) -> str:
    """A number ± another, both as far as `digits` figures of that: 0.01180 ± 0.00007."""
    largest = max(abs(value), error)
    power = math.floor(math.log10(largest))
    power = 0 if -4 < power < 6 else power
    value, error = value / 10.0**power, error / 10.0**power
    places = max(0, digits - 1 - math.floor(math.log10(error)))
    places = min(places, 8)
    text = f"{value:,.{places}f} ± {error:,.{places}f}".replace("-", "−")
    return f"({text})·10{raised(power)}" if power else text


def spelled(value: float, digits: int = 3) -> str:
    """A number in `digits` figures: 0.0121, 1,240, 3.4·10⁻⁷."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if 1e-4 <= size < 1e7:
        whole = int(f"{value:.{digits - 1}e}".split("e")[1]) + 1
        rounded = round(value, digits - whole)
        places = max(0, digits - whole)
        text = f"{rounded:,.{places}f}"
    else:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa}·10{raised(int(exponent))}"
    return text.replace("-", "−")


def three_places(value: float) -> Html:
    """A number close to 1."""
    return _number(value, f"{value:.3f}".replace("-", "−"))


def count_cell(value: float) -> Html:
    """A number of things."""
    return _number(value, f"{value:,.0f}")


def raised(exponent: int) -> str:
    """A whole number in superscript."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
