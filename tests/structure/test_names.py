"""One thing has one name: no two public things, and no two files, are called the same."""

import ast
from collections import defaultdict

from tests.structure import sources

# Public by their room or sampler: `datasets.load`, `pcn.sample`, `coupled.forecast`.
OF_THEIR_ROOM = {"forecast", "load", "names", "read", "sample", "to_html", "write"}


def repeated(places):
    return {name for name, where in places.items() if len(where) > 1}


def test_no_two_public_things_have_one_name():
    places = defaultdict(set)
    for module, tree in sources.trees().items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(module)
    assert {"mlp", "Posterior", *OF_THEIR_ROOM} <= set(places)
    assert repeated(places) <= OF_THEIR_ROOM


def test_no_two_files_have_one_name():
    places = defaultdict(set)
    for path in sources.PACKAGE.rglob("*.py"):
        if not path.stem.startswith("__"):
            places[path.stem].add(path)
    assert not repeated(places)
