"""HTML that is known to be HTML: every other text is escaped when it becomes part of it."""

import html
import math
from collections.abc import Iterable

from bnnpost.summaries.values import NONE, Number, Span, Text

# Elements that have no end.
_ALONE = ("meta", "br", "hr", "img")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def safe(value: object) -> Html:
    """Return HTML as it is, numbers and texts as elements, all else as escaped text."""
    match value:
        case Html():
            return value
        case Number():
            return _number(value)
        case Text(parts):
            return join(parts)
        case Span():
            return _span(value)
        case None:
            return Html(NONE)
    return Html(html.escape(str(value), quote=True))


def _number(number: Number) -> Html:
    """Return a number with its full value in an attribute, its interval beside it."""
    if not math.isfinite(number.value):
        return element("span", number.alone, title="none" if number.alone == NONE else None)
    data = element("data", number.alone, value=repr(number.value))
    wrong = " wrong" if number.wrong else ""
    if number.interval:
        interval = element("span", number.interval, class_="interval")
        return element("span", data, " ", interval, class_=f"pair{wrong}")
    return element("span", data, class_="wrong") if wrong else data


def _span(span: Span) -> Html:
    match span.kind:
        case "power":
            return element("sup", span.words)
        case "unit":
            return element("small", span.words)
        case "code":
            return element("code", span.words)
        case "link":
            return element("a", span.words, href=span.address)
    return element("span", span.words or None, class_=span.kind)


def join(parts: Iterable[object], between: str = "") -> Html:
    """Return parts one after another; None is left out."""
    return Html(safe(between).join(safe(part) for part in parts if part is not None))


def element(tag: str, *children: object, **attributes: object) -> Html:
    """Return <tag attributes>children</tag>.

    Of attribute names a final underscore is dropped (`class_`), others become hyphens, and
    `_` begins none; None and False leave an attribute out, True gives one without value.
    """
    written = "".join(
        f" {_name(name)}" if value is True else f' {_name(name)}="{safe(str(value))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _ALONE:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{join(children)}</{tag}>")


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")
