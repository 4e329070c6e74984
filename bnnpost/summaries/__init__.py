"""What there is to say of a result, as data, and as text, one HTML page or JSON.

HTML is built here alone, by functions and not from templates: text is escaped because of its type,
whoever passes it on, and types are checked.
"""

from bnnpost.summaries.page_files import GENERATOR, NotAReport, check_free, is_ours
from bnnpost.summaries.summary import Described, Summary

__all__ = ["GENERATOR", "Described", "NotAReport", "Summary", "check_free", "is_ours"]
