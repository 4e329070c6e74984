"""From a posterior to a verdict on the sampler of another package: three lines."""

import blackjax
import jax
import jax.numpy as jnp
import numpyro
import pytest

import bnnpost
from bnnpost.likelihoods import Gaussian

BLACKJAX = """
start, log_density, unravel = posterior.flat(key)
states = blackjax.util.run_inference_algorithm(key, blackjax.nuts(log_density, 0.3, jnp.ones(start.shape)), 800, initial_position=start)[1][0]
report = bnnpost.verify(key, states.position, posterior)
"""  # noqa: E501
NUMPYRO = """
mcmc = numpyro.infer.MCMC(numpyro.infer.NUTS(potential_fn=lambda z: -posterior.log_density(z)), num_warmup=200, num_samples=600, progress_bar=False)
mcmc.run(key, init_params=posterior.network.init(key, 10))
report = bnnpost.verify(key, mcmc, posterior)
"""  # noqa: E501


@pytest.mark.slow
@pytest.mark.parametrize("lines", [BLACKJAX, NUMPYRO], ids=["blackjax", "numpyro"])
def test_three_lines_are_enough(lines):
    assert len(lines.strip().splitlines()) == 3
    x, y, *_ = bnnpost.datasets.diabetes_problem(3, 1)
    posterior = bnnpost.Posterior(bnnpost.mlp(width=4, depth=1), Gaussian(0.7), x, y)
    names = {"posterior": posterior, "key": jax.random.key(2), "bnnpost": bnnpost, "jnp": jnp}
    exec(lines, names | {"blackjax": blackjax, "numpyro": numpyro}, found := {})
    assert found["report"].passed
