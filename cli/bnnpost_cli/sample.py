"""bnnpost sample and merge: draws of one posterior, kept as they are made."""

import sys
from typing import Any

import click

from bnnpost_cli import executors
from bnnpost_cli.failures import BUDGET, reported
from bnnpost_cli.options import as_json, given, sample_options, trust_code
from bnnpost_cli.printing import print_summary


@click.command(short_help="Draws of one posterior, kept as they are made.")
@sample_options
@click.option("--out", required=True, metavar="DIR", help="Directory of the run; made if need be.")
@click.option("--force", is_flag=True, help="Run even if the acceptance rate looks hopeless.")
@executors.executor_options
@as_json
def sample(
    config: str | None,
    width: int | None,
    out: str,
    force: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Draw from the posterior of one network, and keep what is drawn as it is done.

    \b
    Example:  bnnpost sample --config diabetes --width 256 --out runs/one
              bnnpost sample --num-train 50 --width 4096 --bound capped --out runs/fifty
              bnnpost sample --width 1024 --num-train 9 --jobs 2 --out runs/many
              bnnpost sample --method nuts --num-train 50 --width 32 --out runs/chains
              bnnpost sample --method coupled --num-train 50 --width 64 --out runs/pairs

    Writes draws.nc (for bnnpost.load) and predictions.nc into DIR. After an interruption, a
    kill or a full disk the same command goes on, to the same draws; with more --num-samples
    it adds to those there. Draws are the same for any number of workers. Chains that have not
    converged are kept, with exit code 0, and that is said on stderr. Coupled chains that do not
    meet, or whose draws are not shown to be as near as --tolerance asks, are kept with exit
    code 4, and how near they are is said on stderr.
    """
    from bnnpost.parallel import Inline
    from bnnpost.samplers.methods import check_taken
    from bnnpost.sweeps import load_config, sampling
    from bnnpost.sweeps.problem import load_problem

    workers = {name: flags.pop(name) for name in executors.NAMES}
    retries = workers.pop("retries")
    with reported(resume=f"the same command goes on from what is in {out}"):
        overrides = {**given(flags), **({} if width is None else {"widths": (width,)})}
        settings = load_config(config, overrides)
        used = {**flags, **workers, "force": force or None}
        check_taken(settings.method.name, given(used))
        problem = load_problem(settings)
        with executors.chosen(**workers) as executor:
            draws = sampling.sample(
                problem,
                out,
                executor=None if isinstance(executor, Inline) else executor,
                retries=retries,
                force=force,
                progress=True,
                say=_say,
            )
        _show(draws, out, as_json)


@click.command(short_help="The draws of a run that workers have left.")
@click.argument("run", metavar="DIR")
@click.argument("sources", metavar="[FROM]...", nargs=-1)
@click.option("--num-samples", type=int, default=None, help="Draws. [default: as were asked for]")
@click.option(
    "--only-finished", is_flag=True, help="Compute no missing block: take those before the first."
)
@trust_code
@as_json
def merge(
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
    from bnnpost.sweeps import sampling

    with reported(resume=f"bnnpost merge {run} goes on"):
        draws = sampling.merge(
            run,
            sources,
            num_samples=num_samples,
            compute=not only_finished,
            progress=True,
            say=_say,
            trust_code=trust_code,
        )
        _show(draws, run, as_json)


def _say(message: str) -> None:
    click.echo(message, err=True)


def _show(draws: Any, out: str, as_json: bool) -> None:
    """Print what there is to say of a run; leave with code 4 if draws are missing."""
    from bnnpost.reports import summary_of

    summary = summary_of(out)
    print_summary(summary, as_json, doubts=False)
    bad = [f"{text.upper()}: " for text, tone in summary.marks if tone == "bad"]
    for doubt in summary.doubts:
        click.echo(f"bnnpost: {''.join(bad[-1:])}{doubt}", err=True)
    click.echo(f"draws.nc (for bnnpost.load) and predictions.nc are in {out}", err=True)
    if not draws.info.complete:
        sys.exit(BUDGET)
