"""The library's source files as syntax trees, and what they import."""

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bnnpost

PACKAGE = Path(bnnpost.__file__).parent


@dataclass(frozen=True)
class Import:
    """One imported name, dotted. deferred: in a function; imports for type checkers are not."""

    name: str
    deferred: bool


@functools.cache
def trees() -> dict[str, ast.Module]:
    """Every module of the library by its dotted name (a package's by the package's)."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.AST, deferred: bool = False) -> Iterator[Import]:
    """Every name that a module imports, relative imports aside (there are none)."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, deferred) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield from (Import(f"{prefix}.{alias.name}", deferred) for alias in node.names)
        else:
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(node, deferred or function)


def module_of(name: str, known: dict[str, ast.Module]) -> str | None:
    """The library's module that an imported name is, or is from; None for other packages."""
    while name:
        if name in known:
            return name
        name = name.rpartition(".")[0]
    return None


def names_used(tree: ast.AST) -> set[str]:
    """Every dotted name in the code and every imported name; strings and comments are not code."""
    return {item.name for item in imports(tree)} | {*filter(None, map(dotted, ast.walk(tree)))}


def dotted(node: ast.AST) -> str | None:
    """A name, or the attribute of one, as it is written; None for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return None
