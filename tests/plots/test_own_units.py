"""Densities and targets in the units of their column, and of bare arrays as they are."""

import numpy as np
import pytest

from bnnpost import plots
from bnnpost.datasets import Column, ColumnScaling, DataRecord
from bnnpost.plots.own_units import input_text, shown_predictive
from bnnpost.reports import to_html
from bnnpost.sweeps import SweepConfig
from bnnpost.sweeps.cell_directory import write_own
from tests.reports import made_up

CONFIG = SweepConfig(num_train=3, num_test=2, widths=(4, 64, 256), num_samples=40)
SCALING = ColumnScaling(np.zeros(2), np.ones(2), np.array([50.0]), np.array([10.0]))
RECORD = DataRecord(
    (Column("a"), Column("b")), ("price",), (), SCALING, "train",
    train_rows=(7, 3, 1), test_rows=(17, 4), num_rows=2000, id_column="name", test_ids=("A", "B"),
)  # fmt: skip


def tree(**attributes):
    found = made_up.tree(CONFIG)
    found["data"].attrs.update(attributes)
    return found


def area(found, name):
    """Of densities over f, by the trapezoid rule."""
    return np.trapezoid(found[name].values, found["f"].values, axis=-1)


def test_f_densities_and_targets_are_in_the_units_of_the_column():
    before, plain = shown_predictive(tree())
    found, data = shown_predictive(tree(**RECORD.as_attribute()))
    np.testing.assert_allclose(found["f"], 50 + 10 * before["f"])
    np.testing.assert_allclose(data["y_test"], 50 + 10 * plain["y_test"])
    np.testing.assert_allclose(found["limit_mean"], 50)
    for name in ("density", "limit_density"):
        np.testing.assert_allclose(area(found, name), 1, atol=1e-6)
        wrong = found.assign({name: before[name]})  # forgotten
        assert np.all(area(wrong, name) > 9)


def test_classes_are_on_no_scale():
    found, data = shown_predictive(tree(**RECORD.as_attribute(), target_kind="classes"))
    before, plain = shown_predictive(tree())
    np.testing.assert_array_equal(found["f"], before["f"])
    np.testing.assert_array_equal(data["y_test"], plain["y_test"])


def test_figures_and_pages_name_rows_and_units(tmp_path):
    figure = plots.densities(tree(**RECORD.as_attribute()))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["row 17 (A)", "row 4 (B)"]
    assert figure.get_supxlabel() == "f (units of price)"
    write_own(tmp_path / "results.nc", tree(**RECORD.as_attribute()), made_up.RUN)
    page = to_html(tmp_path / "results.nc")
    rows = "Row 17 (A)", "Row 4 (B)", "5 of 2,000 rows are used: 3 train, 2 test"
    noise = "of the standardised target: 3.16 in units of price"
    for words in (*rows, noise, "f, price", "in units of price", "1 is 10 in units of price"):
        assert words in page, words
    assert "test point 0" in plots.densities(tree()).axes[0].get_title(loc="left")


@pytest.mark.parametrize(
    ("value", "text"), [(-1.5, "−1.50"), (0.0, "0.00"), (2e-4, "0.0002"), (123456.0, "1.23e+05")]
)
def test_inputs_as_they_are_shown(value, text):
    assert input_text(value) == text
