"""Standardisation by some rows and the way back, against plain numpy."""

import numpy as np
import pytest

from bnnpost.datasets import ColumnScaling, DataError, Dataset, load
from bnnpost.datasets.data_record import record_of
from bnnpost.sweeps.config import SweepConfig
from bnnpost.sweeps.problem import load_problem

RNG = np.random.default_rng(3)
X, Y = RNG.normal(5, 3, (20, 2)), RNG.normal(-2, 9, 20)
DATA = Dataset("toy", X, Y, ("a", "b"), ("y",), "", "")


def test_it_is_of_the_rows_given_and_can_be_undone():
    rows = [3, 1, 7, 0]
    done = DATA.standardise(rows=rows)
    np.testing.assert_array_equal(done.x, (X - X[rows].mean(axis=0)) / X[rows].std(axis=0))
    np.testing.assert_allclose(done.scaling.values(done.y[:, None])[:, 0], Y, rtol=1e-14)
    np.testing.assert_allclose(done.scaling.own_inputs(done.x), X, rtol=1e-14)
    np.testing.assert_allclose(done.scaling.spreads([[1.0]]), [[Y[rows].std()]])
    assert not np.allclose(done.x, DATA.standardise().x)


def test_twice_is_known_as_one():
    twice = DATA.standardise(rows=[0, 1, 2]).standardise()
    np.testing.assert_allclose(twice.scaling.values(twice.y[:, None])[:, 0], Y, rtol=1e-13)
    np.testing.assert_allclose(twice.scaling.inputs(X), twice.x, atol=1e-13)


def test_one_row_and_a_constant_column_are_centred_alone():
    done = DATA.standardise(rows=[4])
    np.testing.assert_array_equal(done.x, X - X[4])
    assert done.scaling.x_std.tolist() == [1, 1] and done.scaling.y_std.tolist() == [1]
    with pytest.raises(DataError, match="no rows"):
        DATA.standardise(rows=[])


def test_a_record_reads_back_as_it_was_written():
    record = load_problem(SweepConfig(data="wine", likelihood="categorical")).record
    again = record_of(record.as_attribute())
    assert again.as_dict() == record.as_dict() and again.levels == record.levels
    assert record_of({}) is None
    with pytest.raises(ValueError, match="damaged"):
        record_of({"data_record": "{}"})


def test_identity_changes_nothing():
    same = ColumnScaling.identity(2, 1)
    assert same.is_identity and np.array_equal(same.inputs(X), X)


def test_shipped_sets_are_standardised_over_all_rows_as_published():
    problem = load_problem(SweepConfig(num_train=3))
    whole = load("diabetes")
    expected = (whole.y - whole.y.mean()) / whole.y.std()
    assert problem.record.train_rows == (203, 232, 262)
    np.testing.assert_array_equal(problem.y, expected[[203, 232, 262]])
    assert (problem.record.standardised, problem.record.unit) == ("all", whole.target_names[0])
