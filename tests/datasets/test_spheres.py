"""The teacher on the sphere: where its points lie, and that its targets are as large as said."""

import numpy as np
import pytest

from bnnpost.datasets import DataError, sphere_teacher


@pytest.mark.slow
def test_points_are_on_the_sphere_and_everywhere_on_it():
    data = sphere_teacher(20_000, num_features=5)
    np.testing.assert_allclose(np.sum(data.x**2, axis=1), 5.0)
    # Each coordinate has variance 1; means are within 4.5 standard errors.
    assert np.all(np.abs(data.x.mean(axis=0)) < 4.5 / np.sqrt(20_000))
    np.testing.assert_allclose(np.cov(data.x.T), np.eye(5), atol=0.05)


def test_targets_have_mean_square_one_and_the_noise_asked_for():
    clean, noisy = (sphere_teacher(3000, 1, std, num_targets=200) for std in (0.0, 0.5))
    assert np.mean(clean.y**2) == pytest.approx(1.0, abs=0.15)
    assert np.std(noisy.y - clean.y) == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(clean.x, noisy.x)


def test_the_teacher_stays_when_points_are_added():
    few, many = sphere_teacher(10), sphere_teacher(20)
    np.testing.assert_allclose(few.y, many.y[:10])
    assert not np.array_equal(few.y, sphere_teacher(10, seed=1).y)
    assert few.y.shape == (10,)


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_points": 0},
        {"num_features": 1},
        {"num_targets": 0},
        {"seed": -1},
        {"noise_std": -1.0},
        {"noise_std": float("nan")},
    ],
)
def test_what_is_no_teacher(wrong):
    with pytest.raises(DataError, match=next(iter(wrong))):
        sphere_teacher(**wrong)
