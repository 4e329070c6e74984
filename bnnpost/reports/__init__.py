"""Reports for people: any run, or file of draws, as one page that loads nothing."""

from bnnpost.reports.report_sources import NotARun, summary_of, to_html
from bnnpost.reports.writing import write
from bnnpost.summaries import NotAReport

__all__ = ["NotAReport", "NotARun", "summary_of", "to_html", "write"]
