"""Grids: the product of lists, what varies together, digests, and what is refused."""

import re
import shutil

import pytest

from bnnpost.datasets import DataError
from bnnpost.sweeps import ConfigError, load_config, load_grid
from bnnpost.sweeps.grid import grid_of
from bnnpost.sweeps.identity import content_digest

PRIORS = [{"name": "narrow", "w_std": 0.7}, {"name": "wide", "w_std": 2.0, "b_std": 0.5}]


def digests(**changes):
    return [cell.digest for cell in grid_of(changes).cells]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("a,y\n1,2\n3,5\n4,4\n2,1\n")
    return path


def test_a_grid_is_the_product_of_its_lists_with_the_last_one_fastest():
    grid = grid_of({"num_train": 3, "grid": {"depth": [1, 2], "prior": PRIORS}})
    assert grid.varying == ("depth", "prior")
    assert [tuple(cell.settings.values()) for cell in grid.cells] == [
        (1, "narrow"), (1, "wide"), (2, "narrow"), (2, "wide"),
    ]  # fmt: skip
    assert [(c.config.depth, c.config.w_std, c.config.b_std) for c in grid.cells] == [
        (1, 0.7, 0.1), (1, 2.0, 0.5), (2, 0.7, 0.1), (2, 2.0, 0.5),
    ]  # fmt: skip
    assert all(cell.config.num_train == 3 for cell in grid.cells)
    assert grid.cells[1].name == "depth=1, prior=wide"


def test_a_grid_over_prior_laws_is_labelled_by_them():
    laws = ["Normal(0, 1)", "Laplace(0, 0.7)", {"law": "StudentT", "parameters": {"df": 5.0}}]
    grid = grid_of({"grid": {"weight_prior": laws}})
    assert [cell.settings["weight_prior"] for cell in grid.cells] == [*laws[:2], "StudentT(5)"]
    assert grid.cells[0].digest == grid_of({}).cells[0].digest


def test_networks_of_layers_may_vary():
    def layers(kind):
        return [{"type": "Dense"}, {"type": kind}, {"type": "Dense"}]

    grid = grid_of({"grid": {"layers": [layers("Erf"), layers("Relu")]}})
    assert [c.settings["layers"] for c in grid.cells] == ["Dense-Erf-Dense", "Dense-Relu-Dense"]


def test_without_the_table_there_is_one_cell_in_which_nothing_varies():
    grid = load_grid("diabetes", {"seed": 3})
    assert grid.varying == () and len(grid.cells) == 1
    assert grid.cells[0].config == load_config("diabetes", {"seed": 3})


def test_a_digest_is_of_everything_but_the_widths():
    base = digests()
    assert digests(widths=[4]) == base
    changed = [digests(seed=1), digests(noise_std=0.5), digests(num_samples=7), digests(depth=3)]
    assert len({one for found in (base, *changed) for one in found}) == 5
    # As it is on disk: another digest would have every grid run anew.
    assert base == ["da108960c102c596"]


def test_a_data_file_counts_by_what_is_in_it(table, tmp_path):
    given = {"data": str(table), "target": "y", "num_train": 2, "num_test": 1}
    before = digests(**given)
    copy = tmp_path / "other" / "name.csv"
    copy.parent.mkdir()
    shutil.copy(table, copy)
    assert digests(**{**given, "data": str(copy)}) == before
    table.write_text(table.read_text().replace("4,4", "4,4.5"))
    assert digests(**given) != before


def test_code_counts_by_the_file_of_its_module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    code = "import bnnpost\ndef network(width, num_outputs):\n    return bnnpost.mlp(width=width)\n"
    (tmp_path / "networks_of_mine.py").write_text(code)
    config = load_config(None, {"network": "networks_of_mine:network"})
    before = content_digest(config)
    (tmp_path / "networks_of_mine.py").write_text(code.replace("width=width", "width=2 * width"))
    assert content_digest(config) != before


def test_a_relative_path_is_from_the_working_directory_or_beside_the_file(
    table, tmp_path, monkeypatch
):
    study, elsewhere = tmp_path / "study", tmp_path / "elsewhere"
    for folder in (study, elsewhere):
        folder.mkdir()
    shutil.move(table, study / "mine.csv")
    text = 'target = "y"\nnum_train = 2\nnum_test = 1\n'
    (study / "grid.toml").write_text(text + '[grid]\ndata = ["mine.csv"]\n')
    (study / "one.toml").write_text(text + 'data = "mine.csv"\n')
    monkeypatch.chdir(elsewhere)
    cell = load_grid("../study/grid.toml", {}).cells[0]
    assert cell.config.data == str(study / "mine.csv")  # in full: it is read from anywhere
    assert cell.settings == {"data": "mine.csv"}
    assert load_config("../study/one.toml", {}).data == "../study/mine.csv"
    assert load_grid("../study/one.toml", {}).cells[0].config.data == str(study / "mine.csv")
    (elsewhere / "mine.csv").write_text("a,y\n1,2\n3,5\n")
    assert load_grid("../study/grid.toml", {}).cells[0].config.data == str(elsewhere / "mine.csv")
    with pytest.raises(DataError, match="no such file; a relative path is one from the working"):
        grid_of({"data": "absent.csv", "target": "y"})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"grid": {}}, "grid: expected a table of settings with lists"),
        ({"grid": [1]}, "grid: expected a table of settings with lists"),
        ({"grid": {"depth": []}}, "grid: expected a list of values for depth, got []"),
        ({"grid": {"depth": 2}}, "grid: expected a list of values for depth, got 2"),
        ({"grid": {"widths": [[4], [8]]}}, "widths are no axis"),
        ({"grid": {"detph": [1]}}, "depth"),
        ({"grid": {"prior": [0.7, 2.0]}}, "[[grid.prior]], each with a name"),
        ({"grid": {"prior": [{"w_std": 0.7}]}}, "[[grid.prior]], each with a name"),
        ({"grid": {"prior": [{"name": "a", "w_sdt": 0.7}]}}, "w_std"),
        ({"grid": {"prior": [{"name": "a", "widths": [4]}]}}, "grid.prior"),
        ({"grid": {"prior": [{"name": "a"}, {"name": "a"}]}}, "different names, got a, a"),
        ({"grid": {"depth": [1, 2, 1]}}, "two cells have the same settings"),
        ({"grid": {"w_std": [0.7, 1], "prior": PRIORS}}, "w_std is set by both w_std and prior"),
        ({"depth": 1, "grid": {"depth": [1, 2]}}, "depth is both in the grid and beside it"),
        ({"grid": {"depth": [1, 0]}}, "grid, depth=0: depth: expected at least 1"),
        ({"grid": {"activation": ["erf", "rellu"]}}, "grid, activation=rellu: "),
    ],
)
def test_bad_grids_are_refused_by_name(values, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        grid_of(values)


def test_a_flag_for_what_varies_is_refused_and_others_go_on_top():
    values = {"seed": 1, "grid": {"noise_std": [0.3, 0.5]}}
    with pytest.raises(ConfigError, match="--noise-std cannot be given as well"):
        grid_of(values, {"noise_std": 0.1})
    assert {cell.config.seed for cell in grid_of(values, {"seed": 2}).cells} == {2}


def test_commands_for_one_posterior_refuse_a_grid(tmp_path):
    (tmp_path / "grid.toml").write_text("[grid]\ndepth = [1, 2]\n")
    with pytest.raises(ConfigError, match="is a grid of several posteriors"):
        load_config(tmp_path / "grid.toml", {})
