"""A report as one page: verdict, checks, notes, and pictures of every value that was compared."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bnnpost.storage import versions, write_text
from bnnpost.summaries import Html, HtmlSection, check_free, element, join, page
from bnnpost.summaries.parts import facts, notes, paragraphs, titled
from bnnpost.summaries.svg import svg
from bnnpost.verification.pit_panels import (
    PitBands,
    ecdf_difference,
    largest_difference,
    pit_bands,
    pit_histogram,
)
from bnnpost.verification.report import PIT, Check, Report, p_in_words

MOST_PANELS = 24
_HEADS = (
    "", "Check", "How wrong", "Statistic", "Where", "p", "adjusted p",
    "Draws (candidate, reference)", "Found 9 times in 10",
)  # fmt: skip
_WRONG, _WORDS, _LONG = 2, (0, 1, 2, 3, 4, 8), (2, 3, 4, 8)


def write_html(report: Report, path: str | os.PathLike[str]) -> None:
    """Write the page of `to_html`, whole or not at all.

    A page that is there is replaced. Raises `bnnpost.reports.NotAReport` for any other file,
    FileNotFoundError if the folder does not exist.
    """
    target = Path(path)
    check_free(target)
    write_text(target, to_html(report))


def to_html(report: Report) -> str:
    """One page that loads nothing: verdict, checks, notes, PIT pictures.

    Of each value a histogram of the reference's CDF at the candidate's draws and the difference
    between their empirical CDF and the uniform one, with the bands that a right candidate stays
    in; of more than 24 values the 24 with the largest differences.
    """
    passed = report.passed
    return page(
        title=f"bnnpost verify: {'passed' if passed else 'FAILED'}",
        kind="Verification of draws",
        headline=report.verdict() if passed else f"FAILED: {report.wrong()}",
        lead=[] if passed else list(_lead(report)),
        marks=[("Passed", "good") if passed else ("Failed", "bad")],
        sections=[
            HtmlSection("What was compared", "compared", _compared(report)),
            HtmlSection("Checks", "checks", _checks(report)),
            HtmlSection("Values one by one", "values", join(_pictures(report), "\n")),
        ],
        footer=", ".join(f"{name} {version}" for name, version in versions().items()),
    )


def _lead(report: Report) -> Iterator[str]:
    if report.causes:
        yield f"It looks {report.looks()}."
    against = f" Against {report.doubt}." if report.doubt else ""
    yield f"The clearest check: {report.clearest()}.{against}"


def _compared(report: Report) -> Html:
    both = facts({"Candidate": report.candidate, "Reference": report.reference})
    return join([notes(report.notes), both])


def _checks(report: Report) -> Html:
    told = any(check.effect is not None for check in report.checks)
    shown = [i for i in range(len(_HEADS)) if told or i != _WRONG]
    head = (
        element("th", _HEADS[i], scope="col", class_=None if i in _WORDS else "number")
        for i in shown
    )
    rows = (_row(check, check.adjusted <= report.level, shown) for check in report.checks)
    caption = (
        f"A check fails where its adjusted p-value is at or below {report.level:g}, which is the "
        "probability that a right candidate fails any of them."
    )
    return titled(element("tr", *head), rows, caption, stacked=True)


def _row(check: Check, failed: bool, shown: list[int]) -> Html:
    cells = [
        "FAIL" if failed else "ok",
        check.name,
        "" if check.effect is None else str(check.effect),
        f"{check.measure} {check.statistic:.3g}",
        check.where,
        p_in_words(check.p_value),
        p_in_words(check.adjusted),
        ", ".join(_count(size) for size in check.effective),
        check.smallest,
    ]
    made = []
    for i in shown:
        kind = "words" if i in _LONG else None if i in _WORDS else "number"
        tag, scope = ("th", "row") if i == 1 else ("td", None)
        made.append(
            element(tag, cells[i], class_=kind, scope=scope, data_head=_HEADS[i] or "Verdict")
        )
    return element("tr", *made, class_="failed" if failed else None)


def _count(size: float) -> str:
    return f"{size:,.0f}" if math.isfinite(size) else "exact"


def _pictures(report: Report) -> Iterator[Html]:
    pit = np.asarray(report.pit, np.float64)
    if pit.ndim != 2 or not pit.size:
        yield paragraphs("There are none to show.")
        return
    columns = [column[np.isfinite(column)] for column in pit.T]
    found = _bands(report, len(pit)).wide_enough(columns)
    yield _legend(report, found)
    order = np.argsort([-largest_difference(column) for column in columns], kind="stable")
    shown = order[:MOST_PANELS] if len(order) > MOST_PANELS else np.arange(len(order))
    if len(order) > MOST_PANELS:
        yield paragraphs(
            f"Of {len(order)} values the {MOST_PANELS} with the largest differences are shown, "
            "the largest first."
        )
    cells = (
        element(
            "div",
            *(
                element("div", svg(draw(report.columns[i], columns[i], found)), class_="picture")
                for draw in (pit_histogram, ecdf_difference)
            ),
        )
        for i in shown
    )
    yield element("div", *cells, class_="pictures across-3")


def _bands(report: Report, num_rows: int) -> PitBands:
    """Of one value, so that those of all values hold together."""
    found = (check.effective for check in report.checks if check.name == PIT)
    sizes = next(found, None)
    num_draws, num_reference = (num_rows, math.inf) if sizes is None else sizes
    return pit_bands(num_draws, num_reference, report.level / max(len(report.columns), 1))


def _legend(report: Report, found: PitBands) -> Html:
    return element(
        "p",
        "Above: histogram of the reference’s CDF at the candidate’s draws, which is flat for a "
        "right candidate (high at both ends: too wide; in the middle: too narrow; at one end: "
        "shifted). Below: their empirical CDF minus the uniform one. Scales are the same at all "
        "values. ",
        element("span", class_="swatch"),
        " Where a right candidate stays: with probability "
        f"{1 - report.level:g} or more all bars of all {len(report.columns)} values are inside, "
        "and likewise all curves. The band of the bars has quantiles of binomial counts "
        "(beta-binomial where the reference is of draws), by Bonferroni over bars and values; that "
        "of the curves is the Dvoretzky–Kiefer–Wolfowitz bound with Massart’s constant, "
        f"±{found.ecdf:.3g}. The verdict is that of the checks, not of these pictures.",
    )
