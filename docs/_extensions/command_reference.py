"""The reference of the command line, read off click's own commands as `--help` reads it."""

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import click
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_UNWRAPPED = "\b"
_FLAG = re.compile(r"(?<![\w`/-])(--[a-z][\w-]*)(?![\w`])")


def _commands(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command with its whole name, in the order of `--help`."""
    context = click.Context(command, info_name=name, parent=parent)
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None and not found.hidden:
                yield from _commands(found, inner, context)


def _prose(text: str) -> Iterator[str]:
    """Paragraphs of a help text as Markdown; what click leaves unwrapped is code."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith(_UNWRAPPED):
            yield from _unwrapped(paragraph.removeprefix(_UNWRAPPED).strip("\n").splitlines())
        else:
            yield _FLAG.sub(r"`\1`", " ".join(paragraph.split()))
        yield ""


def _unwrapped(lines: list[str]) -> Iterator[str]:
    """Indented lines as code, without a word in front of the first; others as prose."""
    lines = [
        re.sub(r"^\s*(Examples?|Try):", lambda label: " " * len(label[0]), lines[0]),
        *lines[1:],
    ]
    if not all(line.startswith("  ") for line in lines):
        yield " ".join(line.strip() for line in lines)
        return
    code = textwrap.dedent("\n".join(lines)).splitlines()
    # Lines of a configuration, or commands.
    language = "toml" if re.match(r"\w+ = |\[", code[0]) else "console"
    yield from (f"```{language}", *code, "```")


def _parameter(parameter: click.Parameter, context: click.Context) -> tuple[str, str] | None:
    """How an option or argument is spelled and what it means, as in `--help`."""
    record = parameter.get_help_record(context)
    if record is not None:
        return record
    if isinstance(parameter, click.Argument):
        return parameter.make_metavar(context), "Argument, described above."
    return None


def _table(command: click.Command, context: click.Context) -> Iterator[str]:
    records = [_parameter(p, context) for p in command.get_params(context)]
    known = [r for r in records if r is not None and not r[0].startswith("--help")]
    if not known:
        return
    yield from (":::{table}", ":class: reference-table", "", "| | |", "|---|---|")
    for spelling, meaning in known:
        cells = (f"`{spelling}`", _FLAG.sub(r"`\1`", " ".join(meaning.split())))
        yield "| {} | {} |".format(*(cell.replace("|", "\\|") for cell in cells))
    yield from (":::", "")


def markdown(command: click.Command, name: str) -> list[str]:
    """The whole reference, a section a command."""
    lines: list[str] = []
    for path, found, context in _commands(command, name):
        lines += ["#" * (1 + len(path.split())) + f" {path}", ""]
        lines += [*_prose(found.help or ""), *_table(found, context), *_prose(found.epilog or "")]
    return lines


class CommandReference(SphinxDirective):
    """`command-reference:: module:command name`."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        module, _, attribute = self.arguments[0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        lines = StringList(markdown(command, self.arguments[1]), "command-reference")
        return self.parse_text_to_nodes(lines, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
