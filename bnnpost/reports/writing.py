"""The report of a run on disk, where a run's report belongs."""

import os
from pathlib import Path

from bnnpost.reports.report_sources import to_html
from bnnpost.storage import as_path, write_text
from bnnpost.summaries import check_free

REPORT = "report.html"


def write(run: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Write the report of a run, whole or not at all; where it is.

    run: as for `to_html`. out: the file; by default report.html in the run's directory, or
    beside a file with its name. A report that is there is replaced. Raises NotAReport for any
    other file, NotARun, FileNotFoundError if there is no folder.
    """
    target = as_path(out) if out is not None else default(as_path(run))
    check_free(target)
    write_text(target, to_html(run))
    return target


def default(run: Path) -> Path:
    """Where the report of a run goes: into its directory, beside a file."""
    return run / REPORT if run.is_dir() else run.with_name(f"{run.stem}-{REPORT}")
