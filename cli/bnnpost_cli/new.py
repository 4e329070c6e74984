"""bnnpost new: a commented configuration to start from."""

import importlib.resources
import json
from pathlib import Path

import click

from bnnpost_cli.failures import reported

_ID_LINE = '# id_column = "name"            # a column that names rows: shown, and no feature'
_BY_FLAG = "name the columns to use with --features"
_MISSING_LINE = 'missing = "refuse"              # empty cells of a file; or "drop", or "impute"'


@click.command(short_help="Write a commented configuration to start from.")
@click.argument("file", metavar="FILE")
@click.option("--data", metavar="DATA", help="A CSV or npz file of yours. [default: diabetes]")
@click.option("--target", metavar="COLUMN,…", help="Its target column(s). [default: the last]")
@click.option(
    "--features", metavar="COLUMN,…",
    help="Its input columns. [default: all others but dates, identifiers and many words]",
)  # fmt: skip
@click.option("--likelihood", metavar="NAME", help="Of the targets. [default: as they are]")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
def command(
    file: str,
    data: str | None,
    target: str | None,
    features: str | None,
    likelihood: str | None,
    force: bool,
) -> None:
    """Write FILE, a configuration with every setting, its default, and what it means.

    \b
    Example:  bnnpost new study.toml
              bnnpost new wine.toml --data wine.csv --target quality --likelihood laplace

    Of a CSV file with a heading line dates, identifiers and columns with many different words (more
    than five, and than a tenth of the rows) are left out of the features, and named.

    Then edit it, and run bnnpost sweep --config FILE --dry-run.
    """
    with reported():
        from bnnpost.storage import write_text

        path = Path(file)
        if path.suffix != ".toml":
            raise click.UsageError(f"expected a name that ends in .toml, got {file}")
        if path.exists() and not force:
            raise FileExistsError(f"{file} is there already: choose another name, or add --force")
        columns, said, levels = _column_lines(data, target, features)
        targets = _likelihood_lines(levels, likelihood)
        write_text(path, _filled(path, data, columns, targets))
        for sentence in said:
            click.echo(sentence, err=True)
    click.echo(f"{file} is written: edit it, then run", err=True)
    click.echo(f"bnnpost sweep --config {file} --dry-run")


def _filled(path: Path, data: str | None, columns: str, likelihood: str) -> str:
    """The template with names filled in."""
    template = importlib.resources.files("bnnpost_cli") / "templates" / "study.toml"
    words = {
        "@FILE@": str(path),
        "@OUT@": f"runs/{path.stem}",
        "@DATA@": _quoted(data or "diabetes"),
        "@COLUMNS@": columns,
        "@LIKELIHOOD@": likelihood,
    }
    text = template.read_text(encoding="utf-8")
    for place, word in words.items():
        text = text.replace(place, word)
    return text


def _column_lines(
    data: str | None, target: str | None, features: str | None
) -> tuple[str, list[str], tuple[str, ...]]:
    """Settings of the columns of data that can be read; what to say of them; classes.

    Raises DataError.
    """
    if data is not None and Path(data).suffix == ".csv":
        return _csv_column_lines(data, target, features)
    _check_readable(data, target, features)
    named = "# target = " + _quoted("y") if target is None else f"target = {_quoted(target)}"
    named_features = '# features = "a,b"' if features is None else f"features = {_quoted(features)}"
    lines = (
        f"{named:<31} # target column(s) of a file, comma-separated",
        f"{named_features:<31} # its input columns, where not all others",
        _ID_LINE,
        _MISSING_LINE,
    )
    return "\n".join(lines), [], ()


def _likelihood_lines(levels: tuple[str, ...], likelihood: str | None) -> str:
    """The likelihood asked for, or the one that suits classes; else Gaussian noise."""
    if likelihood is not None:
        from bnnpost.sweeps import SweepConfig

        SweepConfig(likelihood=likelihood)  # type: ignore[arg-type]  # or it says what is wrong
    elif levels:
        likelihood = "bernoulli" if len(levels) == 2 else "categorical"
    named = f" # classes: {', '.join(levels)}" if levels else ""
    if likelihood is not None:
        return f"likelihood = {_quoted(likelihood)}{named}\n# noise_std = 0.31622776601683794"
    return (
        '# likelihood = "StudentT(df=4, noise_std=0.4)"\n'
        'noise_std = 0.31622776601683794 # the root of 0.1; or a law: "HalfNormal(0.5)"'
    )


def _check_readable(data: str | None, target: str | None, features: str | None) -> None:
    from bnnpost import datasets

    if data is not None and Path(data).suffix == ".npz":
        datasets.read(data, target, features=features)
        return
    if data is not None:
        datasets.load(data)
    for flag, names in (("--target", target), ("--features", features)):
        if names is not None:
            given = data or "diabetes"
            raise click.UsageError(f"{given} comes with its columns: {flag} is for a file")


def _csv_column_lines(
    data: str, target: str | None, features: str | None
) -> tuple[str, list[str], tuple[str, ...]]:
    from bnnpost.datasets.user_files import csv_columns, read

    found = csv_columns(data)
    names = found.names
    wanted = names[-1] if target is None else target
    targets = _names(wanted, names)
    left_out: dict[str, str] = {}
    if features is None:
        left_out = {name: why for name, why in found.unsuited.items() if name not in targets}
        inputs = [name for name in names if name not in targets and name not in left_out]
    else:
        inputs = _names(features, names)
    told = "; ".join(f"{name} ({why})" for name, why in left_out.items())
    if not inputs and told:
        raise click.UsageError(f"{data}: no column is left for features: {told}; {_BY_FLAG}")
    missing = {name: n for name, n in found.missing.items() if name in (*inputs, *targets)}
    # or it says what is wrong
    data_set = read(data, targets, features=inputs, missing="drop" if missing else "refuse")
    words = ", ".join(f"{name} ({n})" for name, n in found.levels.items() if name in inputs)
    is_all = features is None and not left_out
    notes = ["all but the target"] if is_all else []
    notes += [f"words, one-hot, with their levels: {words}"] if words else []
    comment = f" # {'; '.join(notes)}" if notes else ""
    lines = [f"target = {_quoted(wanted)}"]
    if left_out:
        lines.append("# Left out; to have one as a feature all the same, add its name to the list:")
        lines += [f"#   {name}: {why}" for name, why in left_out.items()]
    lines.append(f"{'# ' if is_all else ''}features = {_quoted(','.join(inputs))}{comment}")
    ids = [name for name in found.ids if name not in (*inputs, *targets)]
    lines.append(f"id_column = {_quoted(ids[0])} # names rows in tables and figures" if ids
                 else _ID_LINE)  # fmt: skip
    said = [f"not among the features: {told}. To have one all the same, add its name "
            f"to features in the file, or {_BY_FLAG}"] if left_out else []  # fmt: skip
    if not missing:
        return "\n".join([*lines, _MISSING_LINE]), said, data_set.levels
    counts = ", ".join(f"{name} ({n:,})" for name, n in missing.items())
    gone = found.num_rows - data_set.num_rows
    lines += [
        f"# Cells are missing in {counts}: {gone:,} of {found.num_rows:,} rows.",
        'missing = "drop"                # leaves these rows out; or "impute", or "refuse"',
    ]
    said.append(f"missing cells in {counts}: {gone:,} of {found.num_rows:,} rows are left out")
    return "\n".join(lines), said, data_set.levels


def _names(text: str, header: tuple[str, ...]) -> list[str]:
    """Names of columns with commas between; or one, which may itself have a comma."""
    return [text] if text in header else [name.strip() for name in text.split(",")]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # also how TOML quotes a string
