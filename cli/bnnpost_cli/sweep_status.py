"""bnnpost sweep status: how far a sweep is."""

import click

from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json
from bnnpost_cli.printing import print_summary


@click.command(short_help="How far a sweep is: a line a cell.")
@click.argument("out", metavar="OUT")
@as_json
def command(out: str, as_json: bool) -> None:
    """Print which widths of each cell of a sweep are done, to do or failed, why, and the time.

    \b
    Example:  bnnpost sweep status runs/depths

    OUT is the directory of a grid, or of a single run. It may be at work.
    """
    with reported():
        from bnnpost.reports import summary_of_status
        from bnnpost.sweeps.loaded import see_results

        print_summary(summary_of_status(see_results(out)), as_json)
