"""bnnpost sweep run: one configuration over its widths, or a grid of them."""

import dataclasses
import json
import sys
from typing import Any

import click

from bnnpost_cli import executors, plan, shown_grid
from bnnpost_cli.completed import configurations
from bnnpost_cli.failures import USAGE, reported
from bnnpost_cli.options import as_json, given, sweep_options
from bnnpost_cli.report import write_report


@click.command(short_help="Run a configuration or a grid; the default.")
@click.argument("file", metavar="[CONFIG]", required=False, shell_complete=configurations)
@sweep_options
@click.option("--out", metavar="DIR", help="Directory of the run; made if need be.")
@click.option("--force", is_flag=True, help="Run even if the acceptance rate looks hopeless.")
@click.option("--dry-run", is_flag=True, help="Print what it would do and cost; write nothing.")
@executors.executor_options
@as_json
def command(
    file: str | None,
    config: str | None,
    out: str | None,
    force: bool,
    dry_run: bool,
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
    over all widths, into DIR/runs/DIGEST. Settings that vary together are tables with a name:

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
              bnnpost sweep run grid.toml --out runs/grid --executor slurm --jobs 32 \\
                  --slurm partition=short --slurm time=2:00:00 --slurm memory=8GB
    """
    if file is not None and config is not None:
        raise click.UsageError("expected one configuration, got two: CONFIG or --config")
    config = config or file
    work = {name: flags.pop(name) for name in ("executor", "jobs", "slurm", "wait", "retries")}
    plain = executors.is_plain(work["executor"], work["jobs"], work["slurm"])
    if out is None and not dry_run:
        raise click.UsageError("--out DIR says where the run is kept; --dry-run needs none")
    resume = "" if dry_run else f"the same command goes on from what is in {out}"
    with reported(resume=resume):
        is_grid = _is_grid(config)
        if dry_run:
            executors.keep_programs()
        if dry_run and is_grid:
            shown_grid.dry_run(config, out, force, as_json, given(flags))
        elif dry_run:
            _plan(config, out, force, as_json, flags)
        elif is_grid or not plain:
            _run_grid(config, str(out), force, as_json, given(flags), work)
        else:
            run_single(config, str(out), force, as_json, given(flags))


def _is_grid(config: str | None) -> bool:
    from bnnpost.sweeps.config import GRID, read_toml

    return config is not None and GRID in read_toml(config)


def _run_grid(
    config: str | None,
    out: str,
    force: bool,
    as_json: bool,
    settings: dict[str, Any],
    work: dict[str, Any],
) -> None:
    from bnnpost.sweeps import load_grid, run_grid

    retries = work.pop("retries")
    executor = executors.chosen(**work, config=config)
    grid = load_grid(config, settings)
    found = run_grid(grid, out, executor=executor, retries=retries, force=force, say=_say)
    shown_grid.show(found, as_json)


def run_single(
    config: str | None, out: str, force: bool, as_json: bool, settings: dict[str, Any]
) -> None:
    """One configuration in this process."""
    from bnnpost.sweeps import BudgetExhausted, load_config, run_sweep
    from bnnpost.sweeps.contents import located
    from bnnpost.sweeps.directory import RunDirectory
    from bnnpost.sweeps.problem import load_problem

    executors.keep_programs()
    chosen = located(load_config(config, settings))
    problem = load_problem(chosen)
    with RunDirectory.claim(out, chosen) as directory:
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

    settings = load_config(config, given(flags))
    directory = None if out is None else RunDirectory.inspect(out, settings)
    said = ", ".join(map(str, settings.widths))
    _say(f"pilot and timing at each width: {said}")
    found = make_plan(load_problem(settings), directory, progress=True)
    found = dataclasses.replace(found, refusal="") if force else found
    click.echo(json.dumps(plan.as_json(found), indent=2) if as_json else plan.as_text(found))
    if found.refusal:
        sys.exit(USAGE)


def _say(message: str) -> None:
    click.echo(message, err=True)


def _show(tree: Any, directory: Any, as_json: bool) -> None:
    from bnnpost.sweeps import report

    missing = report.figures_missing(tree, directory)
    click.echo(json.dumps(report.as_json(tree), indent=2) if as_json else report.table(tree))
    if missing:
        _say(f"bnnpost: {missing}")
    _say(f"results {'' if missing else 'and figures '}are in {directory.path}")
    write_report(directory.path)
