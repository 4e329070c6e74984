"""What draws by coupled chains are forecast to take is about what they take."""

import math

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost import coupled
from bnnpost.likelihoods import Gaussian
from bnnpost.networks import Activation, Dense, Serial
from bnnpost.samplers.coupled import pair_forecast
from bnnpost.samplers.coupled.bounds import tv_bound
from bnnpost.samplers.coupled.pairs import bytes_per_draw
from bnnpost.samplers.coupled.tuning import Tuned, set_up
from bnnpost.samplers.kernels.rotation import Blend, Rotation

KEY = jax.random.key(3)
NETWORK = Serial([Dense(3, b_std=0.5), Activation("erf"), Dense(1)])
X, Y = np.array([[-1.0], [0.3]]), np.array([0.4, -0.7])
POSTERIOR = bnnpost.Posterior(NETWORK, Gaussian(0.3), X, Y)
GOAL = {"num_samples": 70, "tolerance": 0.08, "kernel": "hmc"}


@pytest.fixture(scope="module")
def found():
    return coupled.forecast(KEY, POSTERIOR, **GOAL)


@pytest.mark.slow
def test_the_run_finds_what_the_forecast_found_and_takes_about_as_long(found):
    draws = coupled.sample(KEY, POSTERIOR, **GOAL)
    record = draws.info.coupled
    assert (found.lag, found.kernel) == (record.lag, record.kernel)
    assert found.settings["angle"] == record.angle
    assert f"each of {record.transition()}" in found.summary()
    assert 0.4 < record.step / found.step < 2.5
    assert found.seconds == 70 * found.seconds_per_pair > 0
    # Compilation is not in it, other processes may be beside it.
    assert found.seconds < 20 * (draws.info.seconds - record.pilot_seconds)


@pytest.mark.slow
def test_the_summary_has_the_numbers(found):
    said = found.summary()
    assert "70 draws within 0.08 of the posterior" in said
    assert f"after about {found.step} steps" in said and f"the lag is {found.lag}" in said
    assert f"the last after {max(found.meeting_times)}" in said
    assert "less than 0.1 GiB of memory" in said
    # Of each draw, three times: as it was kept, at the last step, and in one array with the others.
    target = set_up(KEY, POSTERIOR).programs.target
    assert found.num_bytes == 3 * 70 * bytes_per_draw(target)


def test_the_step_of_exponential_times():
    """Of the least plus an exponential of the right mean: as of many such pairs, about."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(60):
        times = 20 + np.ceil(rng.exponential(15.0, 8)).astype(int)
        tuned = Tuned(Blend(Rotation(0.1, 0.9, 3), 0.05), int(np.median(times)), times, 0)
        step = pair_forecast.predicted_step(tuned, 1000, 0.01)
        run = 20 + np.ceil(rng.exponential(15.0, 1000)).astype(int) + tuned.lag
        first = tv_bound(run, tuned.lag).first_below(0.01)
        if first is not None:
            ratios.append(step / first)
    assert len(ratios) > 45
    assert 0.8 < np.median(ratios) < 1.25
    assert np.quantile(ratios, 0.1) > 0.5 and np.quantile(ratios, 0.9) < 2
    # More draws, or a larger tolerance, are reached earlier; never before X is kept.
    few, many = (pair_forecast.predicted_step(tuned, n, 0.08) for n in (60, 5000))
    assert few > many >= tuned.first_kept
    assert pair_forecast.predicted_step(tuned, 1000, 0.99) == tuned.first_kept


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="at least 404 samples"):
        coupled.forecast(KEY, POSTERIOR, num_samples=100)
    with pytest.raises(ValueError, match="lag"):
        coupled.forecast(KEY, POSTERIOR, lag=0)
    with pytest.raises(TypeError, match="Posterior"):
        coupled.forecast(KEY, NETWORK)
    narrow = bnnpost.Posterior(NETWORK, Gaussian(1e-4), X, Y)
    with pytest.raises(coupled.NotMet, match="do not meet in 5 steps"):
        coupled.forecast(KEY, narrow, max_steps=5, kernel="hmc")


def test_equal_times_have_no_tail():
    tuned = Tuned(Blend(Rotation(0.1, 0.9, 3), 0.05), 5, np.full(8, 5), 0)
    step = pair_forecast.predicted_step(tuned, 404, 0.01)
    assert step == tuned.first_kept and not math.isnan(step)
