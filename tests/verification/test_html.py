"""The page of a report: what is on it, that it loads nothing, and where its bands are."""

import dataclasses
import html.parser
import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from bnnpost.reports import NotAReport
from bnnpost.verification.html import MOST_PANELS, to_html, write_html
from bnnpost.verification.panels import (
    HEIGHT,
    OUTSIDE,
    WIDTH,
    Bands,
    bands,
    ecdf_differences,
    largest_difference,
    panel,
)
from bnnpost.verification.report import Check, Report


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


class Reader(html.parser.HTMLParser):
    """Every tag and attribute; a tag that is not closed is an error."""

    alone = ("meta", "rect", "line", "polyline")

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.attributes, self.texts = [], [], [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in self.alone:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.alone:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_everything_of_the_report_is_on_the_page():
    page = Reader(to_html(report()))
    text = " ".join(page.texts)
    for words in (
        "PASSED: no difference",
        "array: 300 draws",
        "6000 exact",
        "a note",
        "KS distance",
    ):
        assert words in text
    for words in ("0.031", "f_train[0]", "0.08", "0.4", "300, 6,000", "300, exact", "0.2 stds"):
        assert words in text
    assert page.seen.count("svg") == 3 and page.seen.count("tr") == 3
    assert "FAIL" not in text


def test_failures_are_marked():
    page = to_html(report(adjusted=0.003))
    assert "<h1>FAILED: pit" in page and page.count('<tr class="failed">') == 1
    assert '<li class="mark bad">Failed</li>' in page


def test_the_page_loads_nothing_and_runs_only_its_own_script():
    page = Reader(to_html(report()))
    assert not {"link", "img", "iframe", "object", "use", "image"} & set(page.seen)
    assert page.seen.count("script") == 1
    names = {name for name, _ in page.attributes}
    assert not {"src", "onload", "onclick", "srcset"} & names
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert not re.search(r"https?://|url\(|@import", to_html(report()))


def test_text_is_escaped():
    bad = "<script>alert('1')</script> & \"quoted\""
    check = Check(bad, bad, 1.0, 0.5, 0.5, (1.0, 1.0), bad, bad)
    page = to_html(
        report(checks=(check,), candidate=bad, reference=bad, notes=(bad,), columns=(bad, "b", "c"))
    )
    reader = Reader(page)
    assert reader.seen.count("script") == 1
    assert " ".join(reader.texts).count(bad) >= 8


def test_of_many_values_the_worst_are_shown():
    pit = uniform(200, 40)
    pit[:, 37] **= 3
    page = to_html(report(pit))
    assert page.count("<svg") == MOST_PANELS
    assert "Of 40 values" in page
    assert page.index("f[37]: largest") < min(
        page.index(f"f[{i}]: largest") for i in range(40) if f"f[{i}]: largest" in page and i != 37
    )


@pytest.mark.parametrize("pit", [np.empty((0, 3)), np.full((4, 3), np.nan)])
def test_no_values_to_show(pit):
    assert Reader(to_html(report(pit))).seen.count("svg") == (3 if len(pit) else 0)


def test_written_whole(tmp_path):
    write_html(report(), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == to_html(report())
    with pytest.raises(FileNotFoundError, match="no folder"):
        write_html(report(), tmp_path / "absent" / "report.html")
    write_html(report(), tmp_path / "report.html")
    (tmp_path / "thesis.html").write_text("<html>mine</html>")
    with pytest.raises(NotAReport, match="is no report of bnnpost"):
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
    found = bands(400, math.inf, 0.01)
    picture = ElementTree.fromstring(panel("f[0]", pit, found))
    # All bars stand within the picture, their heights in proportion to the counts.
    bars = [r for r in picture.iter("rect") if r.get("class") != "band"]
    counts = np.histogram(pit, found.bins, (0, 1))[0]
    heights = np.array([float(bar.get("height")) for bar in bars])
    np.testing.assert_allclose(heights / heights.sum(), counts / counts.sum(), atol=1e-3)
    bottoms = {round(float(bar.get("y")) + float(bar.get("height")), 1) for bar in bars}
    assert bottoms == {92.0}
    for rect in picture.iter("rect"):
        x, y, w, h = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
        assert x >= 0 and y >= 15 and x + w <= WIDTH and y + h <= HEIGHT and min(w, h) >= 0
    # The curve begins and ends on the line of no difference.
    curve = picture.find("polyline")
    points = [tuple(map(float, pair.split(","))) for pair in curve.get("points").split()]
    assert points[0][1] == points[-1][1] == 140.0
    assert all(44 <= x <= 272 and 108 <= y <= 172 for x, y in points) and len(points) <= 200
    largest = max(abs(y - 140.0) for _, y in points)
    half = 1.2 * max(largest_difference(pit), found.ecdf)
    assert largest == pytest.approx(32 * largest_difference(pit) / half, abs=0.02)
    coloured = sum(bar.get("fill") == OUTSIDE for bar in bars)
    assert coloured + (curve.get("stroke") == OUTSIDE) == outside


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
    found = bands(200, num_reference, alpha)
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
    exact, few, many = bands(1000, math.inf, 0.01), bands(1000, 1000, 0.01), bands(9000, 1e6, 0.01)
    assert few.ecdf == pytest.approx(math.sqrt(2) * exact.ecdf)
    assert few.high > exact.high > many.high > 1 > many.low > exact.low > few.low
    assert isinstance(exact, Bands) and bands(3, math.inf, 0.01).bins == 5
