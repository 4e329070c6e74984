"""The summary of a grid: its headline, its cells, what is missing, and its configuration."""

import tomllib

import pytest

from bnnpost import reports
from bnnpost.reports import grid_summary
from bnnpost.reports.grid_settings import GridSettings
from bnnpost.sweeps import load_results
from bnnpost.sweeps.grid import grid_of
from tests.reports import made_up_grid
from tests.summaries.reader import checked


def rate(exponent, low=-0.1, high=0.1):
    ends = {"exponent_low": exponent + low, "exponent_high": exponent + high}
    return {"exponent": exponent, "theory": -1.0, **ends}


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        (
            [rate(-1.0), rate(-1.04)],
            "Total variation from the infinite-width limit falls as a power of the width in all 2 "
            "cells, with exponents from −1.04 to −1.00; theory’s −1 lies inside every interval.",
        ),
        (
            [rate(-1.0), None, rate(-0.7), rate(float("nan"))],
            "Total variation from the infinite-width limit falls as a power of the width in 2 of 4 "
            "cells, with exponents from −1.00 to −0.70; theory’s −1 lies inside 1 of 2 intervals.",
        ),
        (
            [rate(-1.0), rate(-0.04)],
            "Total variation from the infinite-width limit falls as a power of the width in 1 of 2 "
            "cells, with 2 fitted exponents from −1.00 to −0.04; theory’s −1 lies inside 1 of 2 "
            "intervals.",
        ),
        ([None, None], "No rate of total variation was fitted in any of the 2 cells."),
    ],
)
def test_the_headline_counts_cells(rates, expected):
    assert grid_summary.grid_headline(rates) == expected


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "grid"
    made_up_grid.directory(path, failed=(1,), refused=(4,), undone=(5,))
    return path


def test_every_cell_is_on_one_page(path):
    page = checked(reports.to_html(path))
    assert "3 of 6 done" in page.text and "1 of 6 refused" in page.text
    assert "depth=1, prior=narrow failed at width 64: no memory <b>" in page.text
    assert "depth=2, prior=narrow refused: it needs 1e12" in page.text
    assert "1 pending: depth=2, prior=flat" in page.text
    rows = [row for row in page.rows if row[1:2] in (["wide <i>"], ["narrow"], ["flat"])]
    assert [row[2] for row in rows].count("done") == 3 and len(rows) == 6
    # What the cells' results have, in the table and in the cells' own tables.
    for cell in load_results(path):
        if cell.tree is not None:
            assert float(cell.tree["rates"]["exponent"][0]) in page.numbers
    # The forest, three pictures, and of three cells eight distances and two densities; of the
    # failed one eight distances.
    assert page.tags.count("svg") == 2 * (1 + 3 + 3 * 10 + 1 * 8)


@pytest.mark.slow
def test_large_grids_leave_their_figures_to_the_cells(path, monkeypatch):
    monkeypatch.setattr(grid_summary, "_MOST_WITH_FIGURES", 3)
    monkeypatch.setattr(grid_summary, "_MOST_FOLDED", 2)
    monkeypatch.setattr(grid_summary, "_MOST_PICTURES", 2)
    text = reports.to_html(path)
    page = checked(text)
    assert page.tags.count("svg") == 2 * (1 + 2) and page.tags.count("details") == 2
    assert "The first 2 of 3 cells" in page.text and "The first 2 of 5 cells" in page.text
    assert "their figures are left out here" in page.text


ONE_HIDDEN = [{"type": "Dense"}, {"type": "Relu"}, {"type": "Dense"}]


@pytest.mark.parametrize(
    "varying",
    [
        made_up_grid.VALUES["grid"],
        {"seed": [0, 1], "weight_prior": ["Laplace(0, 0.7)", "Normal(0, 1)"]},
        {
            "problem": [{"name": "a", "data": "wine", "num_train": 4}, {"name": "b", "depth": 3}],
            "noise": [{"name": 1, "noise_std": 0.1}, {"name": 2, "noise_std": 0.2}],
        },
        # The labels are not the values, or not all of them.
        {"weight_prior": ["Normal(0, 1)", "Laplace(0, 0.7)"], "seed": [0, 1]},
        {"weight_prior": [{"law": "Laplace", "parameters": {"scale": 0.5}}, "Normal(0, 1)"]},
        {"layers": [ONE_HIDDEN, ONE_HIDDEN[:2] + ONE_HIDDEN], "noise_std": [0.1, 0.2]},
        {"data": [{"name": "a", "data": "wine"}, {"name": "b", "data": "diabetes"}]},
        {"depth": [{"name": 1, "depth": 1, "w_std": 0.5}, {"name": 2, "depth": 2, "w_std": 0.6}]},
        {"depth": [{"name": "only", "depth": 3}], "seed": [4]},
    ],
)
def test_the_configuration_gives_the_same_grid(tmp_path, varying):
    values = {"num_test": 2, "widths": [4, 8], "grid": varying}
    found = made_up_grid.directory(tmp_path / "grid", values, undone=range(100))
    text = GridSettings(load_results(tmp_path / "grid")).toml()
    again = grid_of(tomllib.loads(text))
    assert [cell.digest for cell in again.cells] == [cell.digest for cell in found.cells]
    assert [cell.settings for cell in again.cells] == [cell.settings for cell in found.cells]
