"""bnnpost sample: draws of one posterior, kept as they are made."""

from typing import Any

import click

from bnnpost_cli import executors
from bnnpost_cli.failures import reported
from bnnpost_cli.options import as_json, given, sample_options
from bnnpost_cli.shown_draws import show


@click.command(short_help="Draws of one posterior, kept as they are made.")
@sample_options
@click.option("--out", required=True, metavar="DIR", help="Directory of the run; made if need be.")
@click.option("--force", is_flag=True, help="Run even if the acceptance rate looks hopeless.")
@executors.executor_options
@as_json
def command(
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
    from bnnpost.sweeps import load_config
    from bnnpost.sweeps.problem import load_problem
    from bnnpost.sweeps.sampling import sample

    workers = {name: flags.pop(name) for name in executors.NAMES}
    retries = workers.pop("retries")
    with reported(resume=f"the same command goes on from what is in {out}"):
        overrides = {**given(flags), **({} if width is None else {"widths": (width,)})}
        settings = load_config(config, overrides)
        used = {**flags, **workers, "force": force or None}
        check_taken(settings.method.name, given(used))
        problem = load_problem(settings)
        with executors.chosen(**workers) as executor:
            draws = sample(
                problem,
                out,
                executor=None if isinstance(executor, Inline) else executor,
                retries=retries,
                force=force,
                progress=True,
                say=_say,
            )
        show(draws, problem, out, as_json)


def _say(message: str) -> None:
    click.echo(message, err=True)
