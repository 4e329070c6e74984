"""bnnpost sweep report: the rates of every cell of a sweep."""

import click

from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json
from bnnpost_cli.printing import print_summary
from bnnpost_cli.report import write_report


@click.command(short_help="Fitted rates of every cell.")
@click.argument("out", metavar="OUT")
@as_json
def command(out: str, as_json: bool) -> None:
    """Print with which power of the width each distance to the limit falls, in each cell.

    \b
    Example:  bnnpost sweep report runs/depths
              bnnpost sweep report runs/depths --json > rates.json

    OUT is the directory of a grid, finished or not, or of a single run, of which the table is
    that of the run. The page report.html in OUT is written anew, as by bnnpost report.
    """
    with reported():
        from bnnpost.reports import summary_of_results
        from bnnpost.sweeps.loaded import load_results

        summary = summary_of_results(load_results(out))
        print_summary(summary, as_json)
        write_report(out, summary)
