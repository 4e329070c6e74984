"""Sweeps by coupled chains: their settings, what they write and what they say."""

import dataclasses
import html
import json

import numpy as np
import pytest

from bnnpost.samplers.methods import Coupled, Rejection
from bnnpost.storage import read_tree
from bnnpost.sweeps import ConfigError, SweepConfig, load_config, unit_work
from bnnpost.sweeps.grid import grid_of
from bnnpost.sweeps.grid_cells import Cell, Grid
from bnnpost.sweeps.problem import load_problem
from bnnpost.sweeps.unit_work import Sent, draws_of_width
from tests.cli.invocation import invoke

PAIRS = {"method": "coupled", "num_samples": 200, "tolerance": 0.03}
SMALL = SweepConfig(
    num_train=2, num_test=2, widths=(8, 16), depth=1, noise_std=0.5, num_samples=200,
    method=Coupled(tolerance=0.03),
)  # fmt: skip
FLAGS = ["--num-train", 2, "--num-test", 2, "--depth", 1, "--noise-std", 0.5]
FLAGS += ["--method", "coupled", "--num-samples", 200, "--tolerance", 0.03]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"method": "nuts"}, "method: expected one of rejection, coupled for a sweep, got nuts"),
        ({"method": "nut"}, "method: expected one of rejection, coupled, hmc, nuts"),
        ({"tolerance": 0.1}, "tolerance does not apply to method rejection: it is for coupled"),
        ({"lag": 4}, "lag does not apply to method rejection"),
        ({"max_steps": 4}, "max_steps does not apply to method rejection"),
        ({**PAIRS, "bound": "capped"}, "bound does not apply to method coupled"),
        ({**PAIRS, "max_proposals": 9}, "max_proposals does not apply to method coupled"),
        ({**PAIRS, "lag": 0}, "lag: expected at least 1"),
        ({**PAIRS, "kernel": "nuts"}, "kernel: expected one of auto, hmc, pcn, slice"),
        ({"kernel": "pcn"}, "kernel does not apply to method rejection"),
        ({**PAIRS, "tolerance": 0.01}, "at least 404 samples"),
        ({**PAIRS, "tolerance": 2.0}, "tolerance"),
        ({**PAIRS, "tolerance": 0.1, "num_samples": 100}, "num_samples: expected at least 200"),
        ({**PAIRS, "likelihood": "student-t", "df": 4}, "under Gaussian noise of known size"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        grid_of(values)


def test_sweeps_by_rejection_name_no_method():
    assert not {"method", "kernel", "tolerance", "lag", "max_steps"} & set(SweepConfig().as_dict())
    assert SMALL.as_dict()["method"] == "coupled"
    assert load_config(None, SMALL.as_dict()) == SMALL
    assert (
        SMALL.digest() != dataclasses.replace(SMALL, method=Coupled(tolerance=0.03, lag=3)).digest()
    )


def test_no_pilot_of_rejection_is_run():
    found = unit_work.feasible(Sent(load_problem(SMALL), "", ""), (8,), True, False, False)
    assert (dict(found.expected), tuple(found.sentences)) == ({}, ())


def test_a_dry_run_says_what_pairs_take_and_where_they_do_not_meet():
    planned = invoke("sweep", *FLAGS, "--widths", 8, "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert "draws by coupled chains, within" in planned.stdout and "last met" in planned.stdout
    assert "Draws will be after about" in planned.stdout
    assert "It would run." in planned.stdout
    apart = invoke("sweep", *FLAGS, "--widths", 8, "--max-steps", 2, "--dry-run")
    assert apart.exit_code == 4, apart.output
    assert "do not meet in 2 steps" in apart.stdout
    assert "It would run, but fail at width 8." in apart.stdout


def test_a_dry_run_of_pairs_refuses_what_cannot_be_compared():
    readout = invoke("sweep", *FLAGS, "--widths", 8, "--no-collapse", "--dry-run")
    assert readout.exit_code == 2, readout.output
    assert "compared by the Gaussian of f* given the hidden layers" in readout.stderr


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    done = invoke("sweep", *FLAGS, "--widths", "8,16", "--out", path)
    assert done.exit_code == 0, done.output
    return path, done


@pytest.mark.slow
def test_draws_are_compared_by_themselves_and_that_is_said(swept):
    path, done = swept
    assert "independent, of coupled chains" in done.stdout
    assert "which does not tell the log evidence" in done.stdout
    assert "at most from the posterior" in done.stdout and "proposals" not in done.stdout
    assert "200 draws of pairs of chains after" in done.stderr
    tree = read_tree(path / "results.nc")
    distances, sampling = tree["distances"].to_dataset(), tree["sampling"].to_dataset()
    assert tree.attrs["kind"] == "coupled"
    assert np.all(np.isfinite(distances["tv"])) and np.all(distances["tv_se"] > 0)
    assert np.all(np.isnan(distances["log_evidence_error"]))
    assert np.all(sampling["tv_upper"] <= 0.03) and np.all(sampling["step"] > 0)
    assert np.all(np.isfinite(tree["predictive"]["density"]))
    as_json = invoke("sweep", *FLAGS, "--widths", "8,16", "--out", path, "--json")
    rows = json.loads(as_json.stdout)["widths"]
    assert rows[0]["log_evidence_error"] is None and rows[0]["tv_upper"] <= 0.03


@pytest.mark.slow
def test_the_report_says_so_too(swept):
    path, _ = swept
    page = html.unescape((path / "report.html").read_text())
    assert "Coupled draws: at a measured distance" in page
    assert "200 independent draws by coupled chains at each of 2 widths" in page
    assert "which does not tell the log evidence" in page
    assert "at most from the posterior" in page
    assert "Forecast" not in page and "capped" not in page
    assert 'method = "coupled"' in page
    (path / "results.nc").rename(path / "kept.nc")
    again = invoke("report", path)
    (path / "kept.nc").rename(path / "results.nc")
    assert again.exit_code == 0, again.output


@pytest.mark.slow
def test_a_width_whose_pairs_do_not_meet_fails_alone(tmp_path):
    done = invoke("sweep", *FLAGS, "--widths", "8,16", "--max-steps", 2, "--out", tmp_path / "run")
    assert done.exit_code == 5, done.output
    assert "do not meet in 2 steps" in done.stderr


def test_a_grid_may_vary_the_method():
    cells = tuple(
        Cell({"method": one.method.name}, one.as_dict(), one.method.name)
        for one in (SMALL, dataclasses.replace(SMALL, method=Rejection()))
    )
    grid = Grid(("method",), cells)
    assert [cell.config.method.name for cell in grid.cells] == ["coupled", "rejection"]


def test_networks_whose_draws_could_not_be_compared_are_refused_before_any_is_made(tmp_path):
    file = tmp_path / "network.toml"
    file.write_text(
        '[[layers]]\ntype = "Dense"\nwidth = 4\n[[layers]]\ntype = "Erf"\n'
        '[[layers]]\ntype = "Dense"\nwidth = 1\n'
        'prior = {law = "Laplace", parameters = {loc = 0, scale = 1}}\n'
    )
    settings = {**SMALL.as_dict(), "network": str(file)}
    for name in ("depth", "activation", "w_std", "b_std"):
        settings.pop(name, None)
    problem = load_problem(load_config(None, settings))
    with pytest.raises(ConfigError, match="ends in a Dense layer with a normal prior"):
        draws_of_width(problem, 8, False)
