"""bnnpost sweep report: the rates of every cell of a sweep."""

import json

import click

from bnnpost_cli import shown_grid
from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json
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
        from bnnpost.sweeps import report
        from bnnpost.sweeps.loaded import load_results

        found = load_results(out)
        single = None if found.varying else found.cells[0].tree
        if single is not None:
            numbers = report.as_json(single)
            click.echo(json.dumps(numbers, indent=2) if as_json else report.table(single))
        elif as_json:
            click.echo(json.dumps(shown_grid.report_json(found), indent=2))
        else:
            click.echo(shown_grid.rates(found))
        write_report(out)
