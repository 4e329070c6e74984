"""bnnpost predict: what a run says of the user's own inputs."""

import csv
import io
import math
from pathlib import Path
from typing import Any

import click

from bnnpost_cli import executors
from bnnpost_cli.failures import reported
from bnnpost_cli.options import trust_code

_MOST_ROWS = 5


class _Levels(click.ParamType):
    """Comma-separated numbers between 0 and 1."""

    name = "P,P,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        try:
            found = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            found = ()
        if not found or not all(0 < one < 1 for one in found):
            self.fail(f"expected numbers between 0 and 1 such as 0.05,0.5,0.95, got {value!r}")
        return found


@click.command(short_help="Predict at the rows of a file of your own.")
@click.argument("run", metavar="RUN")
@click.option("--x", "file", required=True, metavar="FILE", help="Inputs: a CSV or npz file.")
@click.option(
    "--out", metavar="FILE", help="Predictions: a .csv or .npz file. [default: CSV to stdout]"
)
@click.option("--width", type=int, help="Width of a sweep. [default: its widest]")
@click.option(
    "--quantiles", type=_Levels(), default="0.05,0.5,0.95", show_default=True,
    help="Quantiles of the target.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Refuse a file with rows that cannot be predicted.")
@click.option("--force", is_flag=True, help="Replace the file --out if it is there.")
@trust_code
def command(
    run: str,
    file: str,
    out: str | None,
    width: int | None,
    quantiles: tuple[float, ...],
    strict: bool,
    force: bool,
    trust_code: bool,
) -> None:
    """Predict the target at each row of FILE with the draws of RUN, in the units of its column.

    \b
    Example:  bnnpost predict runs/wine --x new.csv --out predictions.csv
              bnnpost predict runs/wine --x new.csv --width 64 --quantiles 0.1,0.9

    RUN: the directory of bnnpost sample, or of bnnpost sweep over widths, or a file of draws. FILE
    has the columns of the run's features by name, in any order, others ignored; it is prepared as
    the run's data were. A line a row: of numbers the mean and std of the target, noise included,
    the std of f, without it, and quantiles of the target; of classes the most probable one and the
    probability of each. Weighted draws count by their weights.

    Rows with a missing value that the run does not fill in, a word that it does not know or no
    number where it expects one are left empty: a last column, not_predicted, then says why, and
    stderr how many they are.
    """
    with reported():
        target = _target(out, force)
        from bnnpost.sweeps.predicting import predict_file

        executors.keep_programs()
        found = predict_file(
            run,
            file,
            width=width,
            quantiles=quantiles,
            progress=True,
            strict=strict,
            trust_code=trust_code,
        )
        text = _csv(found)
        if target is not None:
            _write(target, found, text)
    total, reasons = len(found["row"]), _reasons(found)
    if out is None:
        click.echo(text, nl=False)
    else:
        click.echo("".join(text.splitlines(keepends=True)[: _MOST_ROWS + 1]), nl=False)
        if total > _MOST_ROWS:
            click.echo(f"… {total - _MOST_ROWS:,} more")
        number = total - len(reasons)
        are = "row is" if number == 1 else "rows are"
        click.echo(f"{number:,} {are} predicted in {out}", err=True)
    if reasons:
        from bnnpost.datasets.user_files import first_reason

        are = "row is" if len(reasons) == 1 else "rows are"
        click.echo(
            f"{len(reasons):,} of {total:,} {are} not predicted. {first_reason(reasons)}", err=True
        )


def _reasons(found: dict[str, Any]) -> dict[int, str]:
    """By row why it is not predicted."""
    from bnnpost.sweeps.predicting import NOT_PREDICTED

    told = found.get(NOT_PREDICTED, ())
    return {row: str(reason) for row, reason in enumerate(told) if reason}


def _target(out: str | None, force: bool) -> Path | None:
    if out is None:
        return None
    path = Path(out)
    if path.suffix not in (".csv", ".npz"):
        raise click.UsageError(f"--out: expected a name that ends in .csv or .npz, got {out}")
    if path.exists() and not force:
        raise FileExistsError(f"{out} is there already: choose another name, or add --force")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{out}: there is no folder {path.parent}")
    return path


def _csv(found: dict[str, Any]) -> str:
    """The table as CSV, numbers to seven digits, those of rows not predicted empty."""
    text, left_out = io.StringIO(), _reasons(found)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(found)
    for number, row in enumerate(zip(*found.values(), strict=True)):
        blank = "" if number in left_out else "nan"
        writer.writerow([_spelled(cell, blank) for cell in row])
    return text.getvalue()


def _spelled(cell: Any, blank: str) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return blank if math.isnan(cell) else f"{cell:.7g}"


def _write(path: Path, found: dict[str, Any], text: str) -> None:
    import numpy as np

    from bnnpost.storage import whole, write_text

    if path.suffix == ".csv":
        write_text(path, text)
        return
    with whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **found)
