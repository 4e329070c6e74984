"""The end of a sweep: its summary, what is not done, and the exit code for that."""

import sys
from typing import Any

import click

from bnnpost_cli.failures import BUDGET, SOME_FAILED, USAGE
from bnnpost_cli.printing import print_summary
from bnnpost_cli.report import write_report


def show(results: Any, as_json: bool) -> None:
    """Print what there is to stdout, what is not done to stderr; exit with the code for that."""
    from bnnpost import reports
    from bnnpost.reports.grid_status import ending

    summary = reports.summary_of_results(results)
    print_summary(summary, as_json)
    click.echo("\n".join(ending(results)), err=True)
    states = [cell.status for cell in results]
    if any(cell.tree is not None for cell in results):
        write_report(results.path, summary)
    if all(state == "refused" for state in states):
        sys.exit(USAGE)
    if {"failed", "refused", "pending"} & set(states):
        sys.exit(SOME_FAILED)
    if not results.varying and "short" in states:
        sys.exit(BUDGET)
