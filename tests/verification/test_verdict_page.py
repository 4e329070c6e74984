"""The page of a verdict: what is on it, that it loads nothing, and where its bands are."""

import dataclasses
import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from bnnpost.reports import NotAReport
from bnnpost.summaries.html_page import as_page, write_html
from bnnpost.summaries.svg import svg
from bnnpost.verification.causes import Cause
from bnnpost.verification.effects import Effect
from bnnpost.verification.report import Check, Report
from bnnpost.verification.value_pictures import (
    MOST_PANELS,
    PitBands,
    ecdf_difference,
    ecdf_differences,
    largest_difference,
    pit_bands,
    pit_histogram,
)
from tests.summaries.reader import checked


def uniform(draws, columns, seed=0):
    return np.random.default_rng(seed).uniform(size=(draws, columns))


def report(pit=None, adjusted=0.4, **changes):
    pit = uniform(300, 3) if pit is None else pit
    checks = (
        Check("pit", "KS distance", 0.031, 0.08, adjusted, (300.0, 6000.0), "f[1]", "0.2 stds"),
        Check("mean", "z", 1.5, 0.13, 0.6, (300.0, math.inf), "f_train[0]"),
    )
    columns = tuple(f"f[{i}]" for i in range(pit.shape[1]))
    return dataclasses.replace(
        Report(0.01, checks, "array: 300 draws", "Draws(6000 exact)", columns, pit, ("a note",)),
        **changes,
    )


def page_of(made):
    return as_page(made.describe())


def test_everything_of_the_report_is_on_the_page():
    page = checked(page_of(report()))
    for words in ("PASSED: no difference", "array: 300 draws", "6000 exact", "a note", "0.2 stds"):
        assert words in page.text
    assert page.row("ok")[1:4] == ["pit", "KS distance 0.0310", "f[1]"]
    assert page.row("ok")[4:8] == ["0.08", "0.4", "300", "6,000"]
    assert page.rows[-1][3] == "f_train[0]" and page.rows[-1][6:8] == ["300", "exact"]
    assert len(page.rows) == 3 and pictures(page) == 6 and "FAIL" not in page.text


def pictures(page):
    return sum((tag, name) == ("svg", "role") for tag, name, _ in page.attributes)


def test_failures_are_marked():
    page = page_of(report(adjusted=0.003))
    assert "<h1>FAILED: pit" in page and page.count('<tr class="failed">') == 1
    assert '<li class="mark bad">1 of 2 checks failed at level 0.01</li>' in page


def test_how_wrong_and_why_lead_the_page():
    wrong = Effect("std", "f[1]", 1.5, 1.4, 1.6, right=1.0)
    failed = {"name": "spread", "adjusted": 0.003, "effect": wrong}
    checks = (dataclasses.replace(report().checks[0], **failed),)
    made = report(checks=checks, effects=(wrong,), causes=(Cause("it were so"),))
    page = checked(page_of(made))
    first = page.text.index("FAILED: std of f[1] 1.5 [1.4, 1.6] times too large")
    assert first < page.text.index("It looks as if it were so.") < page.text.index("a note")
    assert "How wrong" in page.rows[0] and page.row("FAIL")[2] == str(wrong)
    assert "How wrong" not in page_of(report())


def test_panels_have_named_axes_and_one_scale():
    pit = uniform(300, 3)
    pit[:, 1] **= 3
    text = page_of(report(pit))
    assert text.count("reference’s CDF at draws") == 6
    assert text.count(">density<") == text.count(">difference<") == 3
    pictures = re.findall(r'<svg[^>]*class="plot".*?</svg>\s*</svg>', text, re.S)
    marks = [re.findall(r'class="tick end">([^<]+)<', one) for one in pictures]
    assert len(marks) == 6 and marks[0::2] == [marks[0]] * 3 and marks[1::2] == [marks[1]] * 3


def test_of_many_values_the_worst_are_shown():
    pit = uniform(200, 40)
    pit[:, 37] **= 3
    text = page_of(report(pit))
    assert pictures(checked(text)) == 2 * MOST_PANELS and "Of 40 values" in text
    order = re.findall(r"f\[(\d+)\]: largest", text)
    assert order[0] == "37" and len(order) == MOST_PANELS


@pytest.mark.parametrize("pit", [np.empty((0, 3)), np.full((4, 3), np.nan)])
def test_no_values_to_show(pit):
    assert pictures(checked(page_of(report(pit)))) == (6 if len(pit) else 0)


def test_written_whole(tmp_path):
    write_html(report(), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page_of(report())
    with pytest.raises(FileNotFoundError, match="no folder"):
        write_html(report(), tmp_path / "absent" / "report.html")
    write_html(report(), tmp_path / "report.html")
    (tmp_path / "thesis.html").write_text("<html>mine</html>")
    with pytest.raises(NotAReport, match="is not a bnnpost report"):
        write_html(report(), tmp_path / "thesis.html")
    assert (tmp_path / "thesis.html").read_text() == "<html>mine</html>"


def test_ecdf_differences_are_those_of_the_kolmogorov_smirnov_test():
    from scipy import stats

    pit = uniform(50, 1)[:, 0]
    assert largest_difference(pit) == pytest.approx(stats.kstest(pit, "uniform").statistic)
    places, heights = ecdf_differences(np.array([0.25, 0.5]))
    np.testing.assert_allclose(places, [0, 0.25, 0.25, 0.5, 0.5, 1])
    np.testing.assert_allclose(heights, [0, -0.25, 0.25, 0, 0.5, 0])


@pytest.mark.parametrize(("pit", "outside"), [(uniform(400, 1)[:, 0], 0), (np.full(400, 0.52), 21)])
def test_geometry_of_a_panel(pit, outside):
    found = pit_bands(400, math.inf, 0.01)
    bars, curve = (
        [part.attrib for part in ElementTree.fromstring(svg(draw("f[0]", pit, found))).iter("path")]
        for draw in (pit_histogram, ecdf_difference)
    )
    # Bars stand within the picture, their heights in proportion to the counts.
    counts = np.histogram(pit, found.bins, (0, 1))[0]
    shapes = [points(bar) for bar in bars if " bar " in bar["class"]]
    heights = np.array([np.ptp(shape[:, 1]) for shape in shapes])
    np.testing.assert_allclose(heights / heights.sum(), counts / counts.sum(), atol=2e-3)
    assert all(np.all((shape >= 0) & (shape <= (212, 90))) for shape in shapes)
    # The curve begins and ends on the line of no difference, and has its largest difference.
    line = next(points(path) for path in curve if path["class"].startswith("line thin"))
    assert line[0, 1] == line[-1, 1] == 45.0 and len(line) <= 200
    half = 1.2 * max(largest_difference(pit), found.ecdf)
    largest = np.max(np.abs(line[:, 1] - 45.0))
    assert largest == pytest.approx(45 * largest_difference(pit) / half, abs=0.06)
    red = [part for part in (*bars, *curve) if part["class"].endswith("red")]
    assert len(red) == outside


def points(path):
    numbers = re.findall(r"-?[\d.]+", path["d"])
    return np.array(numbers, float).reshape(-1, 2)


def leaves(pit, found):
    """Whether a bar, and whether the curve, leaves its band."""
    heights = np.histogram(pit, found.bins, (0.0, 1.0))[0] * found.bins / len(pit)
    outside = np.any((heights < found.low) | (heights > found.high))
    return bool(outside), largest_difference(pit) > found.ecdf


@pytest.mark.parametrize("num_reference", [500, math.inf])
def test_right_candidates_stay_in_their_bands_and_wrong_ones_leave(num_reference):
    # 400 reports of 200 draws at alpha 0.1. Fails for right bands with probability below 1e-4:
    # 0.1 + 3.8 standard errors.
    rng, alpha, times = np.random.default_rng(5), 0.1, 400
    found = pit_bands(200, num_reference, alpha)
    right, wrong = np.zeros(2), np.zeros(2)
    for _ in range(times):
        pit = rng.uniform(size=200)
        if math.isfinite(num_reference):
            reference = np.sort(rng.uniform(size=num_reference))
            pit = (np.searchsorted(reference, pit) + rng.uniform(size=200)) / (num_reference + 1)
        right += leaves(pit, found)
        wrong += leaves(pit**1.6, found)
    assert np.all(right / times < alpha + 3.8 * math.sqrt(alpha * (1 - alpha) / times))
    assert np.all(wrong / times > 0.9)


def test_bands_narrow_with_draws_of_either_side():
    exact, few, many = (
        pit_bands(1000, math.inf, 0.01),
        pit_bands(1000, 1000, 0.01),
        pit_bands(9000, 1e6, 0.01),
    )
    assert few.ecdf == pytest.approx(math.sqrt(2) * exact.ecdf)
    assert few.high > exact.high > many.high > 1 > many.low > exact.low > few.low
    assert isinstance(exact, PitBands) and pit_bands(3, math.inf, 0.01).bins == 5
