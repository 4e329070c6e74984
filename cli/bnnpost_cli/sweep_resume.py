"""bnnpost sweep resume: what is missing of a sweep, from its directory alone."""

from typing import Any

import click

from bnnpost_cli import executors, shown_grid
from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json


@click.command(short_help="Run what is missing or failed, from the directory alone.")
@click.argument("out", metavar="OUT")
@click.option("--force", is_flag=True, help="Run even if the acceptance rate looks hopeless.")
@executors.executor_options
@as_json
def command(out: str, force: bool, as_json: bool, retries: int, **work: Any) -> None:
    """Go on with a sweep where it stopped, whatever stopped it; what failed is tried again.

    \b
    Example:  bnnpost sweep resume runs/depths --jobs 2

    No configuration is needed: all of it is in OUT, with the paths of data files in full.
    """
    with reported(resume=f"bnnpost sweep resume {out} goes on"):
        from bnnpost.sweeps import run_grid
        from bnnpost.sweeps.grid_directory import GridDirectory
        from bnnpost_cli.sweep_run import run_single

        plain = executors.is_plain(work["executor"], work["jobs"], work["slurm"])
        grid = GridDirectory.read(out).grid
        if plain and not grid.varying:
            run_single(None, out, force, as_json, grid.cells[0].config.as_dict())
            return
        executor = executors.chosen(**work)
        found = run_grid(grid, out, executor=executor, retries=retries, force=force, say=_say)
        shown_grid.show(found, as_json)


def _say(message: str) -> None:
    click.echo(message, err=True)
