"""Forms of numbers, lists in cells, and tables and notes as a plan needs them."""

import json
import math

import pytest

from bnnpost.spelling import byte_size, power_of_ten
from bnnpost.summaries.html_page import as_page
from bnnpost.summaries.summary import Fact, Facts, Notes, Section, ShownColumn, ShownTable, Summary
from bnnpost.summaries.text import as_text
from bnnpost.summaries.values import Number, counted, expected_count, lasted
from tests.summaries.reader import checked


def described(*blocks):
    return Summary("A", "B", "C.", sections=(Section("Part", "part", blocks, brief=True),))


def test_no_bytes_are_a_size():
    assert [byte_size(n) for n in (0, 940, 1234)] == ["0 bytes", "940 bytes", "1.2 kB"]


@pytest.mark.parametrize(
    ("exponent", "text"),
    [(-2.7, "0.0020"), (0.0, "1.0"), (-710.5, "3.2·10⁻⁷¹¹"), (-8.001, "1.0·10⁻⁸"),
     (400.0, "1.0·10⁴⁰⁰")],
)  # fmt: skip
def test_powers_of_ten_have_no_end(exponent, text):
    assert power_of_ten(exponent) == text


@pytest.mark.parametrize(
    ("number", "text", "data"),
    [
        (expected_count(123456.7), "120,000", 123456.7),
        (expected_count(math.inf), "more than 10³⁰⁰", None),
        (expected_count(math.nan), "–", None),
        (lasted(math.inf), "for ever", None),
        (counted(1200), "1,200", 1200),
        (Number(-2.7, digits=2, form="exponent"), "0.0020", -2.7),
        (Number(-math.inf, form="exponent"), "0", None),
        (Number(0.375, digits=0, form="percent"), "38 %", 0.375),
        (Number(1234.0, form="bytes"), "1.2 kB", 1234.0),
        (Number(0.01234, 0.0567, digits=4, form="places"), "0.0123 ± 0.0567", 0.01234),
    ],
)
def test_a_number_is_read_in_its_form_and_whole_in_json(number, text, data):
    summary = described(Facts("", (Fact("n", "N", number),)))
    assert f"N  {text}" in as_text(summary).splitlines()
    assert text in checked(as_page(summary)).text
    assert json.loads(json.dumps(summary.to_dict()))["n"] == data


def test_counts_are_whole_in_json():
    assert json.dumps(described(Facts("", (Fact("n", "N", counted(7.0)),))).to_dict()["n"]) == "7"


def test_lists_and_mappings_are_listed():
    facts = (
        Fact("widths", "widths", (4, 16)),
        Fact("none", "none", ()),
        Fact("of", "of", {"a": 1}),
    )
    summary = described(Facts("x", facts))
    assert as_text(summary).splitlines()[2:] == ["widths  4, 16", "none    –", "of      a 1"]
    page = checked(as_page(summary)).text
    assert all(text in page for text in ("4, 16", "–", "a 1"))
    assert summary.to_dict()["x"] == {"widths": [4, 16], "none": [], "of": {"a": 1}}


TABLE = ShownTable(
    "rows",
    "Rows",
    (
        ShownColumn("name", "name", words=True),
        ShownColumn("why", "why", words=True, long=True),
        ShownColumn("size", "size of the whole"),
    ),
    tuple({"name": f"row {i}", "size": counted(i), "why": "it is odd" if i == 1 else None}
          for i in range(25)),
    printed=25,
)  # fmt: skip


def test_sentences_are_below_their_row_and_as_many_rows_are_printed_as_asked():
    lines = as_text(described(TABLE)).splitlines()
    assert lines[3:7] == ["name    size of the whole", "row 0                   0",
                          "row 1                   1", "    it is odd"]  # fmt: skip
    assert lines[-1].startswith("row 24")
    assert checked(as_page(described(TABLE))).row("row 1") == ["row 1", "it is odd", "1"]


def test_a_table_without_rows_is_not_printed_and_one_without_a_key_not_in_json():
    empty = ShownTable("none", "Nothing here", TABLE.columns, ())
    assert "Nothing here" not in as_text(described(empty))
    assert described(empty).to_dict()["none"] == []
    again = ShownTable("", "Again", TABLE.columns, TABLE.rows)
    assert "Again" in as_text(described(again)) and "" not in described(again).to_dict()


def test_notes_with_a_title_are_below_it():
    summary = described(Notes(("Do this.", "Or that."), title="Advice"), Notes((), title="Nothing"))
    assert as_text(summary).splitlines()[2:] == ["Advice", "  Do this.", "  Or that."]
    page = checked(as_page(summary)).text
    assert "Advice" in page and "Nothing" not in page
