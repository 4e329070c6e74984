"""Acceptance counts at very small probabilities: a uniform in float32 would get them wrong.

At 10⁷ proposals the counts alone cannot tell a float32 uniform (it accepts one proposal in
8 million too many); the crafted bits of tests/numerics/test_random.py can, and
benchmarks/threshold_tail.py repeats these counts at 10⁸.
"""

import numpy as np
import pytest

from tests.samplers import cases, checks, user_likelihoods

pytestmark = pytest.mark.optimised

NUM_PROPOSALS = 10**7


def count(log_weight, seed, shift=0.0):
    likelihood = user_likelihoods.Constant(np.float64(log_weight + shift))
    run = cases.run(user_likelihoods.one_point(likelihood), NUM_PROPOSALS, seed)
    assert run.info.num_proposals == NUM_PROPOSALS
    assert run.info.log_evidence == pytest.approx(log_weight + shift)
    return run.info.num_samples


SLOW = [pytest.param(log_weight, marks=pytest.mark.slow) for log_weight in (-12.0, -16.0)]


@pytest.mark.parametrize("log_weight", [-10.0, -14.0, *SLOW])
@pytest.mark.first
def test_counts_are_poisson(log_weight):
    accepted = count(log_weight, seed=int(-log_weight))
    assert checks.poisson_z(accepted, NUM_PROPOSALS * np.exp(log_weight)) < checks.LIMIT


@pytest.mark.slow
def test_nothing_is_accepted_at_minus_forty():
    # A right sampler accepts one with probability 4e-11.
    assert count(-40.0, seed=40) == 0


def test_a_weight_half_a_nat_off_is_caught():
    accepted = count(-10.0, seed=10, shift=0.5)
    assert checks.poisson_z(accepted, NUM_PROPOSALS * np.exp(-10.0)) > checks.LIMIT


def test_a_weight_at_its_bound_is_always_accepted():
    likelihood = user_likelihoods.Constant(np.float64(0.0))
    run = cases.run(user_likelihoods.one_point(likelihood), 2**16)
    assert run.info.num_samples == 2**16
    np.testing.assert_array_equal(run.proposal_numbers, np.arange(2**16))
