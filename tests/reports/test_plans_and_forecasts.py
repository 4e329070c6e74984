"""Plans and forecasts: each described once, for the terminal, the page and JSON."""

import dataclasses
import json

import pytest

from bnnpost.datasets import DataRecord
from bnnpost.reports import plan_summary
from bnnpost.reports.forecast_summary import summary_of_forecast
from bnnpost.reports.plan_summary import summary_of_grid_plan, summary_of_plan
from bnnpost.samplers.cost import Cost
from bnnpost.summaries.html_page import as_page
from bnnpost.summaries.summary import Fact
from bnnpost.summaries.text import as_text
from bnnpost.summaries.values import counted, lasted, measured
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.grid_cells import Cell, Grid
from bnnpost.sweeps.planning import CellPlan, CostPlan
from tests.summaries.reader import checked

BAD = "<script>alert('1') & \"quoted\""
CONFIG = SweepConfig(num_samples=50, widths=(4, 64))
RECORD = DataRecord.unknown(2, 1)
NEW = Fact("num_pauses", "pauses", counted(31))


def cost(seconds=2.0, facts=(), **more):
    return Cost(
        seconds=seconds,
        sentences=[f"It takes {seconds:g} s.", "Use it."],
        facts=[Fact("seconds", "time", lasted(seconds)), *facts],
        of_estimates=[Fact("worth", "draws a proposal", measured(0.25))],
        data={"seconds": seconds, "log_bound": -1.5},
        proposals=900.0,
        **more,
    )


def plan(costs=None, **more):
    costs = {4: cost(), 64: cost(5.0)} if costs is None else costs
    return CostPlan(CONFIG, 1, costs, record=RECORD, **more)


def cell_plan(name, costs, refusal=""):
    cost_plan = None if costs is None else plan(costs)
    return CellPlan(Cell({"depth": 1, "name": name}, CONFIG.as_dict(), "ab12"), cost_plan, refusal)


def grid_plan(*plans, **more):
    grid = Grid(("depth", "name"), tuple(plan.cell for plan in plans))
    return summary_of_grid_plan(grid, plans, **more)


def forecast(costs, config=CONFIG):
    return summary_of_forecast(config, RECORD, costs)


def is_in_all(summary, label, text, *keys, value):
    """Whether a fact is in the text and on the page, and its value in JSON by these keys."""
    lines, page = as_text(summary), checked(as_page(summary))
    assert max(map(len, lines.splitlines())) <= 100
    assert label in lines and text in lines
    assert label in page.text and text in page.text
    record = json.loads(json.dumps(summary.to_dict()))
    for key in keys:
        record = record[key]
    assert record == value


def test_a_new_fact_of_a_cost_is_in_every_forecast_and_plan():
    costs = {4: [cost(facts=[NEW])], 64: [cost(5.0)]}
    is_in_all(forecast(costs), "pauses", "31", "forecast", 0, "num_pauses", value=31)
    planned = summary_of_plan(plan({4: cost(facts=[NEW]), 64: cost(5.0)}))
    is_in_all(planned, "pauses", "31", "widths", 0, "num_pauses", value=31)


def test_a_new_fact_of_estimates_is_in_text_page_and_json():
    summary = forecast({4: [dataclasses.replace(cost(), of_estimates=[NEW])]})
    is_in_all(summary, "pauses", "31", "forecast", 0, "num_pauses", value=31)


def test_a_new_setting_is_in_text_page_and_json(monkeypatch):
    settings = plan_summary._settings
    monkeypatch.setattr(plan_summary, "_settings", lambda own: (*settings(own), NEW))
    is_in_all(summary_of_plan(plan()), "pauses", "31", "settings", "num_pauses", value=31)


def test_a_new_fact_of_a_cell_is_in_text_page_and_json(monkeypatch):
    together = plan_summary._together
    monkeypatch.setattr(
        plan_summary,
        "_together",
        lambda running: dataclasses.replace(together(running), facts=(NEW,)),
    )
    summary = grid_plan(cell_plan("a", {4: cost()}), cell_plan("b", {4: cost()}))
    is_in_all(summary, "pauses", "31", "num_pauses", value=31)
    is_in_all(summary, "verdict", "runs", "cells", 1, "verdict", value="runs")


def test_a_plan_says_first_whether_it_would_run():
    def headline(force=False, **more):
        return summary_of_plan(plan(**more), force).headline

    assert headline().endswith("nothing was run or written. It would run.")
    hopeless = {4: cost(refusal="is expected to need 3e+12 proposals: …\nAdvice.")}
    assert headline(costs=hopeless).endswith("It would be refused: width 4 is expected to need "
                                             "3e+12 proposals: …")  # fmt: skip
    assert headline(True, costs=hopeless).endswith("It would run.")
    fails = {4: Cost.of_failure("pairs do not meet"), 64: cost()}
    assert headline(costs=fails).endswith("It would run, but fail at width 4.")
    assert headline(costs={}, finished=(4, 64)).endswith("Nothing is left to run.")


def test_a_plan_in_json_has_what_scripts_read():
    summary = summary_of_plan(plan(comparisons={4: 1.0, 64: 2.0}, finished=(256,))).to_dict()
    assert summary["config"] == json.loads(json.dumps(CONFIG.as_dict()))
    assert summary["data"] == json.loads(json.dumps(RECORD.as_dict()))
    assert summary["seconds"] == 10.0 and summary["disk_bytes"] > 0
    assert summary["finished"] == [256] and summary["refusal"] is None
    assert [row["comparison_seconds"] for row in summary["widths"]] == [1.0, 2.0]
    assert summary_of_plan(plan()).to_dict()["finished"] == []
    row = summary["widths"][0]
    assert (row["width"], row["log_bound"], row["not_met"]) == (4, -1.5, None)
    assert row["advice"] == ["It takes 2 s.", "Use it."]


def test_what_several_widths_share_is_advised_once_and_a_failure_is_below_its_width():
    text = as_text(forecast({4: [cost()], 64: [Cost.of_failure("no such pair")]}))
    assert text.count("Use it.") == 1 and "  width 4: It takes 2 s." in text
    lines = text.splitlines()
    row = next(i for i, line in enumerate(lines) if line.split()[:1] == ["64"])
    assert lines[row + 1] == "    no such pair"
    assert forecast({4: [Cost.of_failure("no")]}).to_dict()["forecast"][0]["not_met"] == "no"


def test_a_grid_says_of_each_cell_whether_it_would_run_and_why_not():
    summary = grid_plan(
        cell_plan("a", {4: cost(), 64: cost()}),
        cell_plan("b", {4: cost(refusal="x")}, "width 4 is hopeless\nAdvice."),
        cell_plan("c", None, "no such data"),
        cell_plan("d", {}),
        cell_plan("e", {4: Cost.of_failure("no pairs")}),
    )
    lines = as_text(summary).splitlines()
    assert lines[0] == "Plan of 5 cells at widths 4, 64; nothing was run or written."
    assert "    width 4 is hopeless" in lines and "    no such data" in lines
    records = summary.to_dict()["cells"]
    verdicts = [record["verdict"] for record in records]
    assert verdicts == ["runs", "refused", "refused", "done", "fails at width 4"]
    assert records[0]["settings"] == {"depth": 1, "name": "a"}
    assert records[0]["widths"] == [4, 64] and records[0]["proposals"] == 1800.0
    assert records[1]["refusal"] == "width 4 is hopeless" and records[2]["seconds"] is None
    assert not any(key.startswith("setting ") for key in records[0])
    assert summary.to_dict()["units"] == 3
    none = grid_plan(cell_plan("b", None, "no such data"), cell_plan("c", None, "nor this"))
    assert as_text(none).splitlines()[0].endswith("No cell would run.")


@pytest.mark.parametrize(
    "summary",
    [
        summary_of_plan(dataclasses.replace(plan(), config=dataclasses.replace(CONFIG, data=BAD))),
        forecast({4: [cost()]}, dataclasses.replace(CONFIG, data=BAD)),
        grid_plan(cell_plan(BAD, {4: cost()}), cell_plan("b", None, BAD)),
    ],
    ids=["plan", "forecast", "grid"],
)
def test_names_of_the_user_stay_text(summary):
    page = as_page(summary)
    assert "<script>alert" not in page and BAD in checked(page).text
