"""bnnpost sweep resume: what is missing of a sweep, from its directory alone."""

from typing import Any

import click

from bnnpost_cli import executors
from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json, trust_code
from bnnpost_cli.sweep_run import run


@click.command(short_help="Run what is missing or failed, from the directory alone.")
@click.argument("out", metavar="OUT")
@click.option("--force", is_flag=True, help="Run even if the acceptance rate looks hopeless.")
@trust_code
@executors.executor_options
@as_json
def command(out: str, force: bool, trust_code: bool, as_json: bool, **workers: Any) -> None:
    """Go on with a sweep where it stopped, whatever stopped it; what failed is tried again.

    \b
    Example:  bnnpost sweep resume runs/depths --jobs 2

    No configuration is needed: all of it is in OUT, with the paths of data files in full.
    """
    with reported(resume=f"bnnpost sweep resume {out} goes on"):
        from bnnpost.sweeps.grid_directory import GridDirectory

        run(GridDirectory.read(out, trust_code).grid, out, force, as_json, **workers)
