"""bnnpost zoo: reference posteriors by name, built on one's own machine."""

import sys
from pathlib import Path
from typing import Any

import click

from bnnpost_cli.completed import references
from bnnpost_cli.failures import FAILED, reported
from bnnpost_cli.options import as_json
from bnnpost_cli.printing import print_summary
from bnnpost_cli.verify import html_option, level_option, seed_option, tell

_directory = click.option(
    "--zoo", "directory", default="zoo", show_default=True, metavar="DIR", help="Where they are."
)


@click.group(short_help="Reference posteriors: exact draws to hold a sampler against.")
def command() -> None:
    """Named posteriors, and exact draws from them to hold any sampler against.

    \b
    Example:  bnnpost zoo list
              bnnpost zoo build sine-tanh-1x1 step-erf-2x8
              bnnpost zoo show step-erf-2x8
              bnnpost zoo verify mine.npz step-erf-2x8
              bnnpost zoo export step-erf-2x8 --format posteriordb

    From Python: bnnpost.zoo.posterior(name) gives the posterior and the test inputs at which
    function values are compared.
    """


@command.command("list", short_help="All of them, in a table.")
@as_json
def _list(as_json: bool) -> None:
    """Each posterior: its data, network, likelihood, and how many draws of which kind.

    \b
    Example:  bnnpost zoo list
              bnnpost zoo list --json
    """
    with reported():
        from bnnpost.zoo.entries import ENTRIES
        from bnnpost.zoo.zoo_summary import summary_of_zoo

        print_summary(summary_of_zoo(ENTRIES), as_json)


@command.command(short_help="One of them, and its record if it was built.")
@click.argument("name", shell_complete=references)
@_directory
@as_json
def show(name: str, directory: str, as_json: bool) -> None:
    """The description of a posterior, and of its reference if DIR has it: how it was made, seed,
    versions, evidence, and every check with what was found.

    \b
    Example:  bnnpost zoo show step-erf-2x8
              bnnpost zoo show step-erf-2x8 --zoo runs/zoo --json
    """
    with reported():
        from bnnpost import zoo
        from bnnpost.zoo.zoo import plain_record
        from bnnpost.zoo.zoo_summary import summary_of_entry

        entry = _entry(name)
        try:
            summary = summary_of_entry(entry, plain_record(zoo.load(name, directory)))
        except FileNotFoundError as error:
            summary = summary_of_entry(entry, absent=str(error))
        print_summary(summary, as_json)


@command.command(short_help="Make references here: draws, checks and files.")
@click.argument("names", nargs=-1, metavar="[NAME]…", shell_complete=references)
@click.option("--out", default="zoo", show_default=True, metavar="DIR", help="Made if need be.")
def build(names: tuple[str, ...], out: str) -> None:
    """Draw and check the references named, or all, and write NAME.nc and NAME.csv into DIR.

    \b
    Example:  bnnpost zoo build
              bnnpost zoo build step-erf-2x8 --out runs/zoo

    Those that are there already are kept, so that after an interruption the same command goes
    on. Every reference is checked before it is written, against draws made by another method
    among others; one that fails is not written, and the exit code is 1.
    """
    with reported(resume=f"the same command goes on; what is finished in {out} is kept"):
        from bnnpost import zoo

        entries = [_entry(name) for name in names or zoo.names()]
        for entry in entries:
            path = zoo.build(entry.name, out, progress=sys.stderr.isatty(), say=_say)
            click.echo(str(path))


@command.command(short_help="References and posteriors for other programs.")
@click.argument("name", shell_complete=references)
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice(["posteriordb", "csv", "netcdf", "stan"]),
    help="What is written.",
)
@click.option("--parameters", is_flag=True, help="Weights and biases of each draw too.")
@_directory
@click.option("--out", default="export", show_default=True, metavar="DIR", help="Made if need be.")
def export(name: str, form: str, parameters: bool, directory: str, out: str) -> None:
    """Write a reference that was built in the zoo's DIR, or its posterior, for other programs.

    \b
    Example:  bnnpost zoo export step-erf-2x8 --format csv
              bnnpost zoo export step-erf-2x8 --format netcdf --parameters
              bnnpost zoo export step-erf-2x8 --format posteriordb --out mine/posterior_database
              bnnpost zoo export step-erf-2x8 --format stan

    csv, netcdf: function values, inputs and targets. posteriordb: its folders, with a Stan
    program, its data and the draws. stan: the program and its data alone; the reference need not
    be built. Weights are before w_std/√fan_in and b_std multiply them. Nothing is written over,
    and if something fails nothing is written.
    """
    with reported():
        from bnnpost import zoo

        _entry(name)
        if form == "stan" and parameters:
            raise click.UsageError("--format stan holds no draws: leave --parameters out")
        for path in zoo.export(name, directory, out, format=form, parameters=parameters):
            click.echo(str(path))


@command.command(short_help="Whether draws are from one of these posteriors.")
@click.argument("candidate", metavar="CANDIDATE")
@click.argument("name", shell_complete=references)
@_directory
@level_option
@seed_option
@html_option
@as_json
def verify(
    candidate: str,
    name: str,
    directory: str,
    level: float,
    seed: int,
    html: str | None,
    as_json: bool,
) -> None:
    """Compare the draws of any sampler with a reference that was built in DIR.

    \b
    Example:  bnnpost zoo verify mine.npz step-erf-2x8
              bnnpost zoo verify chains.nc step-erf-2x8 --zoo runs/zoo --html report.html

    CANDIDATE: function values f at the reference's test inputs, f_train at its training inputs,
    or both, in a file that bnnpost verify reads. The verdict comes first, with how wrong a
    candidate is that fails. Exit code 3 if it fails.
    """
    with reported():
        from bnnpost import zoo
        from bnnpost.numerics.random import key_of_seed
        from bnnpost.samplers.progress import Progress
        from bnnpost.summaries import check_free
        from bnnpost.verification.candidates import with_contents
        from bnnpost.verification.sameness import check_same, known_of, of_posterior
        from bnnpost.verification.verify import verify as compare
        from bnnpost.zoo.reference_files import netcdf_path
        from bnnpost_cli import verified_files

        if candidate in zoo.names():
            raise click.UsageError(
                f"expected CANDIDATE NAME, the draws first: got {candidate} {name}"
            )
        _entry(name)
        if html is not None:
            check_free(Path(html))
        given, _ = verified_files.draws_of(candidate)
        zoo.load(name, directory)  # so that it is whole, and of this posterior
        draws = with_contents(given)
        check_same(known_of(draws), of_posterior(zoo.posterior(name)[0]))
        path = netcdf_path(Path(directory), name)
        with Progress(0, enabled=True, label="comparing"):
            report = compare(key_of_seed(seed), draws, path, level=level)
        tell(report, as_json, html)
    if not report.passed:
        sys.exit(FAILED)


def _entry(name: str) -> Any:
    """The posterior of this name; an unknown one is a slip of the command line."""
    from bnnpost import zoo

    try:
        return zoo.entry(name)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _say(message: str) -> None:
    click.echo(message, err=True)
