"""What a Posterior keeps and what it refuses."""

import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost import Posterior
from bnnpost.likelihoods import Gaussian

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(5, 3)), RNG.normal(size=5)
NETWORK, LIKELIHOOD = bnnpost.mlp(width=4), Gaussian(noise_std=0.3)


def make(x=X, y=Y, network=NETWORK, likelihood=LIKELIHOOD):
    return Posterior(network, likelihood, x, y)


def test_data_are_kept_in_double_precision_as_columns():
    posterior = make(jnp.asarray(X, jnp.float32), [1, 2, 3, 4, 5])
    assert posterior.x.dtype == posterior.targets.dtype == np.float64
    assert posterior.targets.shape == (5, 1)
    assert (posterior.num_points, posterior.num_outputs) == (5, 1)


def test_data_are_copied():
    x, y = X.copy(), Y.copy()
    posterior = make(x, y)
    x[0, 0] = y[0] = 99.0
    assert np.array_equal(posterior.x, X)
    assert np.array_equal(posterior.targets[:, 0], Y)


def test_several_outputs():
    posterior = make(y=np.ones((5, 3)), network=bnnpost.mlp(num_outputs=3))
    assert posterior.targets.shape == (5, 3)
    assert posterior.num_outputs == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_value_that_is_not_finite_is_counted_and_placed(bad):
    x, y = X.copy(), Y.copy()
    x[3, 1] = x[4, 2] = y[2] = bad
    with pytest.raises(ValueError, match=r"x holds 2 value\(s\).* first at index \(3, 1\)"):
        make(x)
    with pytest.raises(ValueError, match=r"y holds 1 value\(s\).* first at index \(2,\)"):
        make(y=y)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="x has 5 rows and y 3"):
        make(y=Y[:3])


@pytest.mark.parametrize(("x", "y"), [(X[:0], Y[:0]), (X[:, :0], Y)], ids=["rows", "features"])
def test_no_rows_and_no_features_are_refused(x, y):
    with pytest.raises(ValueError, match="at least one of each"):
        make(x, y)


def test_one_dimensional_inputs_get_a_hint():
    with pytest.raises(ValueError, match=r"got \(5,\); for one feature use x\[:, None\]"):
        make(X[:, 0])


@pytest.mark.parametrize("y", [np.ones((5, 1, 1)), 1.0], ids=["three axes", "none"])
def test_targets_of_the_wrong_shape_are_refused(y):
    with pytest.raises(ValueError, match=r"expected y of shape \[n\] or \[n, output\]"):
        make(y=y)


def test_number_of_outputs_must_match_the_targets():
    with pytest.raises(ValueError, match=r"the network has 1 output\(s\), but y has 2"):
        make(y=np.ones((5, 2)))
    with pytest.raises(ValueError, match=r"the network has 3 output\(s\), but y has 1"):
        make(network=bnnpost.mlp(num_outputs=3))


@pytest.mark.parametrize("bad", [[["a"]] * 5, [[1, 2], [3]], [object()] * 5])
def test_inputs_that_are_no_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="expected x to be an array of numbers"):
        make(bad)


def test_network_that_is_none_is_refused():
    with pytest.raises(
        TypeError, match=r"expected a network such as bnnpost.mlp\(…\), got function"
    ):
        make(network=lambda x: x)


def test_likelihood_that_is_none_is_refused():
    with pytest.raises(TypeError, match=r"expected a likelihood such as .*Gaussian.*, got float"):
        make(likelihood=0.3)


def test_arguments_in_the_wrong_order_are_refused():
    with pytest.raises(TypeError, match=r"expected a network .* got Gaussian"):
        Posterior(LIKELIHOOD, NETWORK, X, Y)
