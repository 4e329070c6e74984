"""The figures of a sweep: what they show, awkward results, and files that are whole."""

import dataclasses
import itertools
import os
import re
import xml.etree.ElementTree

import matplotlib
import numpy as np
import pytest
import xarray as xr

from bnnpost import plots
from bnnpost.sweeps import SweepConfig
from tests import processes
from tests.reports import made_up

# The distances that are drawn.
DRAWN = ("tv", "kl", "mean_error", "variance_error", "log_evidence_error")
CONFIG = SweepConfig(data="somewhere/rivers.csv", target="flow", num_train=5, noise_std=0.25)

TARGET = "observed target, noise and all"


def results(widths=(4, 16, 64, 256), num_points=3, num_outputs=1):
    """A results tree as a sweep writes it, with made-up numbers."""
    config = dataclasses.replace(CONFIG, widths=widths, num_test=num_points)
    return made_up.tree(config, num_outputs=num_outputs)


def texts(figure):
    """Every piece of text in the figure, line breaks as spaces."""
    found = figure.findobj(matplotlib.text.Text)
    return [text.get_text().replace("\n", " ") for text in found if text.get_text()]


def panel_titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def fitted_lines(axes):
    """Solid lines without markers: the fitted power laws."""
    lines = [line for line in axes.lines if line.get_linestyle() == "-"]
    return [line for line in lines if line.get_marker() in ("None", "")]


def points_by_face(axes, hollow):
    """Widths drawn as points, hollow or filled."""
    return sorted(
        float(width)
        for line in axes.lines
        if line.get_linestyle() == "None" and (line.get_markerfacecolor() == "white") == hollow
        for width in line.get_xdata()
    )


def test_heading_names_the_problem():
    for figure in (plots.distances(results()), plots.densities(results())):
        heading = " ".join(texts(figure))
        for part in ("rivers", "training points: 5", "layers: 2", "erf", "noise std: 0.25"):
            assert part in heading


def test_curves_are_named_with_their_rates_and_intervals():
    shown = texts(plots.distances(results()))
    assert "total variation slope −1.00 [−1.03, −0.97]" in shown
    assert "KL divergence (nats) slope −2.00 [−2.03, −1.97]" in shown
    assert sum("slope" in text for text in shown) == 5


def test_only_fitted_widths_are_filled_and_under_the_line():
    left, right = plots.distances(results()).axes
    assert points_by_face(left, hollow=True) == [4, 4, 16, 16]
    assert points_by_face(left, hollow=False) == [64, 64, 256, 256]
    assert len(fitted_lines(left)) == 2
    assert len(fitted_lines(right)) == 3
    for line in fitted_lines(left) + fitted_lines(right):
        np.testing.assert_array_equal(line.get_xdata(), [64, 256])


def test_signed_log_evidence_is_drawn_by_its_size():
    right = plots.distances(results()).axes[1]
    heights = [line.get_ydata() for line in right.lines if len(line.get_ydata()) == 2]
    assert any(np.allclose(height, [1.3 / 64, 1.3 / 256]) for height in heights)


def test_theory_is_a_guide_for_each_slope():
    left, right = plots.distances(results()).axes
    for axes, slopes in ((left, [-2, -1]), (right, [-1])):
        guides = [line for line in axes.lines if line.get_linestyle() == "--"]
        ends = [(np.log(line.get_xdata()), np.log(line.get_ydata())) for line in guides]
        found = sorted((y[1] - y[0]) / (x[1] - x[0]) for x, y in ends)
        np.testing.assert_allclose(found, slopes)


def with_first_order(tree, turns):
    """The same results with a theory, whose next order may matter below these widths."""
    columns = {
        "coefficient": ("distance", [1.0, 2.0, 3.0, 4.0, -5.0]),
        "second_order_below_high": ("distance", turns),
    }
    names = {"distance": list(DRAWN)}
    tree["first_order"] = xr.DataTree(xr.Dataset(columns, names, {"share": 0.1}))
    return tree


def test_the_first_order_theory_is_drawn_through_all_widths_and_dotted_where_it_fails():
    figure = plots.distances(with_first_order(results(), [32.0, 1000.0, np.nan, 1.0, 32.0]))
    left, right = figure.axes
    black = [line for line in left.lines + right.lines if line.get_color() == "black"]
    ends = sorted((*line.get_xdata(), *line.get_ydata()) for line in black)
    expected = [
        [4, 32, 1 / 4, 1 / 32], [32, 256, 1 / 32, 1 / 256], [32, 1 / 32],  # TV and its tick
        [4, 256, 2 / 4**2, 2 / 256**2],  # KL, dotted throughout
        [4, 256, 3 / 4, 3 / 256], [4, 256, 4 / 4, 4 / 256],  # dashed throughout
        [4, 32, 5 / 4, 5 / 32], [32, 256, 5 / 32, 5 / 256], [32, 5 / 32],  # its size
    ]  # fmt: skip
    for found, own in zip(ends, sorted(map(tuple, expected)), strict=True):
        np.testing.assert_allclose(found, own)
    assert any("first-order theory" in " ".join(text.split()) for text in texts(figure))
    assert len(fitted_lines(left)) == 2
    assert not any("first-order" in text for text in texts(plots.distances(results())))


def test_labels_do_not_overlap_where_curves_meet():
    tree = results()
    for name in DRAWN:
        tree["distances"][name][:] = 0.1
    figure = plots.distances(tree)
    figure.draw_without_rendering()
    for axes in figure.axes:
        labels = [text for text in axes.texts if "slope" in text.get_text()]
        # Of the text alone, without the line that leads to it.
        boxes = [matplotlib.text.Text.get_window_extent(label) for label in labels]
        boxes.sort(key=lambda box: box.y0)
        for below, above in itertools.pairwise(boxes):
            assert below.y1 < above.y0
        assert all(box.x1 < figure.bbox.x1 for box in boxes)


def test_one_width_has_points_and_no_rates():
    figure = plots.distances(results(widths=(128,)))
    assert sum("no power law fitted" in text for text in texts(figure)) == 5
    assert points_by_face(figure.axes[0], hollow=True) == [128, 128]
    assert not fitted_lines(figure.axes[0])


def test_values_below_zero_are_arrows_and_the_note_says_so(tmp_path):
    tree = results()
    assert not any("Arrows" in text for text in texts(plots.distances(tree)))
    tree["distances"]["tv"][3], tree["distances"]["tv_se"][3] = -1e-3, 2e-3
    figure = plots.distances(tree)
    arrows = [line for line in figure.axes[0].lines if "arrow" in str(line.get_marker())]
    heights = [float(y) for line in arrows for y in line.get_ydata()]
    np.testing.assert_allclose(heights, [-1e-3 + 1.96 * 2e-3])
    assert any("Arrows" in text for text in texts(figure))
    plots.save(figure, tmp_path / "noisy")


def test_a_bar_that_reaches_zero_leaves_the_panel():
    tree = results()
    tree["distances"]["kl_se"][3] = float(tree["distances"]["kl"][3])
    axes = plots.distances(tree).axes[0]
    ends = np.concatenate([s for c in axes.collections for s in c.get_segments()])
    assert ends[:, 1].min() < axes.get_ylim()[0]
    assert ends[:, 1].max() < axes.get_ylim()[1]


@pytest.mark.parametrize("bad", [np.nan, 0.0])
def test_widths_without_a_number_draw(tmp_path, bad):
    tree = results()
    for name in DRAWN:
        tree["distances"][name][3] = bad
        tree["distances"][f"{name}_se"][3] = bad
    plots.save(plots.distances(tree), tmp_path / "bad")


def test_default_widths_are_four_from_narrow_to_wide():
    axes = plots.densities(results(widths=(2, 4, 8, 16, 32, 64))).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert labels == [
        "N = 2",
        "N = 8",
        "N = 16",
        "N = 64",
        "limit",
        TARGET,
    ]


def test_widths_asked_for_are_drawn_and_unknown_ones_refused():
    axes = plots.densities(results(), widths=[256, 4]).axes[0]
    assert axes.get_legend_handles_labels()[1][:2] == ["N = 4", "N = 256"]
    with pytest.raises(ValueError, match="no width 5 in these results, which hold"):
        plots.densities(results(), widths=[4, 5])


def test_a_width_without_draws_is_left_out(tmp_path):
    tree = results()
    tree["predictive"]["density"][1] = np.nan
    figure = plots.densities(tree)
    assert "N = 16" not in figure.axes[0].get_legend_handles_labels()[1]
    tree["predictive"]["density"][:] = np.nan
    figure = plots.densities(tree)
    assert figure.axes[0].get_legend_handles_labels()[1] == [
        "limit",
        TARGET,
    ]
    plots.save(figure, tmp_path / "none")


@pytest.mark.parametrize(
    ("num_points", "num_outputs", "panels"),
    [(1, 1, 1), (5, 1, 5), (9, 1, 6), (1, 10, 10), (2, 10, 10), (4, 3, 9), (5, 2, 6), (1, 20, 10)],
)
def test_panels_are_few(num_points, num_outputs, panels):
    figure = plots.densities(results(num_points=num_points, num_outputs=num_outputs))
    assert len(figure.axes) == panels
    assert len(set(panel_titles(figure))) == panels
    assert len(figure.legends) == 1


def test_panels_are_named_by_what_they_show():
    assert panel_titles(plots.densities(results(num_points=2))) == ["test point 0", "test point 1"]
    one_feature = results(num_points=1)
    one_feature["data"] = one_feature["data"].to_dataset().isel(feature=[0])
    assert panel_titles(plots.densities(one_feature)) == ["x = −1.50"]
    several = plots.densities(results(num_points=1, num_outputs=2))
    assert panel_titles(several) == ["test point 0, output 0", "test point 0, output 1"]


def test_panels_are_cropped_to_the_mass_and_the_target():
    tree = results(num_points=2)
    tree["data"]["y_test"][1] = 7.0
    near, far = (axes.get_xlim() for axes in plots.densities(tree).axes)
    assert -4 < near[0] < -3 and 3 < near[1] < 4
    assert -4.5 < far[0] < -3 and 7 < far[1] < 8


def test_both_files_are_whole_and_nothing_else_is_left(tmp_path):
    plots.save(plots.distances(results()), tmp_path / "distances.v2")
    assert sorted(os.listdir(tmp_path)) == ["distances.v2.png", "distances.v2.svg"]
    png = (tmp_path / "distances.v2.png").read_bytes()
    assert png.startswith(b"\x89PNG") and png.endswith(b"IEND\xaeB`\x82")
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (1800, 900)
    xml.etree.ElementTree.parse(tmp_path / "distances.v2.svg")


def test_a_name_with_an_ending_is_that_file(tmp_path):
    figure = plots.distances(results())
    for name in ("again.png", "again.pdf", "again.SVG"):
        plots.save(figure, tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["again.SVG", "again.pdf", "again.png"]
    assert (tmp_path / "again.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(ValueError, match=r"ends in .png, .svg, .pdf, .* got again.jpg"):
        plots.save(figure, tmp_path / "again.jpg")


def test_headings_may_be_left_out_and_come_back(tmp_path):
    figure = plots.distances(results())
    plots.save(figure, tmp_path / "whole.svg")
    plots.save(figure, tmp_path / "bare.svg", headings=False)
    plots.save(figure, tmp_path / "again.svg")
    whole, bare, again = (
        (tmp_path / f"{name}.svg").read_text() for name in ("whole", "bare", "again")
    )
    assert whole == again
    sizes = [float(re.search(r'height="([0-9.]+)pt"', text)[1]) for text in (whole, bare)]
    assert sizes[1] < sizes[0] - 30


def test_widths_that_are_not_drawn_are_named():
    texts = [text.get_text() for text in plots.densities(results(), [4, 64]).texts]
    assert any("Not drawn: N = 16" in text for text in texts)


@pytest.mark.slow
def test_the_same_results_give_the_same_files(tmp_path):
    for name in ("one", "two"):
        plots.save(plots.densities(results()), tmp_path / name)
    for suffix in ("png", "svg"):
        first, second = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("one", "two"))
        assert first == second


def test_a_failed_save_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch):
    (tmp_path / "d.png").write_text("before")
    figure = plots.distances(results())

    def fail(path, **options):
        path.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        plots.save(figure, tmp_path / "d")
    assert os.listdir(tmp_path) == ["d.png"]
    assert (tmp_path / "d.png").read_text() == "before"


def test_settings_are_put_back():
    before = dict(matplotlib.rcParams)
    plots.densities(results())
    plots.distances(results())
    assert dict(matplotlib.rcParams) == before


@pytest.mark.slow
def test_pyplot_stays_out(tmp_path):
    results().to_netcdf(tmp_path / "results.nc", engine="h5netcdf")
    code = """
import sys, xarray
from bnnpost import plots
assert "matplotlib" not in sys.modules, "imported before anything is drawn"
with xarray.open_datatree("results.nc", engine="h5netcdf") as tree:
    plots.save(plots.distances(tree), "distances")
    plots.save(plots.densities(tree), "densities")
assert "matplotlib.pyplot" not in sys.modules, "pyplot was imported"
"""
    processes.output("-c", code, cwd=tmp_path, variables={"MPLBACKEND": "tkagg"})
    assert len(list(tmp_path.glob("d*"))) == 4
