"""Whether pairs of chains may propose prior draws."""

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost import coupled
from bnnpost.likelihoods import Gaussian
from bnnpost.samplers.coupled import tuning
from bnnpost.samplers.coupled.tuning import Cover, prior_cover, set_up, unseen_mass
from bnnpost.samplers.kernels.kernel import Normals
from bnnpost.spaces.making import make_space
from tests.samplers.coupled_pairs import POSTERIOR

KEY = jax.random.key(8)


def posterior(width, num_points=8, noise_std=0.1):
    x, y, *_ = bnnpost.datasets.diabetes_problem(num_points, 1)
    return bnnpost.Posterior(bnnpost.mlp(width=width, depth=1), Gaussian(noise_std), x, y)


@pytest.mark.parametrize("k", [-0.5, 0.2, 0.5])
def test_what_no_draw_has_shown(k):
    """Weights u^−k with u uniform: those above w have w^(1 − 1/k) of the sum of all."""
    rng, found, true = np.random.default_rng(4), [], []
    for _ in range(2000):
        log_weights = -k * np.log(rng.uniform(size=500))
        found.append(unseen_mass(log_weights))
        largest = np.exp(np.max(log_weights))
        true.append(largest ** (1 - 1 / k) if k > 0 else 1 - largest ** (1 - 1 / k))
    assert np.mean(found) == pytest.approx(np.mean(true), rel=0.1)


def test_weights_of_which_none_is_positive_show_nothing():
    assert unseen_mass(np.full(4000, -np.inf)) == 1


@pytest.mark.slow
def test_prior_draws_reach_a_wide_posterior_and_not_a_narrow_one():
    wide, narrow = posterior(512, noise_std=0.5), posterior(16)
    for of, complete in ((wide, True), (narrow, False)):
        cover = prior_cover(KEY, Normals.of(make_space(of, strict=False, alone=True)))
        assert cover.complete == complete
        assert cover.num_draws == (10_000 if complete else 1_000)


@pytest.mark.slow
def test_pairs_propose_prior_draws_where_these_reach_the_posterior(monkeypatch):
    record = coupled.sample(KEY, POSTERIOR, num_samples=100, tolerance=0.1).info.coupled
    assert (record.kernel, record.step_size) == ("pcn", 1.0)
    assert record.transition() == "a proposal from the prior"
    assert record.pilot_evaluations > 10_000
    monkeypatch.setattr(tuning, "prior_cover", lambda *_: Cover(False, 1000))
    assert set_up(KEY, POSTERIOR).tuned.kernel.name == "hmc"


def test_plain_chains_are_judged_by_a_kernel_that_they_have():
    with pytest.raises(ValueError, match="one of hmc, nuts, pcn, slice, got 'auto'"):
        bnnpost.mixing(KEY, POSTERIOR, "auto")
