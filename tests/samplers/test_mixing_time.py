"""How long a warmup is enough: bounds for plain chains, and warmups that are measured.

One comparison in 5e8 is off by six standard errors by chance.
"""

import functools
import math
import warnings

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost import chains, coupled
from bnnpost.likelihoods import Gaussian
from bnnpost.samplers.coupled import mixing_time
from bnnpost.samplers.coupled.pairs import Pairs
from tests.samplers.checks import LIMIT, same_law_z, same_mean_z, worst
from tests.samplers.coupled_pairs import NETWORK, POSTERIOR, X, Y, programs

KEY = jax.random.key(5)
FEW = {"num_pairs": 120, "tolerance": 0.1}


@functools.cache
def exact_values(count=20_000):
    draws = bnnpost.rejection.sample(jax.random.key(9), POSTERIOR, num_samples=count)
    return draws.training_outputs()[:, :, 0]


@functools.cache
def judged(kernel):
    return bnnpost.mixing(KEY, POSTERIOR, kernel, **FEW)


@pytest.mark.parametrize("kernel", ["hmc", "pcn", "slice"])
@pytest.mark.slow
def test_a_bound_for_each_kernel(kernel):
    found = judged(kernel)
    assert found.kernel.name == kernel
    assert len(found.meeting_times) == 120
    assert np.all(found.meeting_times > found.lag)
    assert np.all(np.diff(found.tv) <= 0)
    assert np.all(found.tv <= found.tv_upper)
    assert found.tv_upper[found.warmup] <= 0.1 < found.tv_upper[found.warmup - 1]
    assert f"{kernel}: after {found.warmup} transitions at most 0." in found.summary()


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["pcn", "slice"])
@pytest.mark.parametrize("kept", [0, 2, 6])
def test_the_distance_of_a_chain_is_below_its_bound(kernel, kept):
    """The largest difference of two distribution functions is a lower bound of the distance."""
    found = bnnpost.mixing(KEY, POSTERIOR, kernel, num_pairs=1500)
    some = Pairs(programs(), found.kernel, jax.random.key(kept), found.lag)
    given = [one.given for one in some.run(range(1500), kept, 500)]
    f, grid = outputs(given), np.linspace(-1.5, 1.5, 61)
    below = [np.mean(values[:, :, None] <= grid, axis=0) for values in (f, exact_values())]
    apart, error = np.max(np.abs(below[0] - below[1])), math.sqrt(0.25 / 1500 + 0.25 / 20_000)
    assert apart < found.tv_upper[min(kept, len(found.tv) - 1)] + LIMIT * error
    if kept == 0:
        assert apart > 4 * error  # the prior is told


def outputs(given):
    """f at the training inputs."""
    stacked = jax.tree.map(lambda *arrays: np.stack(arrays), *given)
    numbers, nothing = np.arange(len(given), dtype=np.uint64), np.zeros(len(given))
    info = bnnpost.draws.DrawsInfo("coupled")
    draws = bnnpost.Draws(programs().target.space, KEY, numbers, nothing, info, stacked)
    return draws.training_outputs()[:, :, 0]


@pytest.mark.slow
def test_a_narrow_step_needs_a_longer_warmup():
    small = bnnpost.mixing(KEY, POSTERIOR, chains.CrankNicolson(0.2), **FEW)
    assert small.kernel.settings() == {"step_size": pytest.approx(0.2)}
    assert small.warmup > judged("pcn").warmup


@pytest.mark.parametrize(
    ("kernel", "options", "message"),
    [
        ("nuts", FEW, "nuts .* is not coupled"),
        (chains.Hamiltonian("hmc", "leapfrog"), FEW, "not coupled"),
        ("gibbs", FEW, "expected kernel"),
        ("pcn", {"num_pairs": 100, "tolerance": 0.01}, "expected at least 404"),
        ("pcn", {"tolerance": 1.5}, "tolerance"),
        ("pcn", {**FEW, "lag": 0}, "lag"),
    ],
)
def test_what_cannot_be_judged(kernel, options, message):
    with pytest.raises(ValueError, match=message):
        bnnpost.mixing(KEY, POSTERIOR, kernel, **options)


@pytest.mark.slow
def test_chains_that_do_not_meet_are_not_judged(monkeypatch):
    narrow = bnnpost.Posterior(NETWORK, Gaussian(1e-4), X, Y)
    with pytest.raises(coupled.NotMet, match="do not meet in 5 steps"):
        bnnpost.mixing(KEY, narrow, "pcn", max_steps=5)
    with pytest.raises(TypeError, match="Posterior"):
        bnnpost.mixing(KEY, NETWORK, "pcn")
    monkeypatch.setattr(mixing_time, "set_up", few_steps)
    found = bnnpost.mixing(KEY, POSTERIOR, "pcn", **FEW)
    assert found.warmup is None
    assert found.tv_upper.tolist() == [1.0]
    assert "did not meet in 1 transitions: nothing is known" in found.summary()


def few_steps(*given, **more):
    from bnnpost.samplers.coupled.tuning import set_up

    return set_up(*given, **more)._replace(max_steps=1)


@pytest.mark.slow
def test_so_few_pairs_that_they_show_nothing_so_small():
    found = bnnpost.mixing(KEY, POSTERIOR, "slice", num_pairs=40, tolerance=0.1, lag=1)
    assert found.warmup is None
    assert "40 pairs met" in found.summary()
    assert "and 0.1 was asked for" in found.summary()


SAMPLERS = {
    "pcn": bnnpost.pcn.sample,
    "slice": bnnpost.elliptical_slice.sample,
    "hmc": functools.partial(bnnpost.hmc.sample, method="hmc", space="functions"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n if n == "pcn" else pytest.param(n, marks=pytest.mark.slow) for n in SAMPLERS]
)
def test_a_warmup_that_is_measured(name, monkeypatch):
    monkeypatch.setattr(mixing_time, "_NUM_PAIRS", 120)
    monkeypatch.setattr(mixing_time, "_TOLERANCE", 0.1)
    options = {"num_chains": 2, "num_samples": 800, "cross_check": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        draws = SAMPLERS[name](KEY, POSTERIOR, num_warmup="measured", **options)
        again = SAMPLERS[name](KEY, POSTERIOR, num_warmup="measured", **options)
    record = draws.info.chains
    assert 0 < record.num_warmup < 200
    assert record.warmup_tv_upper <= 0.1
    assert f"measured warmup of {record.num_warmup}, which leaves" in record.summary()
    f = draws.training_outputs()[:, :, 0]
    np.testing.assert_array_equal(again.training_outputs()[:, :, 0], f)
    thinned = f[:: max(1, math.ceil(len(f) / record.ess_bulk))]
    exact = exact_values()
    assert worst(same_mean_z(thinned, exact), same_mean_z(thinned**2, exact**2)) < LIMIT
    assert worst([same_law_z(a, b) for a, b in zip(thinned.T, exact.T, strict=True)]) < LIMIT


def test_what_has_no_measured_warmup():
    with pytest.raises(ValueError, match="not coupled"):
        bnnpost.hmc.sample(KEY, POSTERIOR, space="functions", num_warmup="measured")
    with pytest.raises(ValueError, match='space="functions"'):
        bnnpost.hmc.sample(KEY, POSTERIOR, method="hmc", num_warmup="measured")
    with pytest.raises(TypeError, match="num_warmup"):
        bnnpost.pcn.sample(KEY, POSTERIOR, num_warmup="long")
