"""One summary, three renderings: what is said once is in the text, on the page and in JSON."""

import dataclasses
import json
import math

import pytest

from bnnpost.summaries.html_page import as_page
from bnnpost.summaries.panels import Line, Panel, linear
from bnnpost.summaries.summary import (
    Code,
    Doubts,
    Fact,
    Facts,
    Notes,
    Paragraph,
    Pictures,
    Section,
    ShownColumn,
    ShownTable,
    Summary,
)
from bnnpost.summaries.text import as_text
from bnnpost.summaries.values import Text, counted, measured, p_value
from tests.summaries.reader import checked

BAD = "<script>alert('1')</script> & \"quoted\""
PANEL = Panel(x=linear(0, 1), y=linear(0, 1), shapes=[Line([0, 1], [0, 1], "blue")], said="a line")
ROWS = tuple({"name": f"row {i}", "size": counted(1000 * i), "place": i} for i in range(30))
TABLE = ShownTable(
    "rows",
    "Rows",
    (
        ShownColumn("name", "Name", words=True),
        ShownColumn("size", "size"),
        ShownColumn("place", None),
    ),
    ROWS,
    most=25,
)
FACTS = Facts(
    "info",
    (
        Fact("mean", "Posterior mean", measured(0.0118234, 7.1e-5)),
        Fact("lost", "What is lost", measured(math.nan)),
    ),
    {"kind": "exact"},
)


def summary(*blocks, doubts=(), **changes):
    found = Summary(
        title="A run",
        kind="Draws",
        headline="The log evidence is −7.5\u00a0nats.",
        lead=("Of a network.",),
        marks=(("Exact draws", "good"), ("Seed 0", "plain")),
        sections=(
            Section("Values", "values", (Doubts(tuple(doubts), "None."), *blocks), brief=True),
            Section("Again", "again", (Code("run it\n", "Command"), Paragraph("As before."))),
        ),
    )
    return dataclasses.replace(found, **changes)


def test_a_new_fact_is_in_text_page_and_json():
    found = summary(Facts("info", (*FACTS.facts, Fact("median", "The median", measured(0.25)))))
    assert "The median      0.250" in as_text(found).splitlines()
    page = checked(as_page(found))
    assert "The median" in page.text and 0.25 in page.numbers
    assert found.to_dict()["info"]["median"] == 0.25


def test_text_is_what_fits_a_terminal():
    lines = as_text(summary(FACTS, TABLE, Pictures((PANEL,)), Notes(("a note",)))).splitlines()
    assert lines[:3] == [
        "The log evidence is −7.5 nats.",
        "Of a network.",
        "Exact draws · Seed 0",
    ]
    assert "Posterior mean  0.01182 ± 0.00007" in lines and "What is lost    –" in lines
    assert "Name      size" in lines and "row 19  19,000" in lines
    assert "… 10 more" in lines and "note: a note" in lines
    assert not any("run it" in line or "place" in line for line in lines)
    long = summary(Paragraph("word " * 100), Facts("x", (Fact("x", "x", "word " * 100),)))
    assert max(map(len, as_text(long).splitlines())) <= 100


def test_rows_of_sentences_have_a_line_for_each_and_are_one_cell_each_on_a_page():
    columns = (
        ShownColumn("sign", "", words=True, record=False),
        ShownColumn("name", "Check", words=True),
        ShownColumn("wrong", "How wrong", words=True, long=True),
        ShownColumn("p", "p"),
        ShownColumn("at", "At", words=True),
    )
    rows = (
        {
            "sign": "FAIL",
            "name": "means",
            "wrong": Text.of("by ", measured(0.5)),
            "at": "x",
            "p": p_value(1e-9),
        },
        {"sign": "ok", "name": "tails", "wrong": "", "at": "", "p": p_value(0.25)},
    )
    found = summary(ShownTable("checks", "", columns, rows, stacked=True))
    assert as_text(found).endswith(
        "FAIL  means  p 1e-09; at x\n             how wrong: by 0.500\nok    tails  p 0.25"
    )
    page = as_page(found)
    assert '<span>by <data value="0.5">0.500</data></span></td>' in page
    assert found.to_dict()["checks"][0] == {
        "name": "means",
        "wrong": "by 0.500",
        "p": 1e-9,
        "at": "x",
    }


def test_text_has_as_many_rows_as_a_table_says():
    assert "row 29" in as_text(summary(dataclasses.replace(TABLE, printed=30)))


def test_facts_without_a_key_and_notes_stand_beside_the_headline_in_json():
    found = summary(dataclasses.replace(FACTS, key=""), Notes(("a note",))).to_dict()
    assert found["mean"] == 0.0118234 and found["kind"] == "exact" and found["notes"] == ["a note"]


def test_pictures_are_drawn_when_a_page_asks_for_them():
    drawn = []
    pictures = Pictures(lambda: (drawn.append(1), (PANEL, PANEL))[1:])
    found = summary(pictures)
    assert str(found) and found.to_dict() and not drawn
    assert checked(as_page(found)).tags.count("svg") == 4 and drawn


def test_doubts_come_before_the_numbers_and_are_said_once_on_a_page():
    found = summary(FACTS, doubts=["It did not mix."])
    text, page = as_text(found), checked(as_page(found))
    assert text.index("doubt: It did not mix.") < text.index("Posterior mean")
    assert page.text.count("It did not mix.") == 1 and "None." not in page.text
    assert found.to_dict()["doubts"] == ["It did not mix."]
    assert "None." in checked(as_page(summary())).text and "doubt" not in as_text(summary())


def test_json_has_numbers_in_full_and_no_others():
    found = json.loads(json.dumps(summary(FACTS, TABLE, data={"levels": ["a"]}).to_dict()))
    assert found["info"] == {"mean": 0.0118234, "mean_se": 7.1e-5, "lost": None, "kind": "exact"}
    assert found["rows"][7] == {"name": "row 7", "size": 7000.0, "place": 7}
    assert len(found["rows"]) == 30 and found["levels"] == ["a"]
    assert found["marks"][0] == {"text": "Exact draws", "tone": "good"}
    assert found["headline"] == "The log evidence is −7.5 nats."


def test_a_page_has_pictures_and_as_many_rows_as_fit():
    page = checked(
        as_page(summary(TABLE, Pictures((PANEL, PANEL), "Two", legend=(("blue", "f"),))))
    )
    assert page.tags.count("svg") == 4 and page.row("row 24") and "row 25" not in page.text
    assert "run it" in page.codes[0] and "As before." in page.text


@pytest.mark.parametrize("render", [as_page, as_text])
def test_text_of_the_user_stays_text(render):
    facts = Facts("info", (Fact(BAD, BAD, BAD),))
    table = ShownTable(BAD, BAD, (ShownColumn("x", BAD, words=True),), ({"x": BAD},))
    blocks = (facts, table, Paragraph(BAD), Notes((BAD,)), Code(BAD, BAD))
    shown = render(
        summary(
            *blocks, doubts=[BAD], title=BAD, kind=BAD, headline=BAD, lead=(BAD,),
            marks=((BAD, "bad"),), footer=BAD,
        )
    )  # fmt: skip
    if render is as_page:
        assert "<script>alert" not in shown
        shown = checked(shown).text
    assert shown.count(BAD) >= 9
