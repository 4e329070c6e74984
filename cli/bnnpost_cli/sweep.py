"""bnnpost sweep: exact draws and the distance to the limit over a range of widths."""

import dataclasses
import json
import sys
from typing import Any

import click

from bnnpost_cli import plan
from bnnpost_cli.failures import USAGE, reported
from bnnpost_cli.options import as_json, given, sweep_options


@click.command(short_help="Exact draws and their distance to the limit, over widths.")
@sweep_options
@click.option("--out", metavar="DIR", help="Directory of the run; made if need be.")
@click.option("--force", is_flag=True, help="Run even if the acceptance rate looks hopeless.")
@click.option("--dry-run", is_flag=True, help="Print what it would do and cost; write nothing.")
@as_json
def command(
    config: str | None, out: str | None, force: bool, dry_run: bool, as_json: bool, **flags: Any
) -> None:
    """Draw exactly from the posterior at each width, and measure the distance to the limit.

    \b
    Example:  bnnpost sweep --config diabetes --dry-run
              bnnpost sweep --config diabetes --out runs/diabetes
              bnnpost sweep --data wine.csv --target quality --widths 16,64,256 --out runs/wine

    Writes results.nc (netCDF), distances and densities as PNG and SVG, and a file a width into
    DIR; the table goes to stdout, progress to stderr. The same command again goes on where it
    stopped; a run with other settings in DIR is refused. With --bound capped draws have
    weights, and are never called exact.
    """
    from bnnpost.sweeps import BudgetExhausted, load_config, run_sweep
    from bnnpost.sweeps.directory import RunDirectory
    from bnnpost.sweeps.problem import load_problem

    if dry_run:
        _plan(config, out, force, as_json, flags)
        return
    if out is None:
        raise click.UsageError("--out DIR says where the run is kept; --dry-run needs none")
    with reported(resume=f"the same command goes on from what is in {out}"):
        settings = load_config(config, given(flags))
        problem = load_problem(settings)
        with RunDirectory.claim(out, settings) as directory:
            try:
                tree = run_sweep(problem, directory, force=force, progress=True, say=_say)
            except BudgetExhausted as error:
                _show(error.results, directory, as_json)
                raise
            _show(tree, directory, as_json)


def _plan(
    config: str | None, out: str | None, force: bool, as_json: bool, flags: dict[str, Any]
) -> None:
    from bnnpost.sweeps import load_config
    from bnnpost.sweeps.directory import RunDirectory
    from bnnpost.sweeps.plan import make_plan
    from bnnpost.sweeps.problem import load_problem

    with reported():
        settings = load_config(config, given(flags))
        directory = None if out is None else RunDirectory.inspect(out, settings)
        found = make_plan(load_problem(settings), directory)
        found = dataclasses.replace(found, refusal="") if force else found
        click.echo(json.dumps(plan.as_json(found), indent=2) if as_json else plan.as_text(found))
    if found.refusal:
        sys.exit(USAGE)


def _say(message: str) -> None:
    click.echo(message, err=True)


def _show(tree: Any, directory: Any, as_json: bool) -> None:
    from bnnpost.sweeps import report

    report.write_figures(tree, directory)
    click.echo(json.dumps(report.as_json(tree), indent=2) if as_json else report.table(tree))
    click.echo(f"results and figures are in {directory.path}", err=True)
