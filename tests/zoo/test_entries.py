"""The posteriors of the zoo: that they are as various as they should be, and can be made."""

import json

import numpy as np
import pytest

import bnnpost
from bnnpost.zoo.entries import ENTRIES

NAMES = bnnpost.zoo.names()


def test_the_table_covers_what_a_sampler_may_meet():
    assert len(ENTRIES) >= 12 and len(set(NAMES)) == len(NAMES)
    assert all(one.num_samples >= 10_000 for one in ENTRIES)
    assert {one.depth for one in ENTRIES} == {1, 2, 3}
    assert min(one.width for one in ENTRIES) == 1 and max(one.width for one in ENTRIES) == 2**14
    assert {"relu", "erf", "tanh"} <= {one.activation for one in ENTRIES}
    assert {one.task for one in ENTRIES} == {"regression", "binary", "classes"}
    assert {one.bound for one in ENTRIES} <= {"strict", "capped"}
    assert sum(one.bound == "strict" for one in ENTRIES) >= 12


def test_one_has_student_t_weights_and_one_ten_classes():
    laws = [one.prior["law"] for one in ENTRIES if one.prior is not None]
    assert "StudentT" in laws
    outputs = {n: bnnpost.zoo.posterior(n)[0].num_outputs for n in NAMES if "digits" in n}
    of_classes = [n for n in outputs if bnnpost.zoo.entry(n).task == "classes"]
    assert of_classes and set(outputs.values()) == {10}


@pytest.mark.parametrize("name", NAMES)
def test_each_posterior_can_be_made(name):
    entry = bnnpost.zoo.entry(name)
    posterior, x_test = bnnpost.zoo.posterior(name)
    assert posterior.num_points == entry.num_train
    assert x_test.shape == (entry.num_test, posterior.x.shape[1])
    assert not (x_test[:, None] == posterior.x).all(axis=2).any()
    spec = bnnpost.to_spec(posterior.network)
    dense = [layer for layer in spec if layer["type"] == "Dense"]
    assert [layer["width"] for layer in dense[:-1]] == [entry.width] * entry.depth
    assert all("prior" in layer for layer in dense[:-1]) == (entry.prior is not None)
    assert type(posterior.likelihood).__name__ == entry.likelihood["type"]
    json.loads(entry.as_json())


def test_data_is_prepared_as_the_standard_problems():
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(5, 5)
    posterior, points = bnnpost.zoo.posterior("diabetes-erf-2x256")
    np.testing.assert_array_equal(posterior.x, x)
    np.testing.assert_array_equal(posterior.targets[:, 0], y)
    np.testing.assert_array_equal(points, x_test)
    x, y, _, _ = bnnpost.datasets.digits_problem(3)
    posterior, _ = bnnpost.zoo.posterior("digits-relu-2x64")
    np.testing.assert_array_equal(posterior.x, x)
    np.testing.assert_array_equal(posterior.targets[:, 0], y.argmax(axis=1))


def test_two_classes_are_both_there():
    for entry in ENTRIES:
        if entry.task == "binary":
            targets = bnnpost.zoo.posterior(entry.name)[0].targets
            assert set(np.unique(targets)) == {0.0, 1.0}, entry.name


def test_an_unknown_name_names_the_close_ones():
    with pytest.raises(ValueError, match=r"did you mean .*step-erf-2x8"):
        bnnpost.zoo.entry("step-erf-2x9")
