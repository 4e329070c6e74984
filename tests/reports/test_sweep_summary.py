"""The summary of a sweep: its headline in every case, its numbers, and what is missing."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import xarray as xr

from bnnpost import reports
from bnnpost.reports import sweep_summary
from bnnpost.reports.runs import Sweep, read_sweep
from bnnpost.summaries.html_page import as_page
from bnnpost.sweeps import SweepConfig, cell_directory
from bnnpost.sweeps.results import THEORY, rates
from tests.reports import made_up
from tests.summaries.reader import checked

CONFIG = SweepConfig(num_train=3, num_test=2, widths=(4, 64, 256), num_samples=40)

# What could not be read is a warning, which is an error elsewhere in these tests.
SAID = pytest.mark.filterwarnings("ignore::UserWarning")


def page_of(path):
    return checked(reports.to_html(path))


def summary_of_tree(tree):
    """The summary of results that lie in no directory."""
    config = json.loads(tree.attrs["config"])
    return sweep_summary.summary_of_sweep(Sweep(pathlib.Path("run"), config, {}, tree))


def page_of_tree(tree):
    return checked(as_page(summary_of_tree(tree)))


def text_of_tree(tree):
    return " ".join(str(summary_of_tree(tree)).split())


def headline(page):
    return " ".join(page.headings[0][1].split())


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        (
            made_up.rates(),
            "Total variation from the infinite-width limit falls as width−1.00 [−1.03, −0.97]; "
            "theory’s exponent −1 lies inside this interval.",
        ),
        (
            made_up.rates(shift=0.2),
            "Total variation from the infinite-width limit falls as width−0.80 [−0.83, −0.77]; "
            "theory’s exponent −1 lies outside this interval.",
        ),
        (
            made_up.rates(shift=0.96, low=-0.1, high=0.1),
            "Total variation from the infinite-width limit shows no clear trend in width "
            "(exponent −0.04 [−0.14, 0.06]); theory’s exponent −1 lies outside this interval.",
        ),
        (
            made_up.rates(shift=1.5),
            "Total variation from the infinite-width limit grows as width0.50 [0.47, 0.53]; "
            "theory’s exponent −1 lies outside this interval.",
        ),
        (
            made_up.rates(fitted=False),
            "At width 256 the total variation from the infinite-width limit is 0.00313 ± 0.00004; "
            "no rate was fitted: the widths do not determine one.",
        ),
    ],
)
def test_the_headline_is_what_was_found(fit, expected):
    assert headline(page_of_tree(made_up.tree(CONFIG, fit=fit))) == expected


def test_two_widths_are_no_power_law_and_say_so():
    tree = made_up.tree(CONFIG)
    tree["rates"].attrs["num_fitted"] = 2
    page = page_of_tree(tree)
    assert headline(page).startswith("Between two widths total variation from the infinite-width")
    assert headline(page).endswith("Two widths do not show a power law: a third would check it.")
    assert "Between the two widths from width 64 on" in page.text
    assert "through the two widths from width 64 on" in text_of_tree(tree)
    tree["rates"].attrs["num_fitted"] = 3
    assert "wo widths" not in headline(page_of_tree(tree))


def test_a_sweep_says_how_many_widths_were_fitted():
    for widths, number in (((4, 64, 256), 2), ((64, 128, 256, 512), 3 + 1)):
        assert rates(made_up.distances(widths)).attrs["num_fitted"] == number


def test_a_coefficient_and_its_theory_have_one_sign():
    tree = made_up.tree(CONFIG)
    tree["first_order"] = made_up.first_order()
    row = summary_of_tree(tree).to_dict()["rates"]["log_evidence_error"]
    assert row["coefficient"] > 0 < row["first_order"] == -row["first_order_signed"]
    (cells,) = (row for row in page_of_tree(tree).rows if row[0] == "Log evidence")
    assert cells[-2:] == ["1.30 ± 0.01", "28"] and "1.30 ± 0.01" in text_of_tree(tree)


@pytest.mark.parametrize(
    ("widths", "reason"),
    [
        ((128,), "one width was run, and a rate needs two"),
        ((4, 16), "a rate needs two widths from 64 on, and none is that wide"),
        ((4, 64), "a rate needs two widths from 64 on, and one is that wide"),
    ],
)
def test_the_headline_says_why_there_is_no_rate(widths, reason):
    tree = made_up.tree(dataclasses.replace(CONFIG, widths=widths))
    page, text = page_of_tree(tree), text_of_tree(tree)
    way = f"No rate was fitted: {reason}. Run it with more of them, as --widths {widths[0]}"
    assert all(way in shown and "no fit" not in shown for shown in (page.text, text))
    assert headline(page).endswith(f"no rate was fitted: {reason}.")
    assert "no rate fitted" in page.text


def test_a_value_lost_in_its_noise_is_not_given():
    tree = made_up.tree(CONFIG, fit=made_up.rates(fitted=False))
    tree["distances"]["tv"].values[-1] = -1e-5
    found = headline(page_of_tree(tree))
    assert "lost in its noise" in found and "at some width it is lost in its noise" in found


def test_every_number_is_that_of_the_results(tmp_path):
    config = made_up.directory(tmp_path / "run")
    page = page_of(tmp_path / "run")
    with xr.open_datatree(tmp_path / "run" / "results.nc", engine="h5netcdf") as stored:
        tree = stored.load()
    shown = set(page.numbers)
    for name in THEORY:
        assert set(tree["distances"][name].values.tolist()) <= shown, name
    for name in ("exponent", "coefficient"):
        assert set(tree["rates"][name].values.tolist()) <= shown, name
    for name in ("num_samples", "num_proposals", "acceptance_rate", "log_evidence", "seconds"):
        assert set(tree["sampling"][name].values.tolist()) <= shown | {0.0}, name
    assert config.digest() in page.text and "jax 9.9" in page.text and "a device" in page.text
    # Eight distances, two test points.
    assert page.tags.count("svg") == 2 * (8 + 2)


@SAID
def test_the_forecast_is_the_one_that_was_recorded(tmp_path):
    made_up.directory(tmp_path / "run", forecast=False)
    run, record = cell_directory.CellDirectory(tmp_path / "run", made_up.RUN), made_up.EXPECTED
    wrong = dataclasses.replace(record, acceptance_rate=0.0001, seconds=None, source="limit")
    cell_directory.write_expected(run, {4: record})
    cell_directory.write_expected(run, {256: wrong})
    assert cell_directory.read_expected(tmp_path / "run") == {4: record, 256: wrong}
    page = page_of(tmp_path / "run")
    expected = ["4", "40", "0.0123", "0.0100", "3,300", "4,096", "7.5 s", "1.5 s", "a pilot"]
    assert page.row("4") == expected
    assert {0.0123, 3252.0, 7.5} <= set(page.numbers)
    assert page.rows[page.rows.index(expected) + 1][2] == "–"
    assert "At width 256 the acceptance was not what was expected" in page.text
    (tmp_path / "run" / "forecast.json").write_text("not JSON")
    assert "No forecast was kept" in page_of(tmp_path / "run").text


def test_an_unfinished_run_says_what_is_missing(tmp_path):
    made_up.directory(tmp_path / "run", done=(4, 64), state="interrupted", whole=False)
    page = page_of(tmp_path / "run")
    assert "Unfinished: 2 of 3 widths" in page.text and "interrupted" in page.text
    assert "Widths 256 are not run yet." in page.text
    assert "Predictive densities and the first-order theory come with the last width" in page.text
    assert "no rate was fitted: a rate needs two widths from 64 on, and one" in headline(page)
    assert made_up.distances([4])["tv"].values[0] in page.numbers


def test_a_run_that_has_just_begun_and_one_that_failed(tmp_path):
    made_up.directory(tmp_path / "run", done=(), state="running", whole=False)
    assert headline(page_of(tmp_path / "run")).startswith("No width is finished yet")
    status = {"state": "failed", "error": "the disk <b>burst</b>"}
    made_up.bound(tmp_path / "run" / "status.json", status)
    assert "It failed: the disk <b>burst</b>" in page_of(tmp_path / "run").text


@SAID
def test_a_damaged_width_is_named_and_the_rest_shown(tmp_path):
    made_up.directory(tmp_path / "run", whole=False)
    whole = (tmp_path / "run" / "width_000064.nc").read_bytes()
    (tmp_path / "run" / "width_000064.nc").write_bytes(whole[:1000])
    page = page_of(tmp_path / "run")
    assert "width_000064.nc is damaged" in page.text and "2 of 3 widths" in page.text


@SAID
def test_a_width_of_another_run_is_named_and_not_mixed_in(tmp_path):
    config = made_up.directory(tmp_path / "run", whole=False)
    other = json.dumps({**config.as_dict(), "noise_std": 0.7})
    file = tmp_path / "run" / "width_000064.nc"
    width = made_up.width_file(config, 64).assign_attrs(config=other)
    cell_directory.write_own(file, width, made_up.RUN)
    page = page_of(tmp_path / "run")
    assert "2 of 3 widths" in page.text
    assert "width_000064.nc is of a run with another configuration (noise_std 0.7 → " in page.text
    results = tmp_path / "run" / "results.nc"
    cell_directory.write_own(results, made_up.tree(config), made_up.RUN)
    assert "another configuration (noise_std 0.7 → " in page_of(tmp_path / "run").text


def test_weighted_draws_are_never_called_exact(tmp_path):
    attributes = {"pareto_k": 0.93, "num_nan": 2}
    made_up.directory(tmp_path / "run", kind="capped", attributes=attributes)
    text = page_of(tmp_path / "run").text
    assert "Weighted draws: capped, not exact" in text and "40 weighted draws at each" in text
    assert "exact" not in text.replace("capped, not exact", "").replace("Exact posterior", "")
    assert "tail is heavy (Pareto k 0.93, above 0.7)" in text and "2 weights were NaN" in text


def test_draws_that_are_missing_or_there_twice_are_said():
    tree = made_up.tree(CONFIG, num_samples=17)
    tree["width_64/sample_stats"]["proposal_number"].values[0, 1] = 0
    text = page_of_tree(tree).text
    assert "Width 256 has 17 of 40 draws: max_proposals was reached." in text
    assert "Width 64: some draws are there twice" in text and "Width 4: some" not in text


def test_names_of_the_user_are_escaped(tmp_path):
    name = "<script>alert('x')</script>&.csv"
    config = SweepConfig(data=f"folder/{name}", target="<i>y</i>", num_test=2, widths=(64, 128))
    made_up.directory(tmp_path / "<b>run", config)
    page = page_of(tmp_path / "<b>run")
    assert name in page.text and "<b>run" in page.text and "<i>y</i>" in page.text


def test_results_alone_are_enough(tmp_path):
    made_up.directory(tmp_path / "run")
    page = page_of(tmp_path / "run" / "results.nc")
    assert "falls as" in headline(page) and "No forecast was kept" in page.text


def test_many_outputs_are_cut_and_that_is_said():
    page = page_of_tree(made_up.tree(dataclasses.replace(CONFIG, num_test=3), num_outputs=10))
    assert page.tags.count("svg") == 2 * (8 + 12) and "The first 12 of 30 values" in page.text


def test_densities_that_are_not_there():
    tree = made_up.tree(CONFIG)
    tree["predictive"]["density"].values[:] = np.nan
    assert "No width has densities" in page_of_tree(tree).text


@pytest.mark.slow
@SAID
def test_what_is_not_there_or_another_files_is_said(tmp_path):
    path = tmp_path / "run"
    made_up.directory(path)
    assert not read_sweep(path).unread
    (path / "status.json").unlink()
    assert "status.json is not there" in page_of(path).text
    (path / "forecast.json").write_text("not JSON")
    assert "forecast.json cannot be read" in said(path)
    config = json.loads((path / "config.json").read_text())
    made_up.bound(path / "config.json", {**config, "noise_std": 9.0})
    assert "config.json has another noise_std than the results" in said(path)
    made_up.bound(path / "config.json", {"state": "done"})
    assert "config.json holds no configuration" in said(path)
    (path / "config.json").unlink()
    assert "config.json is not there" in said(path)


def said(path):
    return " ".join(read_sweep(path).unread)
