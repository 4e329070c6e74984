"""The flags that say who does the work, and the executor that they name."""

import os
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import click

_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "--executor",
        metavar="NAME",
        help="inline: in this process; process: in several on this machine; dask: by workers of "
        "dask.distributed; MODULE:FACTORY: by a concurrent.futures.Executor of your own. "
        "[default: inline, process with --jobs, dask with --scheduler]",
    ),
    click.option(
        "--jobs", type=click.IntRange(min=1), help="Processes on this machine. [default: 2]"
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS|FILE",
        help="Of dask, such as tcp://host:8786 or a scheduler file. [default: one for this run]",
    ),
    click.option(
        "--retries",
        type=click.IntRange(min=0),
        default=1,
        show_default=True,
        help="Further attempts where a worker was killed, or memory or the file system gave out.",
    ),
)
NAMES = ("executor", "jobs", "scheduler", "retries")


def executor_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--executor, --jobs, --scheduler, --retries."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def chosen(executor: str | None, jobs: int | None, scheduler: str | None) -> Executor:
    """The executor that the flags name, to be used in a `with` block. Raises ExecutorError.

    Programs are kept where this machine compiles them.
    """
    from bnnpost import parallel

    keep_programs()
    made = parallel.executor(executor, jobs=jobs, scheduler=scheduler)
    if dashboard := getattr(made, "dashboard", ""):
        click.echo(f"dask's dashboard: {dashboard}", err=True)
    return made


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
