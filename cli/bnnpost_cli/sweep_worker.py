"""bnnpost sweep worker: one process of several on a sweep, under any scheduler."""

import json
from typing import Any

import click

from bnnpost_cli import executors, shown_grid
from bnnpost_cli.failures import SOME_FAILED, reported
from bnnpost_cli.options import as_json, given, sweep_options


@click.command(short_help="One of several processes on a sweep, under any scheduler.")
@click.argument("directory", metavar="[OUT]", required=False)
@sweep_options
@click.option("--out", metavar="DIR", help="With --config or settings: directory of the sweep.")
@click.option(
    "--index", type=click.IntRange(min=0), default=0, help="This worker, from 0: where it begins."
)
@click.option("--of", "count", type=click.IntRange(min=1), help="How many workers there are.")
@click.option("--force", is_flag=True, help="Run even if the acceptance rate looks hopeless.")
@click.option("--again", is_flag=True, help="Try what has failed again, too.")
@executors.retries_option
@as_json
def command(
    directory: str | None,
    config: str | None,
    out: str | None,
    index: int,
    count: int | None,
    force: bool,
    again: bool,
    retries: int,
    as_json: bool,
    **flags: Any,
) -> None:
    """Do what no other worker has claimed, until nothing is left.

    \b
    Example:  bnnpost sweep worker --config grid.toml --out runs/grid --index 0 --of 2 &
              bnnpost sweep worker --config grid.toml --out runs/grid --index 1 --of 2
              bnnpost sweep worker runs/grid --index $SLURM_ARRAY_TASK_ID --of 16

    Workers need a disk in common and no word of each other. --index I --of N says where a
    worker begins, from 0 as with `--array=0-15`; it is never read from the environment. Each
    claims a unit (a cell at one width) by a lock that ends with its process, so that nobody
    waits for a worker that died: others take its units, or the next one started does. Whoever
    finishes a cell puts its results together.
    """
    if count is not None and index >= count:
        raise click.UsageError(f"expected --index from 0 to {count - 1}, got {index}")
    if index and count is None:
        raise click.UsageError("--index needs --of N, the number of workers")
    if (directory is None) == (out is None) or (directory and (config or given(flags))):
        raise click.UsageError(
            "expected either OUT, a sweep that was begun, or --config and --out to begin one"
        )
    path = str(directory or out)
    with reported(resume="any other worker, or bnnpost sweep resume, goes on"):
        from bnnpost.sweeps import load_grid, load_results
        from bnnpost.sweeps.grid_directory import GridDirectory
        from bnnpost.sweeps.loaded import as_json as plain
        from bnnpost.sweeps.work import Effort, forget_failures, work

        executors.keep_programs()
        grid = load_grid(config, given(flags)) if out else GridDirectory.read(path).grid
        with GridDirectory.begun(path, grid, say=_say) as held:
            if again:
                forget_failures(held)
            work(held, Effort(retries, force, (index, count or 1)), say=_say, progress=True)
        found = load_results(path)
        click.echo(shown_grid.ending(found), err=True)
        if as_json:
            click.echo(json.dumps(plain(found), indent=2))
        if any(cell.status in ("failed", "refused") for cell in found):
            raise SystemExit(SOME_FAILED)


def _say(message: str) -> None:
    click.echo(message, err=True)
