"""The report of a run on disk, where a run's report belongs."""

import os
from pathlib import Path

from bnnpost.reports.report_sources import to_html
from bnnpost.storage import as_path, write_text
from bnnpost.summaries import NotAReport, Summary, check_free

__all__ = ["REPORT", "NotAReport", "default", "write"]

REPORT = "report.html"


def write(
    run: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    summary: Summary | None = None,
) -> Path:
    """Write the report of a run, whole or not at all, and return where it is.

    run: as for `summary_of`. out: the file; by default report.html in the run's directory, or
    beside a file with its name. A report that is there is replaced. summary: of the run, if it was
    made already. Raises NotAReport for any other file, NotARun, FileNotFoundError if there is no
    folder.
    """
    from bnnpost.summaries.html_page import as_page

    target = as_path(out) if out is not None else default(as_path(run))
    check_free(target)
    write_text(target, to_html(run) if summary is None else as_page(summary))
    return target


def default(run: Path) -> Path:
    """Return where the report of a run goes: into its directory, beside a file."""
    return run / REPORT if run.is_dir() else run.with_name(f"{run.stem}-{REPORT}")
