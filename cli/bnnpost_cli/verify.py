"""bnnpost verify: do these draws come from that posterior?"""

import json
import sys
from pathlib import Path
from typing import Any

import click

from bnnpost.sweeps.keys import LARGEST_SEED
from bnnpost_cli.failures import FAILED, reported
from bnnpost_cli.options import as_json

level_option = click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Probability that a right candidate fails.",
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=0,
    show_default=True,
    help="Of the permutations.",
)
html_option = click.option(
    "--html",
    default=None,
    metavar="FILE",
    help="Write the report as a page, with plots. A page that is there is replaced, no other file.",
)


def tell(report: Any, as_json: bool, html: str | None) -> None:
    """Print a report, and write its page if one was asked for."""
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.summary())
    if html is not None:
        from bnnpost.summaries.html_page import write_html

        write_html(report, html)
        click.echo(f"wrote {html}", err=True)


@click.command(short_help="Whether draws are from the posterior of a reference.")
@click.argument("candidate", metavar="CANDIDATE")
@click.argument("reference", metavar="REFERENCE")
@click.option(
    "--x-test",
    default=None,
    metavar="FILE",
    help="Test inputs, a row each: a .csv of numbers or a .npy. [default: the reference's]",
)
@level_option
@seed_option
@html_option
@as_json
def command(
    candidate: str,
    reference: str,
    x_test: str | None,
    level: float,
    seed: int,
    html: str | None,
    as_json: bool,
) -> None:
    """Compare the draws of any sampler with an exact reference.

    \b
    Example:  bnnpost verify mine.npz runs/one
              bnnpost verify chains.nc runs/one/draws.nc --x-test inputs.csv
              bnnpost verify runs/chains runs/one --html report.html

    CANDIDATE: function values f[draw, point, output] at the test inputs, f_train at the training
    inputs, or both: a .npz or .npy, a netCDF file of an ArviZ object (f and f_train in group
    posterior), a .csv with columns f[0], f[1], … (f[0, 1] with several outputs), or what
    bnnpost sample wrote. REFERENCE: the directory of a run of bnnpost sample, whose test inputs
    are used, or its draws.nc or predictions.nc.

    The verdict comes first, with how wrong a candidate is that fails; then what its errors look
    like, where they make a pattern that is known. Then each check, with the smallest
    deviation that it would have found. Exit code 3 if the candidate fails.
    """
    with reported():
        from bnnpost.samplers.progress import Progress
        from bnnpost.summaries import check_free
        from bnnpost_cli import verified_files

        if html is not None:
            check_free(Path(html))  # before, and not after, minutes of work
        given, _ = verified_files.draws_of(candidate)
        known, _ = verified_files.draws_of(reference)
        click.echo(f"reading {given} and {known}", err=True)
        with Progress(0, enabled=True, label="comparing"):
            report = _compared(given, known, reference, x_test, level, seed)
        tell(report, as_json, html)
    if not report.passed:
        sys.exit(FAILED)


def _compared(
    given: Path, known: Path, reference: str, x_test: str | None, level: float, seed: int
) -> Any:
    """The report on two files. Imports what takes its time, while progress is shown."""
    from bnnpost.numerics.random import key_of_seed
    from bnnpost.verification import candidates, references
    from bnnpost.verification.sameness import check_same, known_of
    from bnnpost.verification.verify import verify
    from bnnpost_cli import verified_files

    if x_test is None:
        inputs = verified_files.draws_of(reference, with_inputs=True)[1]
    else:
        inputs = verified_files.read_inputs(x_test)
    draws, right = candidates.with_contents(given), references.opened(known)
    check_same(known_of(draws), known_of(right))
    return verify(key_of_seed(seed), draws, right, inputs, level=level)
