"""Double precision whatever the user's flag, and whatever programs the user has made."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.numerics.precision import in_double_precision, unshared
from bnnpost.samplers.chains.hmc import model

KEY = jax.random.key(0)
X = np.array([[0.1, 1.0], [0.3, -1.0]]) + 1e-9  # no numbers of single precision
X_TEST = np.array([[0.7, 0.2]])


def fresh():
    network = bnnpost.mlp(width=4, depth=1, w_std=1.3, b_std=0.1)
    likelihood = bnnpost.likelihoods.Gaussian(noise_std=0.3)
    return bnnpost.Posterior(network, likelihood, X, np.array([0.4, -0.3]))


def held_by_a_program(posterior):
    """The posterior, with all its arrays in a program of single precision, which is returned."""
    leaves = [leaf for leaf in jax.tree.leaves(posterior) if isinstance(leaf, np.ndarray)]
    assert len(leaves) > 5

    @jax.jit
    def program(number):
        return sum(jnp.sum(number + leaf) for leaf in leaves)

    assert program(1.0).dtype == np.float32
    return posterior, program


@pytest.mark.parametrize(
    "compute",
    [
        lambda posterior: bnnpost.rejection.sample(KEY, posterior, num_samples=4).predict(X_TEST),
        lambda posterior: bnnpost.limit(posterior).mean(X_TEST),
        lambda posterior: bnnpost.nngp(posterior.network, posterior.x),
    ],
    ids=["rejection", "limit", "nngp"],
)
def test_programs_of_the_user_in_single_precision_change_nothing(compute):
    held, program = held_by_a_program(fresh())
    np.testing.assert_array_equal(compute(held), compute(fresh()))
    assert program(1.0).dtype == np.float32


@pytest.mark.slow
def test_nor_do_programs_that_hold_the_posterior_of_draws():
    draws, same = (bnnpost.prior.sample(KEY, fresh(), num_samples=4) for _ in range(2))
    _, program = held_by_a_program(draws.posterior)
    np.testing.assert_array_equal(draws.function(0)(X_TEST), same.function(0)(X_TEST))
    assert program(1.0).dtype == np.float32


def test_without_views_such_a_program_ends_in_an_error():
    """The twin: JAX's own behaviour, without which `unshared` can go."""
    held, program = held_by_a_program(fresh())
    with jax.enable_x64(True), pytest.raises(jax.errors.JaxRuntimeError, match="expected param"):
        jax.jit(lambda posterior: posterior.x)(held)
    doubled = in_double_precision(jax.jit(lambda posterior: posterior.x))(held)
    np.testing.assert_array_equal(doubled, held.x)
    assert program(1.0).dtype == np.float32


def test_views_are_of_the_same_numbers():
    posterior = fresh()
    viewed = unshared(posterior)
    assert viewed.x is not posterior.x and np.shares_memory(viewed.x, posterior.x)
    assert unshared(X) is not X and unshared("x") == "x"


def test_a_model_of_numpyro_leaves_the_posterior_in_double_precision():
    import numpyro

    posterior = fresh()
    described = jax.jit(lambda key: numpyro.handlers.seed(model(posterior), key)())
    assert described(KEY) is None
    np.testing.assert_array_equal(
        bnnpost.limit(posterior).mean(X_TEST), bnnpost.limit(fresh()).mean(X_TEST)
    )
