"""One description of a verdict: what is said once is in its text, on its page and in its JSON."""

import dataclasses
import json

import numpy as np
import pytest

from bnnpost.summaries.html_page import as_page, write_html
from bnnpost.summaries.summary import Fact, Facts
from bnnpost.verification.calibration_record import Calibration
from bnnpost.verification.causes import Cause
from bnnpost.verification.effects import Effect
from bnnpost.verification.invariance_report import Invariance, Movement
from bnnpost.verification.report import Check, Report
from tests.summaries.reader import checked

BAD = "<script>alert('1')</script> & \"quoted\""
WIDE = Effect("std", "f[1]", 1.5, 1.4, 1.6, right=1.0)
CHECKS = (
    Check("spread", "largest z", 8.1, 1e-9, 1e-8, (300.0, 6000.0), "f[1]", "0.2 stds", WIDE),
    Check("PIT", "distance", 0.03, 0.5, 0.8, (300.0, float("inf"))),
)
REPORT = Report(
    0.01,
    CHECKS,
    "array: 300 draws",
    "6,000 exact draws",
    ("f[0]", "f[1]"),
    np.random.default_rng(0).uniform(size=(300, 2)),
    ("a note",),
    "a reference led by fits",
    (WIDE,),
    (Cause("it were so"),),
)
INVARIANCE = Invariance(
    0.01, CHECKS, ("f[0]", "f[1]"), 300, 1, True, "exact", Movement(0.6, 0.7, "f[1]", 0.2, 0.01)
)
CALIBRATION = Calibration(
    0.01,
    ("f(x[0])", "log likelihood"),
    np.random.default_rng(0).integers(0, 100, (200, 2)) // [1, 2],
    99,
    np.full(200, 99.0),
    np.zeros(2),
    12.0,
    "100 exact draws",
)
RESULTS = {"verify": REPORT, "invariance": INVARIANCE, "calibrate": CALIBRATION}


def renderings(result, path):
    """Text, page and JSON of a result, as people and programs get them; blanks of text as one."""
    write_html(result, path / "page.html")
    page = checked((path / "page.html").read_text(encoding="utf-8"))
    return " ".join(str(result).split()), page.text, json.loads(json.dumps(result.to_dict()))


@pytest.mark.parametrize("kind", RESULTS)
def test_a_new_fact_is_in_all_three(kind, tmp_path, monkeypatch):
    result = RESULTS[kind]
    before = type(result).describe

    def with_a_fact(self):
        summary = before(self)
        first, *others = summary.sections
        blocks = tuple(
            dataclasses.replace(block, facts=(*block.facts, Fact("moon", "The moon", "is full")))
            if isinstance(block, Facts)
            else block
            for block in first.blocks
        )
        sections = (dataclasses.replace(first, blocks=blocks), *others)
        return dataclasses.replace(summary, sections=sections)

    monkeypatch.setattr(type(result), "describe", with_a_fact)
    text, page, record = renderings(result, tmp_path)
    assert "The moon is full" in text and result.summary() == str(result)
    assert "The moonis full" in page and record["moon"] == "is full"


@pytest.mark.parametrize("result", [REPORT, INVARIANCE])
def test_a_new_check_is_in_all_three(result, tmp_path):
    new = Check("moons", "their number", 4.25, 0.125, 0.5, (70.0, 80.0), "f[7]", "2 moons", WIDE)
    text, page, record = renderings(dataclasses.replace(result, checks=(*CHECKS, new)), tmp_path)
    line = "ok moons where f[7]; p 0.12; adjusted p 0.5; draws 70; reference 80 how wrong: std"
    assert line in text and "statistic: their number 4.25 found 9 times in 10: 2 moons" in text
    assert "their number 4.25" in page and "2 moons" in page
    assert record["checks"][-1] == {**dataclasses.asdict(new), "effective": [70, 80]} | {
        "failed": False
    }


def test_a_new_note_is_in_all_three(tmp_path):
    report = dataclasses.replace(REPORT, notes=("a note", "the moon is full"))
    text, page, record = renderings(report, tmp_path)
    assert "note: the moon is full" in text and "the moon is full" in page
    assert record["notes"] == ["a note", "the moon is full"]


def test_a_new_statistic_is_in_all_three(tmp_path):
    changes = {
        "names": (*CALIBRATION.names, "phase of the moon"),
        "ranks": np.c_[CALIBRATION.ranks, np.full(200, 99)],
        "tied": np.array([0.0, 0.0, 0.9]),
    }
    text, page, record = renderings(dataclasses.replace(CALIBRATION, **changes), tmp_path)
    for words in (text, page):
        assert words.count("phase of the moon") == 2  # in the headline too
        assert "one value in all: says nothing" in words
    assert record["tests"][-1]["statistic"] == "phase of the moon"
    assert record["p_values"]["phase of the moon"] < 0.01


@pytest.mark.parametrize(
    "result",
    [
        dataclasses.replace(
            REPORT,
            checks=(Check(BAD, BAD, 1.0, 0.5, 1e-5, (1.0, 1.0), BAD, BAD),),
            candidate=BAD,
            reference=BAD,
            columns=(BAD, "f[1]"),
            notes=(BAD,),
            doubt=BAD,
            causes=(Cause(BAD),),
        ),
        dataclasses.replace(
            INVARIANCE,
            checks=(Check(BAD, BAD, 1.0, 0.5, 1e-5, (1.0, 1.0), BAD, BAD),),
            movement=Movement(0.6, 0.7, BAD, 0.2, 0.01),
        ),
        dataclasses.replace(CALIBRATION, names=(BAD, f"{BAD} 2"), around=BAD),
    ],
)
def test_names_of_users_stay_text_on_every_page(result):
    page = as_page(result.describe())
    assert "<script>alert" not in page
    assert checked(page).text.count(BAD) >= 4


def test_the_text_of_a_verdict_begins_with_what_is_wrong_and_why():
    first, doubt, *_ = str(REPORT).split("\n\n")
    assert first.splitlines() == [
        "FAILED: std of f[1] 1.5 [1.4, 1.6] times too large",
        "It looks as if it were so.",
        "The clearest check: spread at f[1], adjusted p 1e-08.",
        "1 of 2 checks failed at level 0.01 · 2 values compared",
    ]
    assert doubt == "doubt: compared against a reference led by fits"
    passed = dataclasses.replace(REPORT, checks=CHECKS[1:], causes=())
    assert str(passed).splitlines()[:2] == [
        "PASSED: no difference from the reference found at level 0.01",
        "1 of 1 checks passed · 2 values compared",
    ]
    assert all(len(line) <= 100 for line in str(REPORT).splitlines())


def test_json_has_what_it_had_before_there_was_a_description():
    record = REPORT.to_dict()
    for key in (
        "passed",
        "verdict",
        "looks",
        "level",
        "candidate",
        "reference",
        "columns",
        "doubt",
    ):
        own = getattr(REPORT, key)
        own = own() if callable(own) else own
        assert record[key] == (list(own) if isinstance(own, tuple) else own)
    assert record["effects"] == [dataclasses.asdict(WIDE)] == [record["checks"][0]["effect"]]
    assert record["causes"] == [{"words": "it were so", "effect": None}]
    assert record["checks"][1]["effective"] == [300, None] and "jax" in record["versions"]
    moved = INVARIANCE.to_dict()
    assert moved["movement"] == dataclasses.asdict(INVARIANCE.movement)
    assert (moved["num_draws"], moved["num_steps"], moved["source"]) == (300, 1, "exact")
    ranked = CALIBRATION.to_dict()
    assert ranked["ranks"] == CALIBRATION.ranks.tolist() and ranked["num_tests"] == 8
    assert ranked["verdict"] == "failed" and ranked["around"] == "100 exact draws"
    assert ranked["tests"][1]["shift"] == CALIBRATION.tests[1, 2]
