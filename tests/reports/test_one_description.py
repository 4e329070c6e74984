"""A fact that is added to the description of a result is printed, on the page and in JSON."""

import dataclasses
import json

import pytest

from bnnpost.reports import draws_summary, grid_status, grid_summary, sweep_summary
from bnnpost.summaries.html_page import as_page
from bnnpost.summaries.summary import Fact, Facts
from bnnpost.summaries.text import as_text
from tests.cli.invocation import invoke
from tests.cli.small_runs import DRAWS, PROBLEM
from tests.reports import made_up, made_up_grid
from tests.reports.in_browser import SUMMARIES
from tests.summaries.hostile import BAD, spoilt
from tests.summaries.reader import checked

SAMPLE = ("sample", "--width", 8, *PROBLEM, *DRAWS["rejection"])
# By kind: where its description is made, and the commands that print it.
PLACES = {
    "draws": (draws_summary, "_diagnostics"),
    "sweep": (sweep_summary, "_diagnostics"),
    "grid": (grid_summary, "_rates"),
    "status": (grid_status, "_progress"),
}


def directory(kind, path):
    if kind == "draws":
        assert invoke(*SAMPLE, "--out", path).exit_code == 0
    elif kind == "sweep":
        made_up.directory(path)
    else:
        made_up_grid.directory(path)
    return path


def printed(kind, path):
    """What commands print of a run: as text, and as JSON."""
    command = {"draws": (*SAMPLE, "--out"), "status": ("sweep", "status")}
    words = (*command.get(kind, ("sweep", "report")), path)
    done, as_json = invoke(*words), invoke(*words, "--json")
    assert done.exit_code == as_json.exit_code == 0, done.output
    return done.stdout, json.loads(as_json.stdout)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", PLACES)
def test_a_new_fact_is_printed_on_the_page_and_in_json(kind, tmp_path, monkeypatch):
    path = directory(kind, tmp_path / "run")
    module, name = PLACES[kind]
    section_of = getattr(module, name)

    def with_a_fact(*arguments):
        section = section_of(*arguments)
        fact = Facts("sky", (Fact("colour", "Colour", "blue"),))
        return dataclasses.replace(section, blocks=(*section.blocks, fact))

    assert "blue" not in printed(kind, path)[0]
    monkeypatch.setattr(module, name, with_a_fact)
    text, record = printed(kind, path)
    assert "Colour  blue" in text and record["sky"] == {"colour": "blue"}
    if kind != "status":
        assert invoke("report", path).exit_code == 0
        page = checked((path / "report.html").read_text(encoding="utf-8"))
        assert "Colourblue" in page.text


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", SUMMARIES)
def test_texts_of_users_stay_texts_on_every_page(kind, tmp_path):
    summary = spoilt(SUMMARIES[kind](tmp_path / "run"))
    html = as_page(summary)
    page = checked(html)
    assert "<script>alert" not in html
    # Headline, marks, sections, tables, facts, pictures: nothing is left out.
    assert page.text.count(BAD.strip()) > 10
    text = as_text(summary)
    assert BAD.strip() in text and "&lt;" not in text
