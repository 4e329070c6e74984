"""HTML that is known to be HTML: every other text is escaped when it becomes part of it."""

import html
import math
from collections.abc import Iterable

from bnnpost.summaries.summary import Number

# Elements that have no end.
_ALONE = ("meta", "br", "hr", "img")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def safe(value: object) -> Html:
    """HTML as it is, a number to be read, in full in an attribute; all else as escaped text."""
    if isinstance(value, Number):
        return _number(value)
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


def _number(number: Number) -> Html:
    if not math.isfinite(number.value):
        return element("span", "–", title="none")
    data = element("data", str(number), value=repr(number.value))
    return element("span", data, class_="wrong") if number.wrong else data


def join(parts: Iterable[object], between: str = "") -> Html:
    """Parts one after another; None is left out."""
    return Html(safe(between).join(safe(part) for part in parts if part is not None))


def element(tag: str, *children: object, **attributes: object) -> Html:
    """<tag attributes>children</tag>.

    Of attribute names a final underscore is dropped (`class_`), others become hyphens, and
    `_` begins none; None and False leave an attribute out, True gives one without value.
    """
    given = "".join(
        f" {_name(name)}" if value is True else f' {_name(name)}="{safe(str(value))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _ALONE:
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{join(children)}</{tag}>")


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")
