"""Draws of chains made into others: resampled, they are in no chains any more."""

import jax
import numpy as np
import pytest

import bnnpost


@pytest.fixture(scope="module")
def chains():  # so short that they cannot have converged
    x = np.arange(3.0)[:, None]
    likelihood = bnnpost.likelihoods.Gaussian(0.3)
    posterior = bnnpost.Posterior(bnnpost.mlp(width=2, depth=1), likelihood, x, np.sin(x))
    with pytest.warns(UserWarning):
        return bnnpost.hmc.sample(
            jax.random.key(0), posterior, num_samples=6, num_warmup=2, num_chains=2, method="hmc",
            step_size=1e-3, max_tree_depth=3, chain_method="vectorized",
        )  # fmt: skip


def test_resampled_draws_are_in_no_chains(chains):
    resampled = chains.resample(jax.random.key(1), 7)
    assert resampled.info.num_chains is None
    assert resampled.diagnostics()["r_hat"].shape == (3, 1)
    assert "7 resampled of 2 chain(s)" in repr(resampled)


def test_a_given_step_size_stays_as_it_is(chains):
    assert chains.info.chains.step_size == pytest.approx((1e-3, 1e-3))
