"""bnnpost new: a commented configuration to start from."""

import csv
import importlib.resources
import json
from pathlib import Path

import click

from bnnpost_cli.failures import reported


@click.command(short_help="Write a commented configuration to start from.")
@click.argument("file", metavar="FILE")
@click.option("--data", metavar="DATA", help="A CSV or npz file of yours. [default: diabetes]")
@click.option("--target", metavar="COLUMN,…", help="Its target column(s). [default: the last]")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
def command(file: str, data: str | None, target: str | None, force: bool) -> None:
    """Write FILE, a configuration with every setting, its default, and what it means.

    \b
    Example:  bnnpost new study.toml
              bnnpost new wine.toml --data wine.csv --target quality

    Then edit it, and run bnnpost sweep --config FILE --dry-run.
    """
    with reported():
        from bnnpost.storage import write_text

        path = Path(file)
        if path.suffix != ".toml":
            raise click.UsageError(f"expected a name that ends in .toml, got {file}")
        if path.exists() and not force:
            raise FileExistsError(f"{file} is there already: choose another name, or add --force")
        write_text(path, _filled(path, data, target))
    click.echo(f"{file} is written: edit it, then run", err=True)
    click.echo(f"bnnpost sweep --config {file} --dry-run")


def _filled(path: Path, data: str | None, target: str | None) -> str:
    """The template with names filled in."""
    template = importlib.resources.files("bnnpost_cli") / "templates" / "study.toml"
    words = {
        "@FILE@": str(path),
        "@OUT@": f"runs/{path.stem}",
        "@DATA@": _quoted(data or "diabetes"),
        "@COLUMNS@": _column_lines(data, target),
    }
    text = template.read_text(encoding="utf-8")
    for place, word in words.items():
        text = text.replace(place, word)
    return text


def _column_lines(data: str | None, target: str | None) -> str:
    """The settings of the columns: target and, where some hold text, features."""
    if data is None or Path(data).suffix != ".csv":
        named = "# target = " + _quoted("y") if target is None else f"target = {_quoted(target)}"
        return "\n".join(
            [
                f"{named:<31} # target column(s) of a file, comma-separated",
                '# features = "a,b"              # its input columns, where not all others',
            ]
        )
    columns, text = _columns(Path(data))
    wanted = columns[-1] if target is None else target
    targets = [name.strip() for name in wanted.split(",")]
    for name in targets:
        if name not in columns:
            from bnnpost.naming import unknown

            raise ValueError(f"{data}: {unknown('column', name, columns)}")
    inputs = [name for name in columns if name not in (*targets, *text)]
    told = f"# left out, as they hold text: {', '.join(text)}" if text else "# all but the target"
    setting = f"{'' if text else '# '}features = {_quoted(','.join(inputs))}"
    return f"target = {_quoted(wanted)}\n{setting} {told}"


def _columns(path: Path) -> tuple[list[str], list[str]]:
    """Names of all columns, and of those that hold something else than numbers."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [[cell.strip() for cell in line] for line in csv.reader(file) if line]
    if not lines:
        raise ValueError(f"{path} is empty: expected a line of column names, then numbers")
    names, *rows = lines
    text = {i for row in rows for i, cell in enumerate(row) if not _is_number(cell)}
    return names, [name for i, name in enumerate(names) if i in text]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # also how TOML quotes a string
