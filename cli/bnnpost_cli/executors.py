"""The flags that say who does the work of a sweep, and the executor that they name."""

import functools
import os
from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_NAMES = ("inline", "process", "slurm")


class _Option(click.ParamType):
    """An option of jobs and its value."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        key, equals, text = str(value).partition("=")
        if not (key and equals):
            self.fail(f"expected an option and its value, such as partition=gpu, got {value!r}")
        return key.strip(), text.strip()


def executor_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--executor, --jobs, --slurm, --wait, --retries."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


retries_option = click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Further attempts where a process was killed, or memory or the file system gave out.",
)
_OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--executor",
        type=click.Choice(_NAMES),
        help="inline: in this process; process: in several on this machine; slurm: as a job "
        "array. [default: inline, or process with --jobs]",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        help="Processes or jobs at once. [default: 2 processes, at most 16 jobs]",
    ),
    click.option(
        "--slurm",
        type=_Option(),
        multiple=True,
        help="Option of the jobs: time (of each, as of sbatch: minutes, M:SS or H:MM:SS; default "
        "60), memory, cpus, gpus, partition, account, …; again for more. cluster=local tries jobs "
        "as processes. Also a table [slurm] in the configuration.",
    ),
    click.option("--wait", is_flag=True, help="slurm: wait until the jobs have ended."),
    retries_option,
)


def is_plain(executor: str | None, jobs: int | None, slurm: Any) -> bool:
    """Whether this process does everything itself. Raises UsageError for flags at odds."""
    if executor == "inline" and jobs not in (None, 1):
        raise click.UsageError("--jobs needs --executor process or slurm")
    if slurm and executor != "slurm":
        raise click.UsageError("--slurm needs --executor slurm")
    return executor == "inline" or (executor is None and jobs in (None, 1))


def chosen(
    executor: str | None,
    jobs: int | None,
    slurm: tuple[tuple[str, str], ...],
    wait: bool,
    config: str | None = None,
) -> Any:
    """The executor that the flags name, with programs kept where it compiles them.

    Raises ConfigError for a bad table [slurm].
    """
    if executor == "slurm":
        from bnnpost.sweeps.cluster import Cluster
        from bnnpost.sweeps.config import read_cluster

        options = {**read_cluster(config), **dict(slurm)}
        # Each job finds the folder for programs of its own machine.
        return Cluster(options, jobs, wait, keep_programs=True)
    keep_programs()
    if is_plain(executor, jobs, slurm):
        from bnnpost.sweeps.running import inline

        return functools.partial(inline, progress=True)
    from bnnpost.sweeps.processes import Processes

    return Processes(2 if jobs is None else jobs)


def keep_programs() -> None:
    """Let this process and those it starts use compiled programs of earlier ones."""
    from bnnpost.sweeps.programs import program_cache, silence_cache

    silence_cache()
    variables = program_cache()
    if not variables:
        return
    import jax

    os.environ.update(variables)
    for name, value in variables.items():
        kind = {"SECS": float, "BYTES": int}.get(name.rpartition("_")[2], str)
        jax.config.update(name.lower(), kind(value))
