"""Arrows go one way: no import cycles, and a room imports only from rooms above it."""

import ast
import functools

import pytest

from tests.structure import sources

# From the top. A room is a folder or a file of the package.
ROOMS = (
    "numerics",
    "networks",
    "kernels",
    "likelihoods",
    "posterior",
    "spaces",
    "draws",
    "runs",
    "samplers",
    "comparison",
    "theories",
    "studies",
    "verification",
    "plots",  # reads results, and loads no other room
    "sweeps",
    "zoo",
    "reports",
)
# Of rooms that have rooms in them, those, from the top: one imports from those before it alone.
WITHIN = {"samplers": ("kernels", "coupled", "chains")}
# Imports for type checkers that close a circle, and are to go.
CIRCLES = (("bnnpost.reports.grid_settings", "bnnpost.reports.grid_page"),)
# Open to every room, and to those of them that come after.
APART = (
    "arguments",
    "naming",
    "settings",
    "spelling",
    "stopping",
    "storage",
    "parallel",
    "datasets",
    "summaries",
)


def room_of(module):
    """None for the package itself, which only gives the public names."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def edges(modules, with_deferred=True):
    """Which modules of `modules` each of them imports; with those that functions import."""
    found = {}
    for name, tree in modules.items():
        wanted = [i for i in sources.imports(tree) if with_deferred or not i.deferred]
        targets = {sources.module_of(i.name, modules) for i in wanted}
        found[name] = targets - {None, name}
    return found


@functools.cache
def of_the_library():
    """With those that functions import: an arrow is an arrow."""
    return edges(sources.trees())


def cycle(graph):
    """Modules that import each other in a circle, or None."""
    finished = set()

    def search(node, path):
        if node in path:
            return [*path[path.index(node) :], node]
        if node in finished:
            return None
        for target in sorted(graph[node]):
            if found := search(target, [*path, node]):
                return found
        finished.add(node)
        return None

    return next((found for node in sorted(graph) if (found := search(node, []))), None)


def wrong_arrows(graph):
    """Imports of a room from one below it, or of the package from within."""
    wrong = []
    for module, targets in graph.items():
        room = room_of(module)
        if room in (None, "__main__"):
            continue
        for target in targets:
            other = room_of(target)
            allowed = other == room or other in APART
            if room in ROOMS and other in ROOMS:
                allowed = allowed or ROOMS.index(other) < ROOMS.index(room)
            if not allowed:
                wrong.append((module, target))
    return wrong


def room_within(module):
    """The room in a room of `WITHIN` that a module is in, with that; None for others."""
    _, *rooms = module.split(".")
    known = len(rooms) > 1 and rooms[1] in WITHIN.get(rooms[0], ())
    return tuple(rooms[:2]) if known else None


def wrong_arrows_within(graph):
    """Imports of a room in a room from one after it."""
    wrong = []
    for module, targets in graph.items():
        for target in targets:
            here, there = room_within(module), room_within(target)
            if here and there and here[0] == there[0]:
                order = WITHIN[here[0]]
                if order.index(there[1]) > order.index(here[1]):
                    wrong.append((module, target))
    return wrong


def test_every_room_has_its_place():
    rooms = {room_of(name) for name in sources.trees()} - {None, "__main__"}
    unknown = rooms - {*ROOMS, *APART}
    assert not unknown, f"give {unknown} a place in ROOMS"
    assert {"numerics", "networks", "kernels", "spaces", "samplers"} <= rooms


def test_imports_are_absolute():
    relative = {
        (name, item.name)
        for name, tree in sources.trees().items()
        for item in sources.imports(tree)
        if item.name.startswith(".")
    }
    assert not relative


def test_no_import_cycles():
    # Imports for type checkers count: who reads a file must know the other.
    graph = edges(sources.trees(), with_deferred=False)
    for importer, imported in CIRCLES:
        graph.get(importer, set()).discard(imported)
    assert cycle(graph) is None


def test_rooms_import_only_from_rooms_above():
    assert wrong_arrows(of_the_library()) == []


def test_rooms_in_a_room_import_only_from_those_before_them():
    folders = {path.parent.name for path in sources.PACKAGE.glob("samplers/*/__init__.py")}
    assert folders == {*WITHIN["samplers"]}
    assert wrong_arrows_within(of_the_library()) == []


def test_a_wrong_arrow_in_a_room_is_found_even_if_it_is_deferred():
    chains, coupled = "bnnpost.samplers.chains.one", "bnnpost.samplers.coupled.other"
    one, other = f"import {coupled}", f"def f():\n    import {chains}"
    graph = edges({chains: ast.parse(one), coupled: ast.parse(other)})
    assert wrong_arrows_within(graph) == [(coupled, chains)]


@pytest.mark.parametrize("room", APART)
def test_a_room_apart_imports_only_those_before_it(room):
    imported = of_the_library().items()
    targets = {t for module, found in imported if room_of(module) == room for t in found}
    assert {room_of(target) for target in targets} <= {*APART[: APART.index(room) + 1]}


def modules(**code):
    parsed = {name.replace("__", "."): ast.parse(text) for name, text in code.items()}
    return {"bnnpost": ast.parse(""), **parsed}


def test_a_cycle_is_found():
    three = modules(
        bnnpost__a="from bnnpost import b",
        bnnpost__b="import bnnpost.c as c",
        bnnpost__c="from bnnpost.a import name",
    )
    assert cycle(edges(three, with_deferred=False)) == [
        "bnnpost.a",
        "bnnpost.b",
        "bnnpost.c",
        "bnnpost.a",
    ]


@pytest.mark.parametrize(
    ("late", "is_circle"),
    [
        ("def f():\n    from bnnpost.a import name", False),
        ("if TYPE_CHECKING:\n    import bnnpost.a", True),
    ],
)
def test_an_import_in_a_function_makes_no_cycle(late, is_circle):
    two = modules(bnnpost__a="import bnnpost.b", bnnpost__b=late)
    assert (cycle(edges(two, with_deferred=False)) is not None) == is_circle
    assert cycle(edges(two)) is not None


@pytest.mark.first
@pytest.mark.parametrize(
    ("importer", "code"),
    [
        ("bnnpost.numerics", "from bnnpost.networks import Dense"),
        ("bnnpost.kernels", "def f():\n    import bnnpost.spaces"),
        ("bnnpost.spaces", "from bnnpost import mlp"),
    ],
)
def test_a_wrong_arrow_is_found(importer, code):
    known = modules(bnnpost__networks="", bnnpost__spaces="")
    known[importer] = ast.parse(code)
    wrong = wrong_arrows(edges(known))
    assert [module for module, _ in wrong] == [importer]
