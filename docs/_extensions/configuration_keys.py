"""The table of a configuration's keys, read off its dataclass."""

import dataclasses
import importlib
import re
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bnnpost.settings import kinds, meanings

_READ = {
    "std": "number or law",
    "noise": "number or law",
    "prior": "law",
    "likelihood": "text or table",
}
_KINDS = {"int": "whole number", "float": "number", "str": "text", "bool": "true or false"}


def _found(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _kind(hint: object) -> str:
    words = str(hint)
    numbers = [kind for name, kind in _KINDS.items() if re.search(rf"\b{name}\b", words)]
    if "tuple" in words:
        return "list of tables" if "Mapping" in words else f"list of {numbers[0]}s"
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


def rows(kind: type) -> list[tuple[str, str, str, str]]:
    """Key, kind, default and meaning of each field."""
    hints, told = kinds(kind), meanings(kind)
    found = []
    for field in dataclasses.fields(kind):
        if field.name not in told:
            continue
        meaning = told[field.name]
        held = _READ.get(meaning.read) or _kind(hints[field.name])
        default = _default(field) or meaning.shown or ""
        found.append((field.name, held, default, meaning.help))
    return found


class ConfigurationKeys(SphinxDirective):
    """`configuration-keys:: module:Dataclass`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        kind = _found(self.arguments[0])
        lines = [
            ":::{table}",
            ":class: reference-table",
            "",
            "| key | kind | default | meaning |",
            "|---|---|---|---|",
        ]
        for name, *others in rows(kind):
            lines.append("| " + " | ".join([f"`{name}`", *others]) + " |")
        lines.append(":::")
        return self.parse_text_to_nodes(StringList(lines, "configuration-keys"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("configuration-keys", ConfigurationKeys)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
