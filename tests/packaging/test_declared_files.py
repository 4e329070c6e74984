"""setup.cfg names every package, and every file of theirs that is not Python."""

import configparser
from fnmatch import fnmatch
from pathlib import Path

import pytest

import bnnpost

ROOT = Path(bnnpost.__file__).parents[1]
SOURCES = (ROOT, ROOT / "cli")


@pytest.fixture(scope="module")
def declared():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def lines(declared, section, key):
    return declared[section].get(key, "").split()


def packages_of(folder):
    """Packages below the folder, as dotted names and their paths."""
    top = ("bnnpost",) if folder == ROOT else ("bnnpost_cli",)
    for name in top:
        for path in sorted((folder / name).rglob("__init__.py")):
            yield ".".join(path.parent.relative_to(folder).parts), path.parent


def test_every_package_is_named(declared):
    there = {name for folder in SOURCES for name, _ in packages_of(folder)}
    assert set(lines(declared, "options", "packages")) == there


def test_every_data_file_is_named(declared):
    packages = {path: name for folder in SOURCES for name, path in packages_of(folder)}
    missing = []
    for folder in (ROOT / "bnnpost", ROOT / "cli" / "bnnpost_cli"):
        for path in sorted(folder.rglob("*")):
            if path.is_dir() or path.suffix == ".py" or "__pycache__" in path.parts:
                continue
            home = next(parent for parent in path.parents if parent in packages)
            patterns = lines(declared, "options.package_data", packages[home])
            inside = path.relative_to(home).as_posix()
            if not any(fnmatch(inside, pattern) for pattern in patterns):
                missing.append(path.relative_to(ROOT).as_posix())
    assert missing == []
