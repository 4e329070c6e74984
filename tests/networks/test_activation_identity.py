"""An activation is what it was made from: a namesake is not taken for it, nothing is dropped."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost import Activation, Dense, Serial, from_spec, mlp, nngp, to_spec

X = np.array([[0.3, -0.8], [1.1, 0.4], [0.0, 0.0]])


def relu(u):
    """Not what its name says."""
    return u**2


@pytest.mark.parametrize("function", [relu, jax.nn.gelu, jnp.sin])
def test_a_users_function_is_never_written_under_a_catalogue_name(function):
    with pytest.raises(ValueError, match="cannot be written as data"):
        to_spec(mlp(width=8, depth=1, activation=function))


@pytest.mark.slow
def test_draws_of_a_users_function_are_read_with_their_posterior_alone(tmp_path):
    network = mlp(width=8, depth=1, activation=relu)
    likelihood = bnnpost.likelihoods.Gaussian(1.0)
    posterior = bnnpost.Posterior(network, likelihood, X[:2], [0.1, 0.2])
    draws = bnnpost.prior.sample(jax.random.key(0), posterior, num_samples=3)
    draws.save(tmp_path / "draws.nc")
    with pytest.raises(ValueError, match="posterior="):
        bnnpost.load(tmp_path / "draws.nc")
    loaded = bnnpost.load(tmp_path / "draws.nc", posterior=posterior)
    assert np.array_equal(loaded.predict(X), draws.predict(X))


def test_the_quadrature_step_survives_the_round_trip():
    network = Serial([Dense(4), Activation("tanh", step=0.05), Dense(1)])
    assert from_spec(to_spec(network)).layers[1].nonlinearity.step == 0.05


@pytest.mark.parametrize("step", [0, -0.1, np.nan, 5])
def test_a_step_that_is_no_step_is_refused(step):
    with pytest.raises(ValueError, match="step"):
        Activation("tanh", step=step)


@pytest.mark.first
@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [("erf", "b", 0.7), ("rbf", "gamma", 0.6), ("cos", "c", 0.2), ("leaky_relu", "alpha", 0.1)],
)
def test_hyperparameters_can_be_traced_and_differentiated(name, parameter, value):
    def trace(v):
        activation = Activation(name, **{parameter: v})
        return nngp(mlp(depth=1, activation=activation), X[:2]).sum()

    with jax.enable_x64(True):
        slope = float(jax.grad(trace)(value))
        assert float(jax.grad(trace)(value)) == slope
        ends = [float(trace(value + h)) for h in (1e-5, -1e-5)]
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)
        assert float(trace(jnp.asarray(value))) == pytest.approx(float(trace(value)), rel=1e-14)


@pytest.mark.parametrize("name", ["relu", "abs", "tanh", "sign"])
@pytest.mark.first
def test_gradients_at_a_zero_input_without_bias_are_finite(name):
    def trace(w_std):
        return nngp(mlp(depth=1, activation=name, w_std=w_std, b_std=0.0), X).sum()

    with jax.enable_x64(True):
        slope = float(jax.grad(trace)(1.1))
        ends = [float(trace(1.1 + h)) for h in (1e-5, -1e-5)]
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


def test_duplicates_of_many_features_are_the_same_input_for_sign():
    rows = np.random.default_rng(0).normal(size=(2, 20_000))
    with jax.enable_x64(True):
        kernel = np.asarray(nngp(mlp(depth=1, activation="sign"), rows[[0, 1, 0]]))
    assert np.allclose(kernel[0], kernel[2], rtol=1e-13)


def test_a_kernel_that_is_infinite_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        nngp(mlp(depth=1, activation=Activation("gaussian", b=1.0)), X)
    with pytest.raises(ValueError, match="finite"):
        Activation("erf", a=np.nan)


@pytest.mark.slow
def test_comparison_works_without_control_variates():
    network = mlp(width=16, depth=2, activation=jnp.tanh)
    posterior = bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(0.5), X[:2], [0.1, 0.2])
    found = bnnpost.compare(jax.random.key(0), posterior, X[2:], num_proposals=400)
    assert found.attrs["controls"] == 0
    assert np.isfinite(float(found["tv"]))
