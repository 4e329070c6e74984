"""The one-dimensional generators, and the catalogue that finds them beside the shipped sets."""

import inspect

import numpy as np
import pytest

from bnnpost.datasets import GENERATORS, SHIPPED, DataError, cubic, load, names, sine_gap, step

every_generator = pytest.mark.parametrize("generator", GENERATORS.values(), ids=GENERATORS)


@every_generator
def test_shapes_names_and_order(generator):
    data = generator(num_points=33)
    assert data.x.shape == (33, 1)
    assert data.y.shape == (33,)
    assert (data.feature_names, data.target_names) == (("x",), ("y",))
    assert (np.diff(data.x[:, 0]) > 0).all()


@every_generator
def test_seed_decides_the_numbers(generator):
    np.testing.assert_array_equal(generator(seed=3).y, generator(seed=3).y)
    assert not np.array_equal(generator(seed=3).x, generator(seed=4).x)


@every_generator
def test_noise_has_the_std_asked_for(generator):
    clean = generator(num_points=20_000, seed=1, noise_std=0.0)
    noisy = generator(num_points=20_000, seed=1, noise_std=0.5)
    np.testing.assert_array_equal(clean.x, noisy.x)
    noise = noisy.y - clean.y
    # The std of a sample of 20 000 is off by 0.5 / sqrt(40 000) = 0.0025 typically.
    assert noise.std() == pytest.approx(0.5, abs=0.0125)
    assert noise.mean() == pytest.approx(0.0, abs=0.0175)
    assert abs(np.corrcoef(noise, noisy.x[:, 0])[0, 1]) < 0.04


@pytest.mark.parametrize(
    ("generator", "mean"),
    [(sine_gap, lambda x: np.sin(2 * x)), (cubic, lambda x: x * x * x), (step, np.sign)],
)
def test_without_noise_the_function_is_left(generator, mean):
    data = generator(num_points=200, noise_std=0)
    np.testing.assert_allclose(data.y, mean(data.x[:, 0]), rtol=1e-12)


def test_sine_gap_is_on_both_sides_of_an_empty_middle():
    x = sine_gap(num_points=4000).x[:, 0]
    assert np.abs(x).min() >= 1.0
    assert np.abs(x).max() <= 3.0
    assert np.abs(x).min() < 1.01
    assert np.abs(x).max() > 2.99
    # The count on one side is binomial with std sqrt(4000) / 2 = 32.
    assert abs((x > 0).sum() - 2000) < 160


@pytest.mark.parametrize(("generator", "edge"), [(cubic, 4.0), (step, 2.0)])
def test_x_fills_its_interval(generator, edge):
    x = generator(num_points=4000).x[:, 0]
    assert -edge <= x.min() < -0.99 * edge
    assert 0.99 * edge < x.max() <= edge


@every_generator
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_points": 0}, "num_points must be at least 1, got 0"),
        ({"num_points": 2.5}, "num_points must be an integer"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"noise_std": -0.1}, "noise_std must be finite and at least 0"),
        ({"noise_std": np.nan}, "noise_std must be finite and at least 0"),
        ({"noise_std": np.inf}, "noise_std must be finite and at least 0"),
    ],
)
def test_bad_arguments_are_refused(generator, arguments, words):
    with pytest.raises(DataError, match=words):
        generator(**arguments)


def test_names_are_the_shipped_sets_then_the_generators():
    assert names() == (*SHIPPED, *GENERATORS)
    assert len(set(names())) == len(names())
    assert {"diabetes", "digits", "sine_gap", "cubic", "step"} < set(names())


@pytest.mark.parametrize("name", names())
def test_load_finds_every_name(name):
    data = load(name)
    assert data.name == name
    assert data.source
    assert data.licence


@pytest.mark.parametrize("name", GENERATORS)
def test_load_uses_the_defaults(name):
    defaults = inspect.signature(GENERATORS[name]).parameters
    np.testing.assert_array_equal(load(name).y, GENERATORS[name]().y)
    assert load(name).num_rows == defaults["num_points"].default
    for argument, parameter in defaults.items():
        assert f"{argument}={parameter.default}" in load(name).source


@pytest.mark.parametrize(
    ("name", "close"), [("diabetis", "diabetes"), ("SINE_GAP", "sine_gap"), ("qqqq", None)]
)
def test_unknown_name_lists_the_names_and_the_close_ones(name, close):
    with pytest.raises(DataError, match=f"no data set is called '{name}'") as caught:
        load(name)
    assert all(known in str(caught.value) for known in names())
    hint = f"did you mean '{close}'"
    assert (hint in str(caught.value)) if close else ("did you mean" not in str(caught.value))
