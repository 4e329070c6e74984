"""Chains against importance draws: a mode that no chain visits is told, right chains are not.

The level is 1e-5 for a set of right chains; seeds are fixed.
"""

import dataclasses
import warnings

import numpy as np
import pytest

import bnnpost
from bnnpost.samplers.chains import ConvergenceWarning, EllipticalSlice, chain_draws
from bnnpost.samplers.chains.run import ChainsPlan, Runner, run_chains
from bnnpost.spaces import cells
from tests.samplers import cases, likelihood_cases
from tests.samplers.test_two_modes import PROBLEMS

POSTERIOR = PROBLEMS["two points"].posterior()


def in_one_mode():
    """Chains whose noise starts and moves around the first fit alone."""
    size = {"num_samples": 1000, "num_warmup": 200}
    chains = ChainsPlan.make(cases.key(0), POSTERIOR, EllipticalSlice(), **size)
    mixture = chains.space.guide.mixture
    first = mixture.log_masses[len(mixture.log_whole)]
    guide = dataclasses.replace(
        chains.space.guide, moments=cells.log_var_moments(mixture.edges, first)
    )
    begun = chains.contents()._replace(space=dataclasses.replace(chains.space, guide=guide))
    chains = chains.as_written(begun, {})
    *_, done = run_chains(Runner(chains))
    return chain_draws.draws(chains, done, 0.0)


@pytest.mark.slow
def test_a_mode_that_no_chain_visits_is_told():
    with pytest.warns(ConvergenceWarning, match="contradict the chains.*a mode that none visits"):
        draws = in_one_mode()
    chains = draws.info.chains
    signs = draws.training_outputs()[:, 0, 0] > 0
    # What they miss, and what the chains themselves say of it.
    assert np.mean(signs) < 0.01 or np.mean(signs) > 0.99
    assert chains.r_hat < 1.01 and chains.ess_bulk > 400
    assert chains.contradicted


@pytest.mark.slow
def test_chains_between_both_modes_are_left_alone():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draws = bnnpost.elliptical_slice.sample(cases.key(1), POSTERIOR, num_samples=2000)
    chains = draws.info.chains
    assert not chains.contradicted and chains.cross_check.endswith("agree")
    assert 0.35 < np.mean(draws.training_outputs()[:, 0, 0] > 0) < 0.65
    assert "no mode that no chain visits" in chains.summary()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["student-t", "unknown std", "logit", "softmax"])
def test_right_chains_are_left_alone(name):
    posterior = likelihood_cases.posterior(name)
    draws = bnnpost.elliptical_slice.sample(cases.key(2), posterior, num_samples=2000)
    assert draws.info.chains.cross_check.endswith("agree")


@pytest.mark.slow
def test_chains_too_short_are_not_compared():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        draws = bnnpost.pcn.sample(
            cases.key(3), POSTERIOR, num_samples=100, num_warmup=10, num_chains=2
        )
    assert "too short" in draws.info.chains.cross_check and not draws.info.chains.contradicted
