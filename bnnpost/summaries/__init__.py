"""What there is to say of a result, as data, and as text, one HTML page or JSON.

HTML is built by functions and not from templates: text is escaped because of its type, whoever
passes it on, and types are checked.
"""

from bnnpost.summaries.elements import Html, element, join
from bnnpost.summaries.page import (
    GENERATOR,
    HtmlSection,
    NotAReport,
    as_page,
    check_free,
    is_ours,
    page,
)

__all__ = [
    "GENERATOR", "Html", "HtmlSection", "NotAReport", "as_page", "check_free", "element", "is_ours",
    "join", "page",
]  # fmt: skip
