"""bnnpost merge: the draws of a run that workers have left, or that lies in several directories."""

import click

from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json, trust_code
from bnnpost_cli.shown_draws import show


@click.command(short_help="The draws of a run that workers have left.")
@click.argument("run", metavar="DIR")
@click.argument("sources", metavar="[FROM]...", nargs=-1)
@click.option("--num-samples", type=int, default=None, help="Draws. [default: as were asked for]")
@click.option(
    "--only-finished", is_flag=True, help="Compute no missing block: take those before the first."
)
@trust_code
@as_json
def command(
    run: str,
    sources: tuple[str, ...],
    num_samples: int | None,
    only_finished: bool,
    trust_code: bool,
    as_json: bool,
) -> None:
    """Put the blocks that workers of bnnpost sample have left in DIR together.

    \b
    Example:  bnnpost merge runs/many
              bnnpost merge runs/many copied/from/another/machine

    Draws are the first in order of their proposals, whoever made them. Blocks that are
    missing, because a worker was lost, are computed here. FROM: copies of DIR in which workers
    went on elsewhere, without a common disk; their block files are taken over.
    """
    from bnnpost.sweeps.sampling import merge

    with reported(resume=f"bnnpost merge {run} goes on"):
        draws, problem = merge(
            run,
            sources,
            num_samples=num_samples,
            compute=not only_finished,
            progress=True,
            say=lambda message: click.echo(message, err=True),
            trust_code=trust_code,
        )
        show(draws, problem, run, as_json)
