"""HTML from functions: what is escaped, and what numbers look like."""

import math

import numpy as np
import pytest

from bnnpost.spelling import paired, rounded
from bnnpost.summaries import Summary, is_ours
from bnnpost.summaries.elements import Html, element, join
from bnnpost.summaries.html_page import as_page
from bnnpost.summaries.panels import (
    Bar,
    Dot,
    Line,
    Panel,
    linear,
    logarithmic,
    named_ticks,
    thinned,
)
from bnnpost.summaries.summary import Paragraph, Section
from bnnpost.summaries.svg import svg
from bnnpost.summaries.values import Text, close_to_one, counted, measured
from tests.summaries.reader import Page, checked

BAD = "<script>alert('1')</script> & \"quoted\""


def test_text_is_escaped_and_html_is_not():
    inner = element("b", "1 < 2")
    assert inner == "<b>1 &lt; 2</b>" and isinstance(inner, Html)
    assert element("p", inner, "&", None, class_="a b") == '<p class="a b"><b>1 &lt; 2</b>&amp;</p>'
    assert element("p", title=BAD).count('"') == 2
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert element("a", aria_label="x", hidden=True, id=None) == '<a aria-label="x" hidden></a>'
    assert join([BAD, inner], "<br>").startswith("&lt;script&gt;")


def test_pages_of_ours_are_known_by_their_beginning():
    assert is_ours(as_page(Summary("t", "k", "h"))) and not is_ours("<html>bnnpost report 1</html>")


def test_folded_sections_and_contents():
    sections = tuple(
        Section(f"Part {i}", f"part-{i}", (Paragraph(f"{i}"),), folded=i == 2) for i in range(3)
    )
    page = checked(as_page(Summary("t", "k", "h", sections=sections)))
    assert page.tags.count("details") == 1
    links = [v for t, n, v in page.attributes if (t, n) == ("a", "href")]
    assert links == ["#contents", "#part-0", "#part-1", "#part-2"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0121234, "0.0121"), (-1234.5, "−1,230"), (3.42e-7, "3.42·10⁻⁷"), (0.0, "0"),
     (9.996, "10.0"), (math.nan, "–"), (12345678.0, "1.23·10⁷"), (99999.0, "100,000")],
)  # fmt: skip
def test_numbers_are_spelled(value, shown):
    assert rounded(value) == shown


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [(0.0118234, 7.1e-5, "0.01182 ± 0.00007"), (-0.4034, 0.0131, "−0.40 ± 0.01"),
     (3.829e-5, 5.2e-7, "(3.83 ± 0.05)·10⁻⁵"), (12.3, 2.0, "12 ± 2"), (0.01, 0.2, "0.0 ± 0.2")],
)  # fmt: skip
def test_values_are_rounded_as_their_errors_are(value, error, shown):
    assert paired(value, error) == shown


def test_numbers_on_a_page_are_there_in_full():
    values = [0.1 + 0.2, -1.0 / 3.0, 1e-300, 123456.0]
    cells = [
        measured(values[0], 0.01),
        close_to_one(values[1]),
        measured(values[2]),
        counted(123456),
    ]
    found = Page(as_page(Summary("t", "k", "h", lead=tuple(Text.of(cell) for cell in cells))))
    assert found.numbers == values
    assert (
        "–" in element("p", measured(math.nan))
        and "–" in str(counted(math.inf))
        and "–" in str(close_to_one(math.nan))
    )


def test_axes_are_marked_at_round_values_within_them():
    assert [words for _, words in linear(-0.31, 0.92).marks] == ["0.0", "0.5"]
    assert [words for _, words in linear(-2.2, 2.2).marks] == ["−2", "−1", "0", "1", "2"]
    decades = [words for _, words in logarithmic(2e-5, 0.3).marks]
    assert decades == ["10⁻⁴", "0.001", "0.01", "0.1"]
    for scale in (linear(3, 3), linear(1e-9, 2e-9), logarithmic(0.5, 0.9), logarithmic(1e-9, 1e9)):
        assert len(scale.marks) >= 1
        assert all(scale.low <= value <= scale.high for value, _ in scale.marks)
    assert [words for _, words in named_ticks([4, 5, 64, 1024], log=True).marks] == [
        "1024",
        "64",
        "5",
    ]


def test_geometry_of_a_panel():
    across, down = drawn()[0].inner

    def of(*shapes):
        return drawn(*shapes)[1]

    line = of(Line([0, 5, 10], [0.01, 0.1, 1], "blue"))
    assert f"M0.0 {down:.1f} {across / 2:.1f} {down / 2:.1f} {across:.1f} 0.0" in line
    broken = of(Line([0, 1, 2, 3, 4], [1, 1, np.nan, 1, 1], "blue"))
    assert broken.count("M") - of().count("M") == 2 and "nan" not in broken
    assert of(Dot(5, 0.0, "blue")) == of()
    assert of(Dot(5, 0.1, "blue", "5 < 6")).count("&lt;") == 1
    # A bar down to what a logarithmic axis does not have leaves the picture below.
    assert f"M{across / 2:.1f} {down + 5:.1f}" in of(Bar(5, -1.0, 1.0, "blue"))


def drawn(*shapes):
    panel = Panel(x=linear(0, 10), y=logarithmic(0.01, 1), shapes=shapes, said="shapes")
    return panel, svg(panel)


def test_a_long_series_keeps_its_extremes():
    values = np.random.default_rng(0).normal(size=5000)
    places, kept = thinned(values)
    assert len(kept) <= 400 and kept.max() == values.max() and kept.min() == values.min()
    np.testing.assert_array_equal(values[places], kept)
    assert len(thinned(values[:300])[1]) == 300
