"""A kernel of the user's own, written with public names alone, takes part in everything."""

import warnings
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from tests.samplers import cases, checks
from tests.samplers.small_chains import assert_same
from tests.samplers.test_chains_one_point import surprise
from tests.samplers.test_one_point_posteriors import exact, posterior

chains = bnnpost.chains


class Walk(NamedTuple):
    """A state is any tree of arrays that has a position."""

    position: dict
    log_density: jax.Array


class RandomWalk(chains.Kernel):
    """Metropolis steps of the standard normals: the simplest kernel there is."""

    step_std: float = 0.8
    lost: float = 0.0
    name: ClassVar[str] = "random_walk"

    def init(self, key, target):
        position, log_density = chains.begin(key, target.prior, target.log_density)
        return Walk(position, log_density), log_density

    def step(self, key, state, target, adapting):
        move_key, accept_key = jax.random.split(key)
        keys = jax.random.split(move_key, len(state.position))
        proposal = {
            name: array + self.step_std * jax.random.normal(one, array.shape, array.dtype)
            for one, (name, array) in zip(keys, state.position.items(), strict=True)
        }
        log_density = target.log_density(proposal)
        gain = (1 - self.lost) * (log_density - state.log_density)
        accepted = jnp.log(jax.random.uniform(accept_key)) < gain
        new = Walk(proposal, log_density)
        state = jax.tree.map(lambda a, b: jnp.where(accepted, a, b), new, state)
        return state, {"lp": state.log_density, "acceptance_rate": jnp.exp(jnp.minimum(0.0, gain))}


PROBLEM = posterior("relu", 2)
SIZE = {"num_samples": 64, "num_warmup": 200, "num_chains": 64, "thinning": 8}
SHORT = {"num_samples": 60, "num_warmup": 40, "num_chains": 2}


def sample(kernel, size=SIZE, **options):
    """Whatever the convergence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", chains.ConvergenceWarning)
        return chains.sample(cases.key(0), PROBLEM, kernel, **size, **options)


@pytest.fixture(scope="module")
def draws():
    return sample(RandomWalk())


@pytest.mark.slow
def test_its_draws_have_the_exact_posterior(draws):
    assert surprise(draws, *exact("relu", 2)) < checks.LIMIT


def test_one_that_is_wrong_is_caught():
    assert surprise(sample(RandomWalk(lost=0.5)), *exact("relu", 2)) > checks.LIMIT


def test_its_chains_are_told_of_and_held_against_importance_draws(draws):
    info = draws.info.chains
    assert info.sampler == "random_walk" and "agree" in info.cross_check
    assert info.num_evaluations == info.num_steps == 64 * 64 * 8
    assert 0 < draws.info.acceptance_rate < 1
    view = draws.to_arviz()
    assert view["sample_stats"]["lp"].shape == (64, 64)
    np.testing.assert_array_equal(view["posterior"]["f_train"].values.reshape(-1, 1, 1),
                                  draws.training_outputs())  # fmt: skip


@pytest.mark.slow
def test_its_files_are_gone_on_with_and_read(tmp_path):
    sample(RandomWalk(), {**SHORT, "num_samples": 30}, directory=tmp_path)
    whole = sample(RandomWalk(), SHORT)
    assert_same(sample(RandomWalk(), SHORT, directory=tmp_path), whole)
    assert_same(bnnpost.load(tmp_path / "draws.nc", posterior=PROBLEM), whole)
    with pytest.raises(ValueError, match=r"other settings \(step_std 0.8 → 0.5\)"):
        sample(RandomWalk(0.5), SHORT, directory=tmp_path)


@pytest.mark.slow
def test_it_is_verified(draws):
    reference = bnnpost.rejection.sample(cases.key(1), PROBLEM, num_samples=1000)
    x_test = exact("relu", 2)[0]
    assert bnnpost.verify(cases.key(2), draws, reference, x_test).passed
    wrong = sample(RandomWalk(lost=0.5))
    assert not bnnpost.verify(cases.key(2), wrong, reference, x_test).passed


def test_what_is_no_kernel_is_refused():
    with pytest.raises(TypeError, match=r"expected a bnnpost\.chains\.Kernel, got str"):
        chains.sample(cases.key(0), PROBLEM, "nuts")
