"""bnnpost study as a user meets it."""

import dataclasses
import json

import pytest
import xarray as xr

from bnnpost.summaries.html_page import as_page
from bnnpost.summaries.summary import ShownColumn, ShownTable
from bnnpost.summaries.text import as_text
from bnnpost.sweeps import SweepConfig, shipped_studies, study
from bnnpost.sweeps.shipped_studies import STUDIES, Findings
from bnnpost_cli.study import NAMES
from tests.cli.invocation import invoke
from tests.summaries.reader import checked

SMALL = ("deep-linear", "--widths", "1,2", "--num-train", 2, "--depth", 1)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies") / "one"
    return folder, invoke("study", *SMALL, "--out", folder)


def test_the_names_are_those_of_the_library():
    assert list(NAMES) == sorted(STUDIES)
    text = invoke("study", "--help").stdout
    assert text.index("Example:  bnnpost study") < text.index("--help")
    for name in NAMES:
        assert name in text


def test_tables_data_and_figure_are_written(done):
    folder, ran = done
    assert ran.exit_code == 0, ran.stderr
    assert "width 1: the closed form" in ran.stderr and f"wrote {folder}" in ran.stderr
    assert (folder / "deep-linear.txt").read_text() == ran.stdout
    assert ran.stdout.startswith("The log evidence by 1,000 exact draws is at most ")
    assert "\nlimit " in ran.stdout and max(map(len, ran.stdout.splitlines())) <= 100
    names = {path.name for path in folder.glob("[!.]*")}
    assert names == {"deep-linear.txt", "deep-linear.png", "deep-linear.svg", "study.json",
                     "deep_linear.nc"}  # fmt: skip
    data = xr.load_dataset(folder / "deep_linear.nc")
    off = abs(data["log_evidence"] - data["drawn_log_evidence"])
    assert (off < 5 * data["drawn_log_evidence_se"]).all()
    record = json.loads((folder / "study.json").read_text())
    assert record["study"] == "deep-linear" and record["config"]["widths"] == [1, 2]
    assert {"bnnpost", "jax"} <= set(record["versions"])


def test_json_and_a_run_of_the_same_study_again(done):
    folder, _ = done
    again = invoke("study", *SMALL, "--out", folder, "--json")
    assert again.exit_code == 0, again.stderr
    found = json.loads(again.stdout)
    assert set(found["deep_linear"]) == {"coords", "attrs", "dims", "data_vars"}
    data = xr.load_dataset(folder / "deep_linear.nc")
    evidence = data["log_evidence"].values.tolist()
    assert found["deep_linear"]["data_vars"]["log_evidence"]["data"] == evidence
    rows = found["widths"]
    assert [row["width"] for row in rows] == [1, 2, "limit"]
    assert [row["log_evidence"] for row in rows[:2]] == evidence
    errors = data["drawn_log_evidence_se"].values.tolist()
    assert [row["drawn_log_evidence_se"] for row in rows[:2]] == errors


def test_a_new_column_of_a_study_is_in_its_text_page_and_json_and_names_stay_text(monkeypatch):
    bad = "<script>alert('1') & \"quoted\""
    table = ShownTable("rows", bad, (ShownColumn("num_pauses", "pauses"),), ({"num_pauses": 31},))
    findings = Findings(shipped_studies._summary("Found.", table), {}, None)
    config = dataclasses.replace(SweepConfig(), data=bad)
    found = study._completed(findings, "phases", config).summary
    text, page = as_text(found), checked(as_page(found))
    for words in ("Found.", "pauses", "31", f"Study of {bad}: gradient descent"):
        assert words in " ".join(text.split()) and words in page.text
    assert "<script>alert" not in as_page(found)
    assert found.to_dict()["rows"] == [{"num_pauses": 31}]


def test_a_directory_of_something_else_is_left_alone(done, tmp_path):
    folder, _ = done
    other = invoke("study", "phases", "--out", folder)
    assert other.exit_code == 1 and "holds deep-linear, not the study phases" in other.stderr
    (tmp_path / "draws.nc").write_text("mine")
    foreign = invoke("study", *SMALL, "--out", tmp_path)
    assert foreign.exit_code == 1 and "choose another directory" in foreign.stderr
    assert (tmp_path / "draws.nc").read_text() == "mine"


def test_what_a_study_does_not_cover_is_said(tmp_path):
    wrong = invoke("study", *SMALL, "--activation", "erf", "--out", tmp_path / "a")
    assert wrong.exit_code == 1 and "is not linear as a dense layer is" in wrong.stderr
    named = invoke("study", "faces", "--out", tmp_path / "b")
    assert named.exit_code == 2 and "phases" in named.stderr


@pytest.mark.slow
def test_descents_by_their_learning_rate(tmp_path):
    ran = invoke("study", "phases", "--widths", "8,16", "--out", tmp_path / "a")
    assert ran.exit_code == 0, ran.stderr
    assert "diverges from c" in ran.stdout and ran.stdout.startswith("At width 16: all 8 descents")
    assert "critical rates at widths 8, 16" in ran.stderr
    critical = xr.load_dataset(tmp_path / "a" / "critical_rates.nc")
    assert critical["width"].values.tolist() == [8, 16]


@pytest.mark.slow
def test_predictions_of_theory(tmp_path):
    flags = ("--widths", "4,16", "--num-train", 2, "--num-proposals", 2000)
    ran = invoke("study", "proportional", *flags, "--out", tmp_path / "a")
    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout.startswith("Predictions within 1 % of mean and variance, at width 16: ")
    lines = [line.split()[:2] for line in ran.stdout.splitlines()]
    assert lines.count(["4", "0.500"]) == 3 and "first order" in ran.stdout
    data = xr.load_dataset(tmp_path / "a" / "proportional.nc")
    assert data["ratio"].values.tolist() == [1 / 8, 0.5]


def test_sizes_of_a_pool_leave_room_for_a_tail():
    for pool in (80, 200, 700, 1400, 5000):
        sizes = shipped_studies._sizes(pool)
        assert len(sizes) >= 3 and sizes == sorted(set(sizes)) and sizes[-1] == pool // 2
        assert min(sizes[-1], pool // 4) >= 10 * sizes[0]
    assert shipped_studies._sizes(1400)[0] == 32
    with pytest.raises(ValueError, match=r"at least 80 training points.*raise num_train"):
        shipped_studies._sizes(79)
