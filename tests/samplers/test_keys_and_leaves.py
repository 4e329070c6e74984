"""Keys whose numbers depend on the batch, and hyperparameters given as JAX arrays."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from tests.samplers import cases
from tests.samplers.cases import X_TEST, Case, X


@pytest.mark.parametrize("implementation", ["rbg", "unsafe_rbg"])
def test_a_draw_is_its_number_or_its_key_is_refused(implementation):
    # Under vmap these generators give all draws of a batch numbers that hang on the first key.
    key = jax.random.key(0, impl=implementation)
    try:
        draws = bnnpost.rejection.sample(key, Case().posterior(), num_samples=10)
    except (TypeError, ValueError):
        return
    trained = draws.training_outputs()
    _, outputs = cases.forward(draws.parameters(3), Case(), X)
    np.testing.assert_allclose(outputs, trained[3], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_hyperparameters_may_be_jax_arrays():
    network = bnnpost.mlp(width=4, depth=1, w_std=jnp.asarray(1.5))
    likelihood = bnnpost.likelihoods.Gaussian(noise_std=jnp.asarray(0.5))
    posterior = bnnpost.Posterior(network, likelihood, X, cases.Y[:, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        draws = bnnpost.rejection.sample(cases.key(0), posterior, num_samples=3)
        assert draws.predict(X_TEST).shape == (3, 2, 1)
