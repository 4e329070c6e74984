"""bnnpost sweep run: one configuration over its widths, or a grid of them."""

import sys
from typing import Any

import click

from bnnpost_cli import executors
from bnnpost_cli.completed import configurations
from bnnpost_cli.dry_run import dry_run
from bnnpost_cli.failures import BUDGET, SOME_FAILED, USAGE, reported
from bnnpost_cli.options import as_json, given, sweep_options
from bnnpost_cli.printing import print_summary
from bnnpost_cli.report import write_report


@click.command(short_help="Run a configuration or a grid; the default.")
@click.argument("file", metavar="[CONFIG]", required=False, shell_complete=configurations)
@sweep_options
@click.option("--out", metavar="DIR", help="Directory of the run; made if need be.")
@click.option("--force", is_flag=True, help="Run even if the acceptance rate looks hopeless.")
@click.option(
    "--dry-run", "dry", is_flag=True, help="Print what it would do and cost; write nothing."
)
@executors.executor_options
@as_json
def command(
    file: str | None,
    config: str | None,
    out: str | None,
    force: bool,
    dry: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Draw exactly from the posterior at each width, and measure the distance to the limit.

    \b
    Example:  bnnpost sweep --config diabetes --dry-run
              bnnpost sweep --config diabetes --out runs/diabetes
              bnnpost sweep --data wine.csv --target quality --widths 16,64,256 --out runs/wine

    Writes results.nc (netCDF), distances and densities as PNG and SVG, a file a width, and
    report.html, a page with all of it, into DIR; the table goes to stdout, progress to stderr.
    The same command again goes on where it stopped; a run with other settings in DIR is refused.
    With --bound capped draws have weights, and are never called exact.

    A configuration with a table [grid] runs the product of the lists of values in it, each cell
    over all widths, into a folder of its own in DIR/runs (sweep status names them). Settings that
    vary together are tables with a name:

    \b
              widths = [64, 256, 1024]
              [grid]
              depth = [1, 2, 3]
              weight_prior = ["Normal(0, 1)", "Laplace(0, 0.7)"]
              [[grid.problem]]
              name = "wine"
              data = "wine.csv"
              target = "quality"
              num_train = 4

    A relative path is one from the working directory, or else from the folder of the
    configuration. A grid may be extended later: what is there is used again, unless its data
    have changed. A cell at one width that fails is listed, and the others go on; sweep resume
    tries it again. Compiled programs are kept in ~/.cache/bnnpost for the next run; BNNPOST_CACHE
    names another folder, or is "off".

    \b
              bnnpost sweep --config grid_depths --out runs/depths --jobs 2
              bnnpost sweep run grid.toml --out runs/grid --scheduler tcp://host:8786
    """
    if file is not None and config is not None:
        raise click.UsageError("expected one configuration, got two: CONFIG or --config")
    if out is None and not dry:
        raise click.UsageError("--out DIR says where the run is kept; --dry-run needs none")
    workers = {name: flags.pop(name) for name in executors.NAMES}
    resume = "" if dry else f"the same command goes on from what is in {out}"
    with reported(resume=resume):
        from bnnpost.sweeps import load_grid

        grid = load_grid(config or file, given(flags))
        if dry:
            dry_run(grid, out, force, as_json)
        else:
            run(grid, str(out), force, as_json, **workers)


def run(
    grid: Any,
    out: str,
    force: bool,
    as_json: bool,
    *,
    retries: int,
    **chosen: Any,
) -> None:
    """Run what is missing of a grid, and show what there is then."""
    from bnnpost.sweeps import run_grid

    with executors.chosen(**chosen) as executor:
        results = run_grid(
            grid,
            out,
            executor=executor,
            retries=retries,
            force=force,
            progress=True,
            say=lambda message: click.echo(message, err=True),
        )
    _show(results, as_json)


def _show(results: Any, as_json: bool) -> None:
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
