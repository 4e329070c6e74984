"""What there is to say of a result, as data, and as text, one HTML page or JSON.

HTML is built here alone, by functions and not from templates: text is escaped because of its type,
whoever passes it on, and types are checked.
"""

from bnnpost.summaries.elements import Html, element, join
from bnnpost.summaries.frame import HtmlSection, page
from bnnpost.summaries.page_files import GENERATOR, NotAReport, check_free, is_ours
from bnnpost.summaries.summary import Summary

__all__ = [
    "GENERATOR", "Html", "HtmlSection", "NotAReport", "Summary", "check_free", "element", "is_ours",
    "join", "page",
]  # fmt: skip
