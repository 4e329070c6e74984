"""Reports for people: any run, or file of draws, as one page that loads nothing."""

from bnnpost.pages import NotAReport
from bnnpost.reports.report_sources import NotARun, to_html
from bnnpost.reports.writing import write

__all__ = ["NotAReport", "NotARun", "to_html", "write"]
