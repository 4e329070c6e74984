"""The table of a configuration's keys, read off its dataclass and the flags of the same names."""

import dataclasses
import importlib
import re
from typing import Any, get_type_hints

import click
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_DEFAULT = re.compile(r" ?\[default: .*\]$")
_KINDS = {"int": "whole number", "float": "number", "str": "text", "bool": "true or false"}


def _found(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _kind(hint: object) -> str:
    words = str(hint)
    numbers = [kind for name, kind in _KINDS.items() if re.search(rf"\b{name}\b", words)]
    of_tables = "Mapping" in words or "dict" in words
    if "tuple" in words:
        return "list of tables" if of_tables else f"list of {numbers[0]}s"
    if of_tables:
        # Its own keys and values are text, whatever else it may be.
        return "number or law" if "float" in words else "law"
    return numbers[0] if numbers else words


def _default(field: Any) -> str:
    value = field.default
    if value is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is None or value is dataclasses.MISSING:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def _helps(command: click.Command) -> dict[str, str]:
    options = [p for p in command.params if isinstance(p, click.Option) and p.name]
    return {str(o.name): _DEFAULT.sub("", o.help or "") for o in options}


def _of_docstring(kind: type, name: str) -> str:
    """What the class's docstring says of a key that has no flag."""
    text = " ".join((kind.__doc__ or "").split())
    match = re.search(rf"(?<!\w){name}(?:, \w+)*: (.*?)(?:[.;] |[.;]$)", text)
    return f"{match[1][:1].upper()}{match[1][1:]}." if match else ""


def rows(kind: type, command: click.Command) -> list[tuple[str, str, str, str]]:
    """Key, kind, default and meaning of each field."""
    hints, helps = get_type_hints(kind), _helps(command)
    return [
        (
            f.name,
            _kind(hints[f.name]),
            _default(f),
            helps.get(f.name) or _of_docstring(kind, f.name),
        )
        for f in dataclasses.fields(kind)
    ]


class ConfigurationKeys(SphinxDirective):
    """`configuration-keys:: module:Dataclass module:command`."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        kind, command = map(_found, self.arguments)
        lines = [
            ":::{table}",
            ":class: reference-table",
            "",
            "| key | kind | default | meaning |",
            "|---|---|---|---|",
        ]
        for name, *others in rows(kind, command):
            lines.append("| " + " | ".join([f"`{name}`", *others]) + " |")
        lines.append(":::")
        return self.parse_text_to_nodes(StringList(lines, "configuration-keys"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("configuration-keys", ConfigurationKeys)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
