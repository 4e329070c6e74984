"""What is said of the zoo, once for the terminal, the page and JSON."""

import dataclasses
import json

import pytest

from bnnpost.summaries.html_page import as_page
from bnnpost.summaries.summary import Fact
from bnnpost.summaries.text import as_text
from bnnpost.summaries.values import counted
from bnnpost.zoo import entries, zoo_summary
from bnnpost.zoo.entries import ENTRIES
from bnnpost.zoo.zoo import plain_record
from bnnpost.zoo.zoo_summary import summary_of_entry, summary_of_zoo
from tests.summaries.reader import checked
from tests.zoo.tiny import TINY, made_up

BAD = "<script>alert('1') & \"quoted\""
NEW = Fact("num_pauses", "pauses", counted(31))


def record(**changes):
    return plain_record(made_up()) | changes


def is_in_all(summary, *texts):
    lines, page = as_text(summary), checked(as_page(summary))
    assert max(map(len, lines.splitlines())) <= 100
    for text in texts:
        assert text in lines and text in page.text


def test_a_new_fact_of_a_posterior_is_in_text_page_and_json(monkeypatch):
    description = zoo_summary._description
    monkeypatch.setattr(zoo_summary, "_description", lambda entry: (*description(entry), NEW))
    summary = summary_of_entry(TINY)
    is_in_all(summary, "pauses", "31")
    assert json.loads(json.dumps(summary.to_dict()))["description"]["num_pauses"] == 31


def test_a_new_fact_of_a_row_is_in_text_page_and_json(monkeypatch):
    row, column = zoo_summary._zoo_row, zoo_summary.ShownColumn("num_pauses", "pauses")
    monkeypatch.setattr(zoo_summary, "_COLUMNS", (*zoo_summary._COLUMNS, column))
    monkeypatch.setattr(zoo_summary, "_zoo_row", lambda entry: {**row(entry), "num_pauses": 31})
    summary = summary_of_zoo(ENTRIES)
    is_in_all(summary, "pauses", "31")
    assert summary.to_dict()["posteriors"][0]["num_pauses"] == 31


def test_a_check_that_failed_is_marked_and_is_in_json_once():
    check = {"name": "halves", "passed": False, "found": 1e-4, "limit": 1e-3, "measure": "p-value"}
    summary = summary_of_entry(TINY, record(checks=[check]))
    is_in_all(summary, "FAIL", "above 0.001", "−3.25 ± 0.01")
    data = summary.to_dict()
    assert data["record"]["checks"] == [check] and "" not in data
    assert data["record"]["log_evidence_se"] == 0.01


def test_json_has_all_that_an_entry_and_its_record_have():
    for entry in ENTRIES:
        data = summary_of_entry(entry).to_dict()
        plain = json.loads(json.dumps(entry.as_dict()))
        assert data["record"] is None and plain.items() <= data["description"].items()
        is_in_all(summary_of_entry(entry), entry.name, entry.data)
    own = record()
    data = summary_of_entry(TINY, own).to_dict()["record"]
    assert json.loads(json.dumps(own)).items() <= data.items()


def test_of_weighted_draws_their_worth_is_said():
    weights = {"pareto_k": 0.3, "effective_sample_size": 812.4, "excess_mass": 0.0123}
    unseen = {"unseen_mass_upper": 1.0}
    summary = summary_of_entry(TINY, record(kind="capped", **weights, **unseen))
    is_in_all(summary, "0.30", "812", "1.2 %", "no bound on the mass")
    assert summary.to_dict()["record"]["pareto_k"] == 0.3


@pytest.mark.parametrize("as_one", [True, False])
def test_names_stay_text(as_one):
    entry = dataclasses.replace(TINY, name=BAD, summary=BAD, data=BAD)
    summary = summary_of_entry(entry, absent=BAD) if as_one else summary_of_zoo([entry])
    page = as_page(summary)
    assert "<script>alert" not in page and BAD in checked(page).text


def test_all_rows_are_printed():
    assert len(entries.names()) > 20
    text = as_text(summary_of_zoo(ENTRIES))
    assert all(name in text for name in entries.names())
