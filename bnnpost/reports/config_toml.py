"""A configuration as TOML that can be run again, and the commands that do."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnnpost.summaries.summary import Block, Code, Fact, Facts, Paragraph

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def as_toml(config: Mapping[str, Any]) -> str:
    """Keys and values, a line each; those that are None say nothing and are left out."""
    return "\n".join(line(name, one) for name, one in config.items() if one is not None) + "\n"


def line(name: str, given: Any) -> str:
    """A key and its value; a list of tables has a line for each."""
    text = value(given)
    if isinstance(given, Sequence) and given and isinstance(given[0], Mapping):
        text = "[\n" + "".join(f"  {value(one)},\n" for one in given) + "]"
    return f"{key_text(name)} = {text}"


def value(given: Any) -> str:
    """A value as TOML has it."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int | float):
        return repr(given)
    if isinstance(given, str):
        # The escapes of JSON are TOML's, but for DEL.
        return json.dumps(given, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(given, Mapping):
        inner = (f"{key_text(k)} = {value(v)}" for k, v in given.items() if v is not None)
        return "{ " + ", ".join(inner) + " }"
    return "[" + ", ".join(value(one) for one in given) + "]"


def key_text(name: str) -> str:
    """A key as TOML has it."""
    return name if _BARE.match(name) else json.dumps(name)


def reproduce(command: str, config: Mapping[str, Any], run: Path) -> tuple[Block, ...]:
    """How the run is made again. command: "sweep" or "sample"."""
    again = shlex.quote(f"{run}-again")
    line = f"bnnpost {command} --config config.toml --out {again}"
    what = {"sweep": "same draws and distances", "sample": "same draws"}[command]
    return (
        Paragraph(
            f"Save this as config.toml and run the command below: the {what} come out, up to the "
            "last bits of floating-point numbers where versions or device differ."
            + _of_files(config)
        ),
        Code(as_toml(config), "Configuration, config.toml"),
        Code(line + "\n", "Command"),
    )


def _of_files(config: Mapping[str, Any]) -> str:
    data = str(config.get("data", ""))
    if Path(data).suffix in (".csv", ".npz"):
        return f" Paths, here of the data ({data}), are relative to where the command is run."
    if config.get("network"):
        return f" The code of the network ({config['network']}) must be importable."
    return ""


def made_by(versions: Mapping[str, str], others: Mapping[str, object]) -> Facts:
    """Versions, and what else numbers depend on."""
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    told = {**others, "Versions": listed} if listed else others
    return Facts("made", tuple(Fact(_key(label), label, value) for label, value in told.items()))


def _key(label: str) -> str:
    return label.lower().replace(" ", "_")
