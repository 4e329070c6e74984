"""Which rows train and test, the ways that contradict each other, and what is said of them."""

import numpy as np
import pytest

from bnnpost.datasets import DataError
from bnnpost.sweeps import ConfigError, SweepConfig, load_config
from bnnpost.sweeps.problem import load_problem
from bnnpost.sweeps.row_choice import said_rows

X = np.arange(12.0) ** 2
Y = 100 - 3 * X


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = ["train", "", "test", "Train"] * 3
    rows = [f"{a:g},{b:g},{p},r{i}" for i, (a, b, p) in enumerate(zip(X, Y, parts, strict=True))]
    (tmp_path / "t.csv").write_text("\n".join(["a,y,fold,name", *rows]) + "\n")
    (tmp_path / "more.csv").write_text("y,name,a\n7,s0,2\n8,s1,3\n")
    return {"data": "t.csv", "target": "y", "features": "a"}


def rows(settings, **more):
    record = load_problem(SweepConfig(**settings, **more)).record
    return record.train_rows, record.test_rows


def test_rows_by_number(table):
    assert rows(table, train_rows="0-2, 7", test_rows="5,4") == ((0, 1, 2, 7), (5, 4))
    train, test = rows(table, train_rows="0-7,11", num_test=3)
    assert train == (*range(8), 11) and sorted(test) == [8, 9, 10]
    order = np.random.default_rng(4).permutation(12)
    train, test = rows(table, test_rows="0", num_train=4, split_seed=4)
    assert (list(train), test) == ([int(i) for i in order if i != 0][:4], (0,))


def test_rows_by_a_column_and_by_two_files(table):
    assert rows(table, split_column="fold") == ((0, 3, 4, 7, 8, 11), (2, 6, 10))
    problem = load_problem(SweepConfig(**table, test_data="more.csv", id_column="name"))
    assert problem.record.train_rows == tuple(range(12)) and problem.record.test_ids == ("s0", "s1")
    np.testing.assert_allclose(problem.x_test[:, 0], (np.array([2, 3]) - X.mean()) / X.std())
    np.testing.assert_allclose(problem.y_test, (np.array([7, 8]) - Y.mean()) / Y.std())
    assert "12 of 12 rows train, and 2 of the 2 rows of the test" in problem.record.used()
    assert problem.record.point(1) == "row 1 of the test file (s1)"


def test_files_are_standardised_by_their_training_rows(table):
    problem = load_problem(SweepConfig(**table, train_rows="0-2", num_test=2))
    np.testing.assert_array_equal(problem.y, (Y[:3] - Y[:3].mean()) / Y[:3].std())
    test = list(problem.record.test_rows)
    np.testing.assert_allclose(
        problem.record.scaling.values(problem.y_test[:, None])[:, 0], Y[test]
    )
    assert problem.record.used() == "5 of 12 rows are used: 3 train, 2 test"
    whole = load_problem(SweepConfig(**table, train_rows="0-2", num_test=2, standardise="all"))
    np.testing.assert_array_equal(whole.y, (Y[:3] - Y.mean()) / Y.std())
    raw = load_problem(SweepConfig(**table, train_rows="0-2", num_test=2, standardise=False))
    np.testing.assert_array_equal(raw.y, Y[:3])


def test_what_true_is():
    assert SweepConfig(data="t.csv").standardise == "train"
    assert SweepConfig(standardise="all").as_dict() == SweepConfig().as_dict()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train_rows": "0", "num_train": 5}, "train_rows and num_train both say"),
        ({"train_rows": "0", "split_column": "fold"}, "split_column and train_rows both say"),
        ({"split_column": "fold", "num_test": 2}, "split_column and num_test both say"),
        ({"test_data": "more.csv", "test_rows": "3"}, "test_data and test_rows both say"),
        ({"train_rows": "3-1"}, 'row numbers such as "0-7,12"'),
        ({"train_rows": "a"}, "train_rows: expected row numbers"),
        ({"missing": "ignore"}, "missing: expected one of refuse, drop, impute"),
        ({"standardise": "some"}, "standardise: expected true or false"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(ConfigError, match=words):
        SweepConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train_rows": "0-3", "test_rows": "3-4"}, "row 3 is both a training and a test row"),
        ({"train_rows": "12"}, "train_rows has row 12, but the rows are 0 to 11"),
        ({"train_rows": "0,0-2"}, "has a row twice"),
        ({"train_rows": "0-9"}, "5 more rows were asked for, but only 2 are left"),
        ({"split_column": "name"}, "column 'name' has 'r0': expected \"train\" or \"test\""),
        ({"split_column": "folds"}, "no column is called 'folds'.*did you mean 'fold'"),
        ({"test_data": "./t.csv"}, "is the file of the training rows"),
        ({"test_data": "wine"}, "expected a .csv or .npz file"),
    ],
)
def test_rows_that_cannot_be(table, settings, words):
    with pytest.raises(DataError, match=words):
        rows(table, **settings)


def test_flags_replace_what_a_file_says_of_rows(table, tmp_path):
    (tmp_path / "s.toml").write_text("num_train = 7\nnum_test = 3\n")
    config = load_config("s.toml", {"train_rows": "0-3"})
    assert (config.train_rows, config.num_train, config.num_test) == ("0-3", None, 3)
    config = load_config("s.toml", {"split_column": "fold"})
    assert (config.num_train, config.num_test) == (None, None)
    (tmp_path / "s.toml").write_text('train_rows = "0-3"\n')
    assert load_config("s.toml", {"num_train": 2}).train_rows is None
    assert said_rows(SweepConfig().as_dict()) == "5 training points and 5 test points"
    assert said_rows(config.as_dict()) == "rows by column fold"


def test_missing_cells_are_told(table, tmp_path):
    text = (tmp_path / "t.csv").read_text().replace("\n4,", "\n,").replace("\n9,", "\nNA,")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=r"2 missing values: column 'a' has 2 \(lines 4, 5: NA"):
        rows(table, train_rows="0-3")
    record = load_problem(SweepConfig(**table, train_rows="0-3", missing="drop")).record
    assert record.train_rows == (0, 1) and record.num_left_out == 2
    assert record.used().endswith("2 with missing cells are left out")
    problem = load_problem(SweepConfig(**table, train_rows="0-3", missing="impute"))
    assert problem.record.columns[0].fill == 0.5 and problem.record.num_filled == 2
    assert problem.record.used().endswith("in 2 of them missing cells are filled in")
