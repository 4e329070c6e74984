"""bnnpost sweep status: how far a sweep is."""

import json

import click

from bnnpost_cli import shown_grid
from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json


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
        from bnnpost.sweeps.loaded import see_results, status_json

        found = see_results(out)
        click.echo(
            json.dumps(status_json(found), indent=2) if as_json else shown_grid.status(found)
        )
