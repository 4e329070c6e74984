"""One thing has one name: no two public things, and no two files, are called the same."""

import ast
from collections import defaultdict

from tests.structure import sources

# Public by their room or sampler: `datasets.load`, `pcn.sample`.
OF_THEIR_ROOM = {"load", "names", "read", "sample"}
# What is still called twice, and is to have names of its own.
TO_BE_RENAMED = {
    "Conditional", "Drawn", "Scale", "begin", "count", "measured", "named", "resolved", "run",
    "said_of", "to_html", "write",
}  # fmt: skip
FILES_TO_BE_RENAMED = {
    "cells", "directory", "ensemble", "files", "netcdf", "parts", "results", "running", "sampling",
}  # fmt: skip


def repeated(places):
    return {name for name, where in places.items() if len(where) > 1}


def test_no_two_public_things_have_one_name():
    places = defaultdict(set)
    for module, tree in sources.trees().items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(module)
    assert {"mlp", "Posterior", *OF_THEIR_ROOM} <= set(places)
    assert repeated(places) <= OF_THEIR_ROOM | TO_BE_RENAMED


def test_no_two_files_have_one_name():
    places = defaultdict(set)
    for path in sources.PACKAGE.rglob("*.py"):
        if not path.stem.startswith("__"):
            places[path.stem].add(path)
    assert repeated(places) <= FILES_TO_BE_RENAMED
