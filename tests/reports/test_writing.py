"""Where a report goes, what it replaces, and what there is no report of."""

import json

import numpy as np
import pytest
import xarray as xr

from bnnpost import reports
from bnnpost.summaries.html_page import as_page
from bnnpost.verification.report import Check, Report
from tests.files import edited
from tests.reports import made_up
from tests.summaries.reader import checked

VERDICT = Report(
    0.01,
    (Check("PIT", "distance", 0.1, 0.5, 0.6, (300.0, float("inf")), "f[0]", "0.2 stds"),),
    "a <candidate>",
    "a reference",
    ("f[0]",),
    np.random.default_rng(0).uniform(size=(300, 1)),
    ("a note",),
)


@pytest.mark.slow
def test_into_the_run_beside_a_file_or_where_it_is_told(tmp_path):
    run = tmp_path / "run"
    made_up.directory(run)
    assert reports.write(run) == run / "report.html"
    assert reports.write(run / "results.nc") == run / "results-report.html"
    assert reports.write(run, tmp_path / "other.html") == tmp_path / "other.html"
    assert (tmp_path / "other.html").read_text() == (run / "report.html").read_text()
    with pytest.raises(FileNotFoundError, match="no folder"):
        reports.write(run, tmp_path / "absent" / "report.html")
    assert not list(run.glob(".*.tmp*"))


def test_only_reports_are_replaced(tmp_path):
    run = tmp_path / "run"
    made_up.directory(run)
    reports.write(run)
    (run / "results.nc").unlink()
    reports.write(run)
    assert "What is missing" in (run / "report.html").read_text()
    for contents in (b"my own page", b"", b"\xff\xfe\x00"):
        (run / "report.html").write_bytes(contents)
        with pytest.raises(reports.NotAReport, match="is not a bnnpost report: choose another"):
            reports.write(run)
        assert (run / "report.html").read_bytes() == contents
    with pytest.raises(reports.NotAReport, match="is a directory"):
        reports.write(run, tmp_path)


def test_a_verification_from_its_json(tmp_path):
    (tmp_path / "verdict.json").write_text(json.dumps(VERDICT.to_dict()))
    page = checked(reports.to_html(tmp_path / "verdict.json"))
    assert "PASSED: no difference" in page.text and "a <candidate>" in page.text
    assert page.row("ok")[7] == "exact" and "There are none to show." in page.text
    assert "0.2 stds" in checked(as_page(VERDICT.describe())).text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"effects": None, "causes": None}, "got none of effects, causes; run bnnpost verify"),
        ({"checks": [{"name": "PIT"}]}, "has values that no verification has"),
    ],
)
def test_json_of_another_version_is_refused_by_name(tmp_path, changes, words):
    record = {**VERDICT.to_dict(), **changes}
    record = {key: value for key, value in record.items() if value is not None}
    (tmp_path / "verdict.json").write_text(json.dumps(record))
    with pytest.raises(reports.NotARun, match=words) as caught:
        reports.to_html(tmp_path / "verdict.json")
    assert "verdict.json" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "contents", "words"),
    [
        ("absent", None, "no file or directory"),
        ("thesis.tex", "x", "is no run"),
        ("a.json", "{}", "is not a verification"),
        ("b.json", "{", "cannot be read"),
        ("c.json", "[1]", "is not a verification"),
        ("d.nc", "x", "is not a netCDF file"),
    ],
)
def test_anything_else_is_refused(tmp_path, name, contents, words):
    if contents is not None:
        (tmp_path / name).write_text(contents)
    with pytest.raises((ValueError, FileNotFoundError), match=words) as caught:
        reports.to_html(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(reports.NotARun, match=r"holds no run: expected the directory of a run"):
        reports.to_html(tmp_path)
    edited(tmp_path / "config.json", "{}")
    with pytest.raises(reports.NotARun, match="holds no run"):
        reports.to_html(tmp_path)
    xr.Dataset(attrs={"format": "other"}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(reports.NotARun, match="is of format 'other'"):
        reports.to_html(tmp_path / "other.nc")
