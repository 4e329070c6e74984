"""The site builds without a warning and without network, and every public name is on it."""

import html
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys

import click
import pytest

import bnnpost
from bnnpost_cli.main import main
from tests.docs.blocks import ROOT

pytestmark = pytest.mark.slow  # .ci/run builds the site each time

# Modules whose `__all__` are public besides the package's own.
MODULES = ("datasets", "hmc", "likelihoods", "plots", "rejection", "reports", "sweeps", "zoo")
# Lists of words and colours.
WITHOUT_A_PLACE = re.compile(r"bnnpost\.(plots|rejection)\.[A-Z]+$")
SECONDS = 240
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The site, built from a copy of the checkout's pages with warnings as errors."""
    out = tmp_path_factory.mktemp("site")
    outcome = build(ROOT / "docs", out)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return out


def build(source, out):
    # -n: every reference in the pages has a target. No proxy leads anywhere.
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-E", "-n", "-W"]
    return subprocess.run(
        [*command, "--keep-going", str(source), str(out)],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "cli")]),
            "http_proxy": NOWHERE,
            "https_proxy": NOWHERE,
        },
    )


def pages(built):
    return {p.relative_to(built).as_posix(): p.read_text("utf-8") for p in built.rglob("*.html")}


def public_names():
    names = {f"bnnpost.{name}" for name in bnnpost.__all__ if not is_module(name)}
    for module in MODULES:
        found = getattr(bnnpost, module, None) or importlib.import_module(f"bnnpost.{module}")
        names |= {f"bnnpost.{module}.{name}" for name in found.__all__}
    chains = {n for n in bnnpost.chains.__all__ if not inspect.ismodule(getattr(bnnpost.chains, n))}
    names |= {f"bnnpost.chains.{name}" for name in chains}
    samplers = ("pcn", "elliptical_slice", "prior", "ensemble")
    names |= {f"bnnpost.{sampler}.sample" for sampler in samplers}
    return names | {"bnnpost.importance.estimate"}


def is_module(name):
    return inspect.ismodule(getattr(bnnpost, name))


def test_every_public_name_is_documented(built):
    anchors = set(re.findall(r'id="(bnnpost\.[\w.]+)"', "".join(pages(built).values())))
    assert [name for name in public_names() - anchors if not WITHOUT_A_PLACE.match(name)] == []


def commands(command, path=("bnnpost",)):
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from commands(command.get_command(click.Context(command), name), (*path, name))


def test_every_command_and_flag_is_documented(built):
    text = html.unescape(re.sub(r"<[^>]+>", "", (built / "reference/commands.html").read_text()))
    for path, command in commands(main):
        assert " ".join(path) in text
        for option in (p for p in command.params if isinstance(p, click.Option)):
            assert option.opts[0] in text
    assert "\b" not in text


def test_examples_of_commands_keep_their_lines(built):
    page = (built / "reference" / "commands.html").read_text(encoding="utf-8")
    blocks = [
        html.unescape(re.sub("<[^>]+>", "", b)) for b in re.findall("<pre>.*?</pre>", page, re.S)
    ]
    assert any(b.startswith("bnnpost sweep --config diabetes --dry-run\nbnnpost") for b in blocks)
    assert any("\n[grid]\ndepth = [1, 2, 3]\n" in b for b in blocks)


def test_every_configuration_key_is_documented(built):
    from bnnpost.samplers.methods import METHODS, settings_of_all
    from bnnpost.settings import meanings as meanings_of
    from bnnpost.sweeps.keys import SweepKeys

    text = (built / "reference/configuration.html").read_text()
    cells = {html.unescape(cell) for cell in re.findall(r"<td><p>(.*?)</p></td>", text, re.S)}
    keys = {*meanings_of(SweepKeys), *settings_of_all()}
    assert keys <= {re.sub(r"<[^>]+>", "", cell) for cell in cells}
    plain = html.unescape(re.sub(r"<[^>]+>", "", text))
    assert 'method = "rejection"' in plain
    assert all(f'"{name}"' in plain for name in METHODS)
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.S)
    meanings = [re.sub(r"<[^>]+>", "", row).strip().splitlines()[-1] for row in rows]
    assert all(meanings)


def test_nothing_is_loaded_from_the_network(built):
    loaded = re.compile(r'(?:src|href)="(?:https?:)?//[^"]*\.(?:js|css|woff2?|ttf)[^"]*"')
    fetched = re.compile(r"""(?:url\(|@import\s*)['"]?(?:https?:)?//""")
    for name, text in pages(built).items():
        assert not loaded.search(text), name
    for sheet in built.rglob("*.css"):
        assert not fetched.search(sheet.read_text("utf-8")), sheet


def test_docstrings_are_prose_and_not_markup(built):
    for name, text in pages(built).items():
        assert "problematic" not in text, name
        assert "system-message" not in text, name


@pytest.mark.parametrize(
    "wrong",
    ["{doc}`absent`", "{py:func}`bnnpost.absent`", "{cite:p}`absent`", r"$\absent$", "[x](no.md)"],
)
def test_what_is_wrong_is_found(wrong, tmp_path):
    source = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("reference"))
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    for page in [*source.glob("*.md"), *source.glob("*/*.md")]:
        page.unlink()
    (source / "index.md").write_text(f"# A page\n\n{wrong}\n", encoding="utf-8")
    outcome = build(source, tmp_path / "out")
    assert outcome.returncode != 0
    assert "absent" in outcome.stderr or "no.md" in outcome.stderr
