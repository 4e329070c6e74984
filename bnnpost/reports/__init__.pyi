from .grid_status import summary_of_status
from .report_sources import NotARun, summary_of, summary_of_results, to_html
from .writing import NotAReport, write

__all__ = [
    "NotAReport",
    "NotARun",
    "summary_of",
    "summary_of_results",
    "summary_of_status",
    "to_html",
    "write",
]
