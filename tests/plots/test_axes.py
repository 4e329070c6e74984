"""What is drawn on axes that the caller made: functions, distances against width, and PIT bars."""

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.colors import same_color

from bnnpost import fit_rate, plots

X = np.linspace(-1.0, 1.0, 5)


@pytest.fixture
def axes():
    return matplotlib.figure.Figure().add_subplot()


def test_the_band_is_two_standard_deviations_either_side(axes):
    plots.functions(axes, X[:, None], mean=np.ones(5), std=np.full(5, 0.5))
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.0, 2.0)


def test_every_curve_is_drawn_and_every_kind_named_once(axes):
    curves = np.arange(15.0).reshape(3, 5)
    plots.functions(axes, X, curves, mean=X, std=X**2, data=([0.0], [1.0]))
    drawn = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 5]
    assert [list(y) for y in drawn[:3]] == curves.tolist()
    named = axes.get_legend_handles_labels()[1]
    assert named == ["limit: ± 2 std", "functions", "limit: mean", "data"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"curves": np.zeros((2, 4))}, "expected curves at the 5 inputs of x, got 4"),
        ({"mean": np.zeros(6)}, "expected mean at the 5 inputs"),
        ({"std": np.ones(5)}, "expected a mean with the std"),
    ],
)
def test_what_does_not_match_the_inputs_is_refused(axes, options, said):
    with pytest.raises(ValueError, match=said):
        plots.functions(axes, X, **options)


def test_fit_theory_and_label_are_drawn(axes):
    widths, values = np.array([4, 16, 64]), np.array([0.9, 0.12, 0.031])
    rate = fit_rate(widths[1:], values[1:], 0.01 * values[1:])
    options = {"fit": rate, "fitted_from": 16, "first_order": (2.0, -1), "label": "TV"}
    plots.against_width(axes, widths, values, 0.01 * values, **options)
    lines = {tuple(line.get_xdata()): line.get_ydata() for line in axes.lines}
    np.testing.assert_allclose(lines[4.0, 64.0], [0.5, 2 / 64])
    np.testing.assert_allclose(
        lines[16.0, 64.0], rate.coefficient * np.array([16, 64]) ** rate.exponent
    )
    hollow = [line for line in axes.lines if same_color(line.get_markerfacecolor(), "white")]
    assert [list(line.get_xdata()) for line in hollow if len(line.get_xdata()) == 1] == [[4.0]]
    assert [text.get_text() for text in axes.texts] == ["TV"]


def test_values_that_no_logarithm_shows_are_refused(axes):
    with pytest.raises(ValueError, match="expected positive values"):
        plots.against_width(axes, [4, 8], [0.1, -0.1], [0.1, 0.1])


def test_bars_of_a_right_sampler_stay_in_the_band_and_of_a_narrow_one_do_not(axes):
    # Deterministic: the uniform quantiles themselves, and those pulled to the middle.
    uniform = (np.arange(1000) + 0.5) / 1000
    plots.pit(axes, uniform)
    assert all(same_color(bar.get_facecolor()[:3], plots.BLUE) for bar in bars(axes))
    narrow = matplotlib.figure.Figure().add_subplot()
    plots.pit(narrow, 0.5 + 0.5 * (uniform - 0.5))
    outside = [same_color(bar.get_facecolor()[:3], plots.VERMILION) for bar in bars(narrow)]
    assert all(outside)
    np.testing.assert_allclose([bar.get_height() for bar in bars(narrow)][5:15], 2.0)


def bars(axes):
    return axes.containers[0].patches


@pytest.mark.parametrize("values", [[], [0.5, 1.2], [np.nan]])
def test_what_is_no_share_is_refused(axes, values):
    with pytest.raises(ValueError, match="between 0 and 1"):
        plots.pit(axes, values)


def test_the_style_of_slides_is_a_copy_that_matplotlib_takes():
    style = plots.slide_style()
    with matplotlib.rc_context(style):
        assert matplotlib.rcParams["axes.titlesize"] == 12
    style["font.size"] = 1
    assert plots.slide_style()["font.size"] == 11
