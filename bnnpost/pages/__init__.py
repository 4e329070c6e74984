"""Pages for people: one HTML file with its style, script and pictures inside.

HTML is built by functions and not from templates: text is escaped because of its type, whoever
passes it on, and types are checked.
"""

from bnnpost.pages.elements import Html, element, join
from bnnpost.pages.page import GENERATOR, NotAReport, Section, check_free, is_ours, page

__all__ = [
    "GENERATOR", "Html", "NotAReport", "Section", "check_free", "element", "is_ours", "join",
    "page",
]  # fmt: skip
