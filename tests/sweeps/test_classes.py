"""A column of words from a file to results and reports: samples, sweeps and what they say."""

import json

import numpy as np
import pytest
import xarray as xr

from bnnpost.reports import write
from bnnpost.storage import read_tree
from tests.cli.invocation import invoke

LEVELS = ["ash", "birch", "elm"]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The folder of a table of trees, and a configuration that `bnnpost new` made of it."""
    monkeypatch.chdir(tmp_path)
    places = np.random.default_rng(0).normal(size=(20, 2))
    rows = [f"{a:.3f},{b:.3f},{LEVELS[int(a > 0) + int(b > 0)]}" for a, b in places]
    (tmp_path / "trees.csv").write_text("\n".join(["a,b,tree", *rows]) + "\n")
    done = invoke("new", "study.toml", "--data", "trees.csv")
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "study.toml").read_text()
    assert 'likelihood = "categorical" # classes: ash, birch, elm' in text
    return tmp_path


SMALL = ["--config", "study.toml", "--num-train", 3, "--num-test", 4, "--depth", 1]
SMALL += ["--bound", "capped", "--cap", 0, "--num-samples", 20]


@pytest.mark.slow
def test_samples_of_classes_have_chances_and_scores(study):
    done = invoke("sample", *SMALL, "--width", 4, "--out", "run", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["levels"] == LEVELS
    assert set(found["scores"]) == {"log_loss", "accuracy"}
    chances = np.array([row["probability"] for row in found["predictions"]]).reshape(4, 3)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    with xr.open_dataset(study / "run" / "predictions.nc") as file:
        assert file.attrs["target_kind"] == "classes" and json.loads(file.attrs["levels"]) == LEVELS
        y_test = file["y_test"].values
        hit = chances.argmax(axis=1) == y_test.argmax(axis=1)
        assert (y_test.sum(axis=1) == 1).all() and np.array_equal(file["accuracy"].values, hit)
    assert found["scores"]["accuracy"] == hit.mean()
    page = write("run").read_text()
    assert "accuracy" in page and "likelihood Categorical()" in page and "Red tick" not in page


@pytest.mark.slow
def test_a_sweep_of_classes_is_compared_and_scored(study):
    options = [*SMALL, "--widths", "4,8", "--num-proposals", 200, "--out", "sweep"]
    done = invoke("sweep", *options)
    assert done.exit_code == 0, done.stderr
    assert "log loss" in done.stdout and "limit" in done.stdout
    tree = read_tree(study / "sweep" / "results.nc")
    assert json.loads(tree["data"].attrs["levels"]) == LEVELS
    scores = tree["scores"].to_dataset()
    assert scores["accuracy"].dims == ("width",) and 0 <= scores.attrs["limit_accuracy"] <= 1
    np.testing.assert_allclose(scores["log_loss_by_point"].mean("point"), scores["log_loss"])
    assert abs(float(scores["log_loss"][-1]) - scores.attrs["limit_log_loss"]) < 0.3
    assert tree["predictive"]["limit_covariance"].dims == ("output", "point", "point_2")
    page = (study / "sweep" / "report.html").read_text()
    assert "Predictions" in page and "accuracy" in page


def test_targets_that_do_not_fit_are_said_in_a_line(study):
    done = invoke("sample", *SMALL, "--likelihood", "gaussian", "--width", 4, "--out", "run")
    assert done.exit_code == 1 and "3 classes (ash, birch, elm)" in done.stderr
    done = invoke("sample", *SMALL, "--noise-std", 0.3, "--width", 4, "--out", "run")
    assert done.exit_code == 2 and "no noise" in done.stderr


@pytest.mark.slow
def test_networks_of_fewer_units_than_points_have_densities(study):
    # Given its hidden layers such a network's f* has no variance left.
    options = ["--num-train", 8, "--widths", 2, "--num-proposals", 200, "--out", "narrow"]
    done = invoke("sweep", *SMALL, *options)
    assert done.exit_code == 0, done.stderr
    assert "warning" not in done.stderr
    found = read_tree(study / "narrow" / "results.nc")["predictive"]
    mass = np.trapezoid(found["density"].values[0], found["f"].values, axis=-1)
    assert np.all((mass > 0.5) & (mass < 1.02))
