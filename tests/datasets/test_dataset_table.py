"""The Dataset table: what it refuses, and standardise and split against plain numpy."""

import dataclasses

import numpy as np
import pytest

from bnnpost.datasets import DataError, Dataset


def make(x, y, **changes):
    """Return a Dataset of x and y with made-up names; changes replace other fields."""
    x, y = np.asarray(x), np.asarray(y)
    num_features = x.shape[1] if x.ndim == 2 else 1
    num_outputs = y.shape[1] if y.ndim == 2 else 1
    fields = {
        "name": "toy",
        "feature_names": tuple(f"f{i}" for i in range(num_features)),
        "target_names": tuple(f"t{i}" for i in range(num_outputs)),
        "source": "made up",
        "licence": "none",
    }
    return Dataset(x=x, y=y, **(fields | changes))


@pytest.fixture
def random_set():
    rng = np.random.default_rng(7)
    return make(rng.normal(5.0, 3.0, (50, 4)), rng.normal(-2.0, 9.0, 50))


def test_error_is_a_value_error():
    assert issubclass(DataError, ValueError)


def test_values_become_float64_and_names_tuples():
    data = make([[1, 2], [3, 4]], [True, False], feature_names=["a", "b"], target_names=["c"])
    assert data.x.dtype == data.y.dtype == np.float64
    assert data.y.tolist() == [1.0, 0.0]
    assert (data.feature_names, data.target_names) == (("a", "b"), ("c",))
    assert (data.num_rows, data.num_features) == (2, 2)


def test_set_is_frozen_and_holds_a_copy():
    x = np.ones((2, 1))
    data = make(x, [1.0, 2.0])
    x[0, 0] = 99.0
    assert data.x[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        data.x[0, 0] = 5.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "other"


def with_bad(values, *places, bad):
    for place in places:
        values[place] = bad
    return values


ROWS = np.zeros((3, 1))


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (with_bad(np.zeros((6, 3)), (4, 1), (5, 2), bad=np.nan), np.zeros(6),
         r"x must be finite, got nan in row 4 .*'f1'; 2 such"),
        (with_bad(np.zeros((6, 3)), (4, 1), bad=-np.inf), np.zeros(6), "got -inf in row 4 .*'f1'"),
        (ROWS, [0.0, 1.0, np.nan], r"y must be finite, got nan in row 2 .*'t0'; 1 such value "),
        (ROWS, with_bad(np.zeros((3, 2)), (1, 1), bad=np.inf), r"got inf in row 1 .*'t1'"),
        (np.zeros(3), np.zeros(3), r"two-dimensional.*\(3,\).*reshape\(-1, 1\)"),
        (np.zeros((3, 1, 1)), np.zeros(3), r"two-dimensional.*\(3, 1, 1\)"),
        (np.zeros(()), np.zeros(3), r"two-dimensional.*\(\)"),
        (ROWS, np.zeros((3, 1, 1)), r"y must have shape \[row\] or \[row, output\]"),
        (ROWS, np.zeros(()), r"y must have shape \[row\] or \[row, output\]"),
        (ROWS, np.zeros(4), r"as many rows.* got 3 and 4"),
        (np.zeros((0, 2)), np.zeros(0), "no rows or no columns"),
        (np.zeros((2, 0)), np.zeros(2), "no rows or no columns"),
        (np.zeros((2, 1)), np.zeros((2, 0)), "no rows or no columns"),
        (np.array([["1"]]), [1.0], "x to be an array of numbers"),
        (np.array([[1 + 2j]]), [1.0], "x to be an array of numbers"),
        (np.array([[None]], dtype=object), [1.0], "x to be an array of numbers"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(x, y, words):
    with pytest.raises(DataError, match=words):
        make(x, y)


def test_uneven_lists_are_refused():
    with pytest.raises(DataError, match="x to be an array of numbers"):
        Dataset("toy", [[1.0], [1.0, 2.0]], [1.0, 2.0], ("a",), ("b",), "", "")


@pytest.mark.parametrize("field", ["feature_names", "target_names"])
def test_wrong_number_of_names_is_refused(field):
    role = field.split("_")[0]
    with pytest.raises(DataError, match=rf"1 {role} names are needed.* got 2: \['a', 'b'\]"):
        make(np.zeros((2, 1)), np.zeros(2), **{field: ("a", "b")})


def test_standardise_is_plain_numpy(random_set):
    result = random_set.standardise()
    x, y = random_set.x, random_set.y
    np.testing.assert_array_equal(result.x, (x - x.mean(axis=0)) / np.std(x, axis=0, ddof=0))
    np.testing.assert_array_equal(result.y, (y - y.mean()) / np.std(y, ddof=0))
    assert result.feature_names == random_set.feature_names


def test_standardise_by_hand():
    # Mean 2, population variance (1 + 0 + 1) / 3.
    result = make([[1.0], [2.0], [3.0]], [10.0, 20.0, 30.0]).standardise()
    expected = [-(1.5**0.5), 0.0, 1.5**0.5]
    np.testing.assert_allclose(result.x[:, 0], expected, atol=1e-15)
    np.testing.assert_allclose(result.y, expected, atol=1e-15)


def test_standardise_can_leave_the_targets():
    data = make([[1.0], [3.0]], [[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_array_equal(data.standardise(targets=False).y, data.y)
    np.testing.assert_array_equal(data.standardise().y, [[-1.0, 1.0], [1.0, -1.0]])


def test_constant_column_is_only_centred():
    # The mean of many 0.1s is not exactly 0.1, nor their std exactly 0.
    x = np.column_stack([np.full(1001, 0.1), np.arange(1001.0)])
    result = make(x, np.full(1001, 0.7)).standardise()
    assert x[:, 0].std() > 0
    assert (result.x[:, 0] == 0).all()
    assert (result.y == 0).all()
    assert result.x[:, 1].std() == pytest.approx(1.0)


def test_overflowing_std_is_refused():
    with pytest.raises(DataError, match=r"std of column 'f0'.*overflows"):
        make([[1e300], [-1e300]], [0.0, 1.0]).standardise()


@pytest.mark.parametrize("seed", [0, 5])
def test_split_follows_the_permutation(random_set, seed):
    order = np.random.default_rng(seed).permutation(50)
    found = random_set.split(30, 15, **({"seed": seed} if seed else {}))
    for i, rows in enumerate((order[:30], order[30:45])):
        np.testing.assert_array_equal(found[2 * i], random_set.x[rows])
        np.testing.assert_array_equal(found[2 * i + 1], random_set.y[rows])


def test_split_without_test_rows(random_set):
    x_train, y_train, x_test, y_test = random_set.split(50, 0)
    assert (x_train.shape, y_train.shape) == ((50, 4), (50,))
    assert (x_test.shape, y_test.shape) == ((0, 4), (0,))


def test_split_takes_numpy_integers(random_set):
    assert random_set.split(np.int64(3), np.int32(2))[2].shape == (2, 4)


def test_split_beyond_the_rows_is_refused(random_set):
    with pytest.raises(DataError, match=r"toy: 40 training \+ 11 test rows .* only 50 rows"):
        random_set.split(40, 11)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5), "num_train must be at least 1, got 0"),
        ((-3, 5), "num_train must be at least 1, got -3"),
        ((5, -1), "num_test must be at least 0, got -1"),
        ((5, 5, -1), "seed must be at least 0, got -1"),
        ((2.0, 5), r"num_train must be an integer, got 2\.0"),
        ((True, 5), "num_train must be an integer, got True"),
        ((5, None), "num_test must be an integer, got None"),
    ],
)
def test_split_counts_are_checked(random_set, arguments, message):
    with pytest.raises(DataError, match=message):
        random_set.split(*arguments)
