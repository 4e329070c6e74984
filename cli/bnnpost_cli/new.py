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
        "@TARGET@": _target_lines(data, target),
    }
    text = template.read_text(encoding="utf-8")
    for place, word in words.items():
        text = text.replace(place, word)
    return text


def _target_lines(data: str | None, target: str | None) -> str:
    """The setting of the target, and which columns there are."""
    example = '# target = "y"                  # target column(s) of a file, comma-separated'
    if data is None or Path(data).suffix != ".csv":
        return example if target is None else f"target = {_quoted(target)}"
    columns = _columns(Path(data))
    wanted = columns[-1] if target is None else target
    for name in wanted.split(","):
        if name.strip() not in columns:
            from bnnpost.naming import unknown

            raise ValueError(f"{data}: {unknown('column', name.strip(), columns)}")
    comment = ["# Columns of the file:", *(f"#   {name}" for name in columns)]
    return "\n".join([f"target = {_quoted(wanted)}", *comment])


def _columns(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = [name.strip() for name in next(csv.reader(file), [])]
    if not found:
        raise ValueError(f"{path} is empty: expected a line of column names, then numbers")
    return found


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # also how TOML quotes a string
