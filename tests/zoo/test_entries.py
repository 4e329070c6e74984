"""The posteriors of the zoo: that they are as various as they should be, and can be made."""

import json

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.zoo.entries import ENTRIES, Perceptron

NAMES = bnnpost.zoo.names()


def test_the_table_covers_what_a_sampler_may_meet():
    assert len(ENTRIES) >= 12 and len(set(NAMES)) == len(NAMES)
    assert all(one.num_samples >= 10_000 for one in ENTRIES)
    perceptrons = [one.network for one in ENTRIES if isinstance(one.network, Perceptron)]
    assert {one.depth for one in perceptrons} == {1, 2, 3}
    assert min(one.width for one in perceptrons) == 1
    assert max(one.width for one in perceptrons) == 2**14
    assert {"relu", "erf", "tanh"} <= {one.activation for one in perceptrons}
    assert {one.task for one in ENTRIES} == {"regression", "binary", "classes"}
    assert {one.bound for one in ENTRIES} <= {"strict", "capped"}
    assert sum(one.bound == "strict" for one in ENTRIES) >= 12


def test_one_has_student_t_weights_and_one_ten_classes():
    priors = [getattr(one.network, "prior", None) for one in ENTRIES]
    laws = [prior["law"] for prior in priors if prior is not None]
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
    network, spec = entry.network, bnnpost.to_spec(posterior.network)
    if isinstance(network, Perceptron):
        dense = [layer for layer in spec if layer["type"] == "Dense"]
        assert [layer["width"] for layer in dense[:-1]] == [network.width] * network.depth
        assert all("prior" in layer for layer in dense[:-1]) == (network.prior is not None)
    else:
        assert [layer["type"] for layer in spec] == [one["type"] for one in network.tables]
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


@pytest.fixture(scope="module")
def modes():
    """The posterior with two modes; its one weight, and the mass at each, by quadrature."""
    posterior, _ = bnnpost.zoo.posterior("sine-relu-1x1")
    weights, (nodes, masses) = np.linspace(-6, 6, 1201), np.polynomial.hermite_e.hermegauss(15)
    unit = np.maximum(
        1.5 * weights[:, None, None] * posterior.x[:, 0] + 0.1 * nodes[:, None], 0
    )  # [weight, bias, point]; the readout is integrated out
    noise = posterior.likelihood.noise_std
    cov = 1.5**2 * unit[..., :, None] * unit[..., None, :] + 0.1**2 + noise**2 * np.eye(4)
    y = posterior.targets[:, :1]
    quadratic = (y * np.linalg.solve(cov, np.broadcast_to(y, (*unit.shape, 1)))).sum(axis=(2, 3))
    log_density = -0.5 * (quadratic + np.linalg.slogdet(cov)[1] + weights[:, None] ** 2)
    share = (np.exp(log_density - log_density.max()) * masses).sum(axis=1)
    return posterior, weights, share / share.sum()


@pytest.mark.slow
def test_there_are_two_modes_with_little_between_them(modes):
    _, weights, share = modes
    assert 0.5 < share[weights < 0].sum() < 0.7
    peaks = share[weights < 0].max(), share[weights > 0].max()
    assert min(peaks) > 30 * share[abs(weights) < 0.3].min()


@pytest.mark.slow
def test_each_mode_has_its_share_of_the_draws(modes):
    posterior, weights, share = modes
    draws = bnnpost.rejection.sample(jax.random.key(4), posterior, num_samples=1000)
    left, found = share[weights < 0].sum(), (draws.parameters()[0].weights < 0).mean()
    assert abs(found - left) < 4 * (left * (1 - left) / 1000) ** 0.5
