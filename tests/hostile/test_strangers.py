"""Directories that somebody else made: nothing in them is executed, nothing outside is written."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import bnnpost
from bnnpost.parallel import Processes
from bnnpost.runs.directory import Directory
from bnnpost.runs.store import Run
from bnnpost.samplers.plan import Plan
from bnnpost.sweeps import SweepConfig
from bnnpost.sweeps.grid_directory import FORMAT
from bnnpost.sweeps.networks import OF_PERCEPTRON
from tests.cli.invocation import invoke
from tests.files import edited
from tests.hostile.watch import check_clear

# What an evil module, and one that is called like a module of Python's, does when it is run.
EVIL = "import pathlib\npathlib.Path(__file__).with_name('executed').touch()\n"
NETWORK = "def net(width, num_outputs):\n    import bnnpost\n    return bnnpost.mlp(width=width)\n"
PLAIN = SweepConfig(widths=(4,), num_train=3, num_test=2).as_dict()
CODE = {**{k: v for k, v in PLAIN.items() if k not in OF_PERCEPTRON}, "network": "evil:net"}
LIKELIHOOD = {**PLAIN, "likelihood": {"type": "evil:Odd"}}


def grid(*cells):
    listed = [
        {"settings": {"seed": i}, "digest": digest, "config": {**values, "seed": i}}
        for i, (digest, values) in enumerate(cells)
    ]
    return {"format": FORMAT, "varying": ["seed"], "cells": listed}


@pytest.fixture
def stranger(tmp_path):
    """A directory with evil modules beside what a test writes; `executed` is there if one ran."""
    path = tmp_path / "stranger"
    path.mkdir()
    (path / "evil.py").write_text(EVIL + NETWORK)
    for name in ("html", "queue", "bnnpost"):  # modules that are loaded late, and our own name
        (path / f"{name}.py").write_text(EVIL)
    return path


def run(stranger, *arguments):
    """A command as it is installed: the working directory is not on the path by itself."""
    root = os.path.dirname(os.path.dirname(bnnpost.__file__))
    paths = os.pathsep.join([root, os.path.join(root, "cli")])
    return subprocess.run(
        [sys.executable, "-P", "-m", "bnnpost_cli.main", *map(str, arguments)],
        cwd=stranger,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
    )


READING = {
    "report": ("report", "."),
    "sweep report": ("sweep", "report", "."),
    "sweep status": ("sweep", "status", "."),
}
GOING_ON = {
    "sweep resume": ("sweep", "resume", "."),
    "merge": ("merge", "."),
}
SHAPES = {"a run": CODE, "a grid": grid(("0" * 16, CODE)), "a likelihood": LIKELIHOOD}


def in_process(monkeypatch, stranger, *arguments):
    monkeypatch.chdir(stranger)
    before = list(sys.path)
    try:
        done = invoke(*arguments)
    finally:
        assert sys.path == before
    assert not (stranger / "executed").exists(), done.output
    assert "evil" not in sys.modules
    return done


@pytest.mark.filterwarnings("ignore:.*(status|contents).json is not there")
@pytest.mark.parametrize("held", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("arguments", READING.values(), ids=READING)
def test_reading_runs_nothing(stranger, monkeypatch, arguments, held):
    edited(stranger / "config.json", json.dumps(held))
    done = in_process(monkeypatch, stranger, *arguments)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("held", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("arguments", GOING_ON.values(), ids=GOING_ON)
def test_going_on_asks(stranger, monkeypatch, arguments, held):
    if arguments[0] == "merge" and "cells" in held:
        pytest.skip("a grid has nothing to merge")
    edited(stranger / "config.json", json.dumps(held))
    done = in_process(monkeypatch, stranger, *arguments)
    assert done.exit_code == 2
    check_clear(done.stderr, r"names code as its (network|likelihood), evil:\w+, .*--trust-code")


@pytest.mark.parametrize("digest", ["../../victim", "/tmp/victim", "..", "0" * 16 + "/../victim"])
def test_names_from_files_lead_nowhere(stranger, monkeypatch, digest):
    edited(stranger / "config.json", json.dumps(grid((digest, PLAIN))))
    victim = stranger.parent / "victim"
    victim.mkdir()
    (victim / "config.json").write_text("{}")
    for arguments in (*READING.values(), GOING_ON["sweep resume"]):
        done = in_process(monkeypatch, stranger, *arguments)
        assert done.exit_code == 2
        check_clear(done.stderr, "expected digests in hexadecimal")
    assert [path.name for path in victim.iterdir()] == ["config.json"]
    assert (victim / "config.json").read_text() == "{}"


@pytest.mark.parametrize("link", ["log.txt", ".run.lock", ".running.lock", "runs", "blocks/000000"])
def test_no_link_leads_out_of_a_directory(stranger, link):
    victim, place = stranger.parent / "victim", stranger / link
    place.parent.mkdir(exist_ok=True)
    if "." in link:
        victim.write_text("mine")
    else:
        victim.mkdir()
    place.symlink_to(victim)
    with pytest.raises(ValueError) as caught:
        Directory(stranger).check_links()
    check_clear(str(caught.value), "is a link: a run writes in its own directory alone")
    assert victim.read_text() == "mine" if "." in link else not list(victim.iterdir())
    place.unlink()
    (stranger.parent / "linked").symlink_to(stranger)
    Directory(stranger.parent / "linked").check_links()  # the whole directory may be elsewhere


def test_no_run_writes_through_a_link(stranger, monkeypatch):
    """The first thing that a run writes to, before anything is computed."""
    (stranger / "victim").write_text("mine")
    (stranger / "run").mkdir()
    (stranger / "run" / ".run.lock").symlink_to(stranger / "victim")
    flags = ("--num-train", 3, "--num-test", 2, "--widths", 4, "--noise-std", 0.5, "--out", "run")
    done = in_process(monkeypatch, stranger, "sweep", *flags)
    assert done.exit_code == 1
    words = "is a link: a run writes in its own directory"
    check_clear(done.stderr.splitlines()[-1], words)
    with pytest.raises(ValueError, match=words), Run("run", Plan).claimed():
        raise AssertionError("claimed")
    assert (stranger / "victim").read_text() == "mine"


def test_local_workers_look_in_the_working_directory_for_nothing(stranger, monkeypatch):
    monkeypatch.chdir(stranger)
    before = dict(os.environ)
    with Processes(1) as workers:
        assert workers.submit(os.getcwd).result(timeout=60) == str(stranger)
    assert not (stranger / "executed").exists()
    assert dict(os.environ) == before


@pytest.mark.slow
def test_a_run_of_ones_own_code_goes_on_where_it_is_trusted(stranger):
    """The way in is there, and the twin: what is watched for does happen."""
    for name in ("html", "queue", "bnnpost"):
        (stranger / f"{name}.py").unlink()
    flags = ("--num-train", 3, "--num-test", 2, "--width", 4, "--num-samples", 5)
    own = ("--network", "evil:net", "--noise-std", 0.5, "--out", "run")
    assert run(stranger, "sample", *flags, *own).returncode == 0
    (stranger / "executed").unlink()
    shutil.copy(stranger / "evil.py", stranger / "run")
    refused = run(stranger / "run", "merge", ".")
    assert refused.returncode == 2 and not (stranger / "run" / "executed").exists()
    assert run(stranger / "run", "merge", ".", "--trust-code").returncode == 0
    assert (stranger / "run" / "executed").exists()
