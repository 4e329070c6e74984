"""What chains are forecast to take: which transitions there are, and how many are timed."""

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost import chains
from bnnpost.likelihoods import Gaussian
from bnnpost.networks import Activation, Dense, Serial
from bnnpost.samplers.chains import chain_forecast

KEY = jax.random.key(3)
NETWORK = Serial([Dense(3, b_std=0.5), Activation("erf"), Dense(1)])
X, Y = np.array([[-1.0], [0.3]]), np.array([0.4, -0.7])
POSTERIOR = bnnpost.Posterior(NETWORK, Gaussian(0.3), X, Y)
KERNEL = chains.CrankNicolson()
GOAL = {"num_samples": 20, "num_chains": 2, "thinning": 3}


def test_all_transitions_are_counted():
    found = chains.forecast(KEY, POSTERIOR, KERNEL, num_warmup=40, **GOAL)
    assert found.num_transitions == 40 + 20 * 3 == found.num_timed
    assert found.seconds == pytest.approx(100 * found.seconds_per_transition)
    assert found.seconds > 0
    said = found.summary()
    assert "2 chains of 100 transitions each, 40 of them warmup" in said
    assert "over the first 100" in said and "Steps are adapted in warmup" in said
    row = found.cost().row
    assert str(row["num_transitions"]) == "100" and row["num_warmup"] == 40


def test_no_more_are_timed_than_it_takes(monkeypatch):
    monkeypatch.setattr(chain_forecast, "_ENOUGH", 0.0)
    found = chains.forecast(KEY, POSTERIOR, KERNEL, num_warmup=40, **GOAL)
    assert (found.num_timed, found.num_transitions) == (1, 100)


def test_without_warmup_nothing_is_said_of_it():
    options = {**GOAL, "num_samples": 1, "num_warmup": 0}
    found = chains.forecast(KEY, POSTERIOR, KERNEL, chain_method="vectorized", **options)
    assert found.num_transitions == 3 == found.num_timed
    assert "adapted" not in found.summary()


@pytest.mark.slow
def test_memory_is_that_of_the_draws():
    few, many = (
        chains.forecast(KEY, POSTERIOR, KERNEL, num_warmup=5, num_samples=n) for n in (10, 1000)
    )
    assert many.num_bytes == 100 * few.num_bytes > 0


def test_what_chains_refuse_is_refused():
    with pytest.raises(ValueError, match="num_samples"):
        chains.forecast(KEY, POSTERIOR, KERNEL, num_samples=0)
    with pytest.raises(TypeError, match="Posterior"):
        chains.forecast(KEY, NETWORK, KERNEL)
    with pytest.raises(TypeError, match="Kernel"):
        chains.forecast(KEY, POSTERIOR, "nuts")
