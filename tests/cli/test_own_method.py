"""A method from outside has configurations, flags, help, runs, sweeps and forecasts like others."""

import json

import numpy as np
import pytest

import bnnpost
from bnnpost.storage import read_tree
from tests import processes

PROBLEM = ["--num-train", 2, "--num-test", 2, "--noise-std", 0.5, "--depth", 1]
OWN = ["--method", "repetition", "--number", 3]


def command(*arguments):
    return processes.output("-m", "tests.cli.own_method", *arguments)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    said = command("sample", *PROBLEM, "--width", 8, "--num-samples", 30, *OWN, "--out", path)
    return path, said


def test_its_draws_are_kept_and_gone_on_with(sampled):
    path, said = sampled
    assert "30 exact, independent draws" in said
    config = json.loads((path / "config.json").read_text())
    assert (config["method"], config["number"], config["bound"]) == ("repetition", 3, "strict")
    before = bnnpost.load(path).proposal_numbers
    command("sample", *PROBLEM, "--width", 8, "--num-samples", 60, *OWN, "--out", path)
    after = bnnpost.load(path).proposal_numbers
    assert (len(before), len(after)) == (30, 60) and np.array_equal(after[:30], before)


@pytest.mark.slow
def test_it_is_swept_over_widths_and_has_help(sampled, tmp_path):
    sweep = [*PROBLEM, "--widths", "4,8", "--num-samples", 30, "--num-proposals", 2000]
    command("sweep", *sweep, *OWN, "--out", tmp_path / "run")
    tree = read_tree(tmp_path / "run" / "results.nc")
    assert json.loads(tree.attrs["config"])["number"] == 3
    draws, own = (bnnpost.load(path) for path in (tmp_path / "run" / "draws_000008.nc", sampled[0]))
    assert np.array_equal(draws.proposal_numbers, own.proposal_numbers[:30])
    assert "repetition: which one." in command("sample", "--help")


def test_its_setting_is_for_it_alone():
    with pytest.raises(AssertionError, match="number does not apply to method rejection"):
        command("sample", *PROBLEM, "--width", 8, "--number", 2, "--out", "nowhere")
