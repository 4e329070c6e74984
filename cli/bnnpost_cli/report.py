"""bnnpost report: a run as one page to read and to send."""

import webbrowser
from pathlib import Path

import click

from bnnpost.stopping import is_interruption
from bnnpost_cli.failures import reported


def write_report(run: str | Path) -> None:
    """Write the report of a finished run into its directory and say where; or say why not."""
    from bnnpost import reports

    try:
        click.echo(f"report: {reports.write(run)}", err=True)
    except reports.NotAReport as error:
        _no_report(f"{error} (bnnpost report {run} --out FILE)")
    except Exception as error:  # the results are there all the same
        if is_interruption(error):
            raise
        kind = type(error).__name__
        _no_report(f"{kind}: {error} (where it came from: bnnpost report {run} --debug)")


def _no_report(reason: str) -> None:
    click.echo(f"bnnpost: no report was written: {reason}", err=True)


@click.command(short_help="A run as one page, to read and to send.")
@click.argument("run", metavar="RUN")
@click.option("--out", default=None, metavar="FILE", help="The page. [default: report.html in RUN]")
@click.option("--open", "show", is_flag=True, help="Open it in a browser.")
def command(run: str, out: str | None, show: bool) -> None:
    """Write a run as one HTML file that loads nothing: what was found, figures, tables, what was
    forecast and what happened, diagnostics, and how to run it again.

    \b
    Example:  bnnpost report runs/diabetes
              bnnpost report runs/chains --out chains.html --open
              bnnpost report draws.nc

    RUN: the directory of bnnpost sweep, of one configuration or a grid, or of bnnpost sample,
    finished or not; a results.nc or draws.nc; or a file with what bnnpost verify --json printed.
    A file that is there is only replaced if it is such a report.
    """
    with reported():
        from bnnpost import reports

        path = reports.write(run, out)
    click.echo(str(path))
    if show and not webbrowser.open(Path(path).resolve().as_uri()):
        click.echo(f"no browser was found: open {path} in one", err=True)
