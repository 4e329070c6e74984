"""The docstrings of this package as reStructuredText: prose in which arguments are named.

"num_samples: accepted draws asked for." Names of arguments and fields are made bold where a
sentence begins with them, and what reStructuredText would take for markup is escaped.
"""

import contextlib
import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

from sphinx.application import Sphinx

_CODE = re.compile(r"(`[^`]*`)")
_FUNCTION = re.compile(r"<function ([\w.]+)>")
_ARRAY = re.compile(r"~?\bjax(?:lib)?\.[\w.]*\bArray\b(?!\w)")
_MARKUP = re.compile(r"([*|\\]|_(?!\w))")


def _names(documented: object) -> list[str]:
    """Arguments of a function or class, and fields of a dataclass or named tuple."""
    found: list[str] = []
    with contextlib.suppress(TypeError, ValueError):
        found += list(inspect.signature(documented).parameters)  # type: ignore[arg-type]
    if dataclasses.is_dataclass(documented):
        found += [field.name for field in dataclasses.fields(documented)]
    found += list(getattr(documented, "_fields", ()))
    found += list(getattr(documented, "__annotations__", {}))
    return sorted({name for name in found if name.isidentifier()}, key=len, reverse=True)


def _escaped(line: str) -> str:
    parts = _CODE.split(line)
    return "".join(p if p.startswith("`") else _MARKUP.sub(r"\\\1", p) for p in parts)


def _emphasised(line: str, names: list[str]) -> str:
    """Names that are followed by a colon, alone or in a list of names, in bold."""
    if not names:
        return line
    one = rf"(?:{'|'.join(map(re.escape, names))})(?: \[[^\]]*\])?"
    listed = re.compile(rf"(?<![\w`.]){one}(?:(?:, | or ){one})*(?=(?: \"\w+\")?:(?:\s|$))")
    single = re.compile(rf"(?:{'|'.join(map(re.escape, names))})(?=$|[ ,])")
    return listed.sub(lambda found: single.sub(r"**\g<0>**", found[0]), line)


def _prepared(
    app: Sphinx, what: str, name: str, documented: object, options: object, lines: list[str]
) -> None:
    if name.startswith("bnnpost"):
        names = _names(documented)
        lines[:] = [
            line if is_verbatim else _emphasised(_escaped(line), names)
            for line, is_verbatim in _with_formulae(lines)
        ]


def _with_formulae(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Lines, and whether they stay as they are: those indented after an empty line.

    Other indented lines only go on with the sentence before them.
    """
    before, inside = "", False
    for line in lines:
        indented = line.startswith("    ")
        if indented and not inside and not before.strip():
            inside = True
            yield from (("::", True), ("", True))
        elif line.strip() and not indented:
            inside = False
        yield (line, True) if inside else (line.strip() if indented else line, False)
        before = line


def _readable(
    app: Sphinx,
    what: str,
    name: str,
    documented: object,
    options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str, str | None] | None:
    """A signature without the places of arrays' types, and with functions by their names."""
    if signature is None:
        return None
    plain = _FUNCTION.sub(r"\1", signature.replace("<function <lambda>>", "..."))
    return _ARRAY.sub("Array", plain), returned and _ARRAY.sub("Array", returned)


def setup(app: Sphinx) -> dict[str, Any]:
    """Prepare every docstring and signature before it is parsed."""
    app.connect("autodoc-process-docstring", _prepared)
    app.connect("autodoc-process-signature", _readable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
