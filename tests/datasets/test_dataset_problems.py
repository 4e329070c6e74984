"""The two standard problems against preparations written out in plain numpy."""

import numpy as np
import pytest

from bnnpost.datasets import DataError, diabetes_problem, digits_problem, load_shipped

# The first rows in the order numpy.random.default_rng(0) gives; a change of the generator
# would change every published result.
DIABETES_ORDER = [203, 232, 262, 242, 2]
DIGITS_ORDER = [360, 1773, 1482, 600, 850]


def plain_diabetes(x, y):
    """Return standardised x and y in the standard order."""
    order = np.random.default_rng(0).permutation(442)
    x = (x - x.mean(axis=0)) / np.std(x, axis=0)
    y = (y - y.mean()) / np.std(y)
    return x[order], y[order]


def plain_digits(pixels, labels):
    """Return prepared x and y in the standard order."""
    order = np.random.default_rng(0).permutation(1797)
    x = pixels / 16
    x = (x - x.mean(axis=0))[order]
    x = 8 * x / np.sqrt((x**2).sum(axis=1))[:, None]
    return x, (np.eye(10)[labels] - 0.1)[order]


def check(problem, x, y, num_train, num_test):
    """Compare the four arrays of a problem with the rows of x and y."""
    end = num_train + num_test
    expected = (x[:num_train], y[:num_train], x[num_train:end], y[num_train:end])
    for got, wanted in zip(problem, expected, strict=True):
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-14)


def test_diabetes_is_the_plain_preparation():
    raw = load_shipped("diabetes")
    check(diabetes_problem(300, 142), *plain_diabetes(raw.x, raw.y), 300, 142)


def test_diabetes_smaller_split_is_a_prefix():
    large, small = diabetes_problem(400, 0), diabetes_problem(50, 20)
    np.testing.assert_array_equal(small[0], large[0][:50])
    np.testing.assert_array_equal(small[3], large[1][50:70])


def test_diabetes_targets_by_hand():
    # Raw targets of the first rows, with the published mean and population std.
    raw = load_shipped("diabetes").y[DIABETES_ORDER]
    assert raw.tolist() == [222, 259, 308, 71, 141]
    expected = (raw - 152.13348416) / 77.00574587
    np.testing.assert_allclose(diabetes_problem(3, 2)[1], expected[:3], atol=1e-9)
    np.testing.assert_allclose(diabetes_problem(3, 2)[3], expected[3:], atol=1e-9)


def test_digits_is_the_plain_preparation():
    raw = load_shipped("digits")
    check(digits_problem(1000, 797), *plain_digits(raw.x, raw.y.argmax(axis=1)), 1000, 797)


def test_digits_rows_have_norm_8_and_targets_sum_to_zero():
    x_train, y_train, x_test, y_test = digits_problem(100, 50)
    for x in (x_train, x_test):
        np.testing.assert_allclose(np.linalg.norm(x, axis=1), 8, atol=1e-13)
    for y in (y_train, y_test):
        np.testing.assert_allclose(y.sum(axis=1), 0, atol=1e-15)
        np.testing.assert_allclose(np.unique(y), [-0.1, 0.9], atol=1e-15)


def test_digits_order_by_hand():
    labels = load_shipped("digits").y[DIGITS_ORDER].argmax(axis=1)
    assert labels.tolist() == [6, 6, 6, 2, 5]
    assert digits_problem(5)[1].argmax(axis=1).tolist() == [6, 6, 6, 2, 5]


def test_digits_test_rows_default_to_none():
    x_train, y_train, x_test, y_test = digits_problem(5)
    assert (x_train.shape, y_train.shape) == ((5, 64), (5, 10))
    assert (x_test.shape, y_test.shape) == ((0, 64), (0, 10))


@pytest.mark.parametrize(("problem", "rows"), [(diabetes_problem, 442), (digits_problem, 1797)])
def test_too_many_or_too_few_rows_are_refused(problem, rows):
    with pytest.raises(DataError, match=f"there are only {rows} rows"):
        problem(rows, 1)
    with pytest.raises(DataError, match="num_train must be at least 1"):
        problem(0, 1)
    with pytest.raises(DataError, match="num_test must be at least 0"):
        problem(1, -1)
