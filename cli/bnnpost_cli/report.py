"""bnnpost report: a run as one page to read and to send."""

import webbrowser
from pathlib import Path
from typing import Any

import click

from bnnpost.stopping import is_interruption
from bnnpost_cli.failures import is_full, reported


def write_report(run: str | Path, summary: Any = None) -> None:
    """Write the report of a finished run into its directory and print where, or why not.

    summary: of the run, if it was made already. Raises OSError where the disk is
    full: the run's directory is not whole then.
    """
    from bnnpost import reports

    try:
        click.echo(f"report: {reports.write(run, summary=summary)}", err=True)
    except reports.NotAReport as error:
        _no_report(f"{error} (bnnpost report {run} --out FILE)")
    except Exception as error:  # the results are there all the same
        if is_interruption(error) or is_full(error):
            raise
        kind = type(error).__name__
        _no_report(f"{kind}: {error} (where it came from: bnnpost report {run} --debug)")


def _no_report(reason: str) -> None:
    click.echo(f"bnnpost: no report was written: {reason}", err=True)


@click.command(short_help="A run as one page, to read and to send.")
@click.argument("run", metavar="RUN")
@click.option("--out", default=None, metavar="FILE", help="The page. [default: report.html in RUN]")
@click.option("--open", "show", is_flag=True, help="Open it in a browser.")
@click.option(
    "--figures", default=None, metavar="DIR", help="Figures of a sweep instead, into DIR."
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["pdf", "svg", "png"]),
    default="pdf",
    show_default=True,
    help="Of these figures.",
)
@click.option("--no-titles", is_flag=True, help="Figures without titles and notes, for a caption.")
def command(
    run: str, out: str | None, show: bool, figures: str | None, kind: str, no_titles: bool
) -> None:
    """Write a run as one HTML file that loads nothing: what was found, figures, tables, what was
    forecast and what happened, diagnostics, and how to run it again.

    \b
    Example:  bnnpost report runs/diabetes
              bnnpost report runs/chains --out chains.html --open
              bnnpost report draws.nc
              bnnpost report runs/diabetes --figures paper --no-titles

    RUN: the directory of bnnpost sweep, of one configuration or a grid, or of bnnpost sample,
    finished or not; a results.nc or draws.nc; or a file with what bnnpost verify --json printed.
    A file that is there is only replaced if it is such a report.
    """
    if figures is None and no_titles:
        raise click.UsageError("--no-titles is for figures: name their folder with --figures")
    if figures is not None:
        with reported():
            _write_figures(run, Path(figures), kind, not no_titles)
        return
    with reported():
        from bnnpost import reports

        path = reports.write(run, out)
    click.echo(str(path))
    if show and not webbrowser.open(Path(path).resolve().as_uri()):
        click.echo(f"no browser was found: open {path} in one", err=True)


def _write_figures(run: str, folder: Path, kind: str, headings: bool) -> None:
    """Those of every finished cell of a sweep; of a grid in a folder each."""
    from bnnpost.plots import write_figures
    from bnnpost.sweeps.loaded import load_results

    found = load_results(run)
    trees = {cell.path.name: cell.tree for cell in found if cell.tree is not None}
    if not trees:
        raise ValueError(f"{run} has no finished results: expected some to draw figures of")
    for name, tree in trees.items():
        place = folder / name if found.varying else folder
        place.mkdir(parents=True, exist_ok=True)
        for path in write_figures(tree, place, ending=f".{kind}", headings=headings):
            click.echo(f"{path}.{kind}")
