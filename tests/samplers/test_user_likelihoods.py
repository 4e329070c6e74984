"""Likelihoods of a user's own: bounds that are checked, NaN that is counted, LAPACK."""

import jax
import numpy as np
import pytest
import scipy.stats

import bnnpost
from bnnpost.samplers.plan import BoundExceeded
from bnnpost.samplers.trials import trial
from bnnpost.spaces import engine
from bnnpost.spaces.making import make_space
from tests.samplers import cases, checks
from tests.samplers.user_likelihoods import SEEN, Recording, UnitNoise, WithCholesky, one_point

NUM_PROPOSALS = 2**16
LIMIT, Y, NEVER = np.float64(1.0), 0.7, np.float64(np.inf)


def test_evidence_and_moments_of_a_likelihood_by_hand():
    # f ~ N(0, 1) and unit noise: y ~ N(0, 2) and f | y ~ N(y/2, 1/2).
    run = cases.run(one_point(UnitNoise(NEVER), y=Y), NUM_PROPOSALS)
    expected = scipy.stats.norm(0, np.sqrt(2)).logpdf(Y)
    assert abs(checks.evidence_z(run.info, expected)) < checks.LIMIT
    values = run.training_outputs()[:, 0, 0]
    standard = (values - Y / 2) / np.sqrt(0.5)
    assert checks.normal_z(standard) < checks.LIMIT
    assert (run.info.kind, run.info.bound, run.space.collapse) == ("exact", "naive", False)


def test_nan_weights_are_an_error_that_counts_them():
    with pytest.raises(FloatingPointError, match=r"\d+ of 65536 log weights are NaN.*allow_nan"):
        cases.run(one_point(UnitNoise(LIMIT), y=Y), NUM_PROPOSALS)


def test_allowed_nan_weights_are_counted_and_never_accepted():
    run = cases.run(one_point(UnitNoise(LIMIT), y=Y), NUM_PROPOSALS, allow_nan=True)
    share = scipy.stats.norm.sf(LIMIT)
    spread = np.sqrt(NUM_PROPOSALS * share * (1 - share))
    assert abs(run.info.num_nan - NUM_PROPOSALS * share) < checks.LIMIT * spread
    values = run.training_outputs()[:, 0, 0]
    assert len(values) > 1000
    assert values.max() <= LIMIT
    # They count as weight 0, so f | y is N(y/2, 1/2) cut off at the limit.
    law = scipy.stats.norm(Y / 2, np.sqrt(0.5))
    assert checks.uniform_z(law.cdf(values) / law.cdf(LIMIT)) < checks.LIMIT
    expected = scipy.stats.norm(0, np.sqrt(2)).logpdf(Y) + np.log(law.cdf(LIMIT))
    assert abs(checks.evidence_z(run.info, expected)) < checks.LIMIT


def test_nothing_but_nan():
    run = cases.run(one_point(UnitNoise(-NEVER), y=Y), NUM_PROPOSALS, allow_nan=True)
    assert (run.info.num_nan, run.info.num_samples) == (NUM_PROPOSALS, 0)
    assert run.info.log_evidence == -np.inf
    assert run.info.acceptance_rate == 0


@pytest.mark.parametrize("excess", [1e-3, 5.0])
def test_a_bound_that_is_too_low_is_an_error_that_names_the_excess(excess):
    with pytest.raises(BoundExceeded, match="exceeds the log bound") as raised:
        cases.run(one_point(UnitNoise(NEVER, excess), y=Y), NUM_PROPOSALS)
    # Among so many draws one comes within 1e-6 nats of the supremum.
    assert f"by {excess:.3g} nats" in str(raised.value)


def test_a_bound_that_is_exact_to_rounding_is_no_error():
    run = cases.run(one_point(UnitNoise(NEVER, 1e-12), y=Y), NUM_PROPOSALS)
    assert run.info.num_samples > 1000


def test_a_likelihood_is_shown_columns_in_double_precision():
    SEEN.clear()
    run = cases.run(one_point(Recording(NEVER), y=Y), 100)
    assert run.info.num_proposals == 100
    assert set(SEEN) == {((1, 1), "float64", (1, 1), "float64")}


@pytest.mark.slow
def test_likelihoods_with_library_calls_get_one_thread():
    spaces = {kind: make_space(one_point(kind(NEVER), y=Y)) for kind in (UnitNoise, WithCholesky)}
    threads = {
        kind: engine.Calls(engine.Each(trial, 2), space, jax.random.key(0), (), 2).threads
        for kind, space in spaces.items()
    }
    assert threads[WithCholesky] == 1
    assert threads[UnitNoise] >= 1
    one, other = (cases.run(one_point(kind(NEVER), y=Y), 1000) for kind in spaces)
    np.testing.assert_array_equal(one.proposal_numbers, other.proposal_numbers)


def test_predictive_needs_a_likelihood_that_can_be_drawn_from():
    draws = bnnpost.rejection.sample(
        jax.random.key(0), one_point(UnitNoise(NEVER), y=Y), num_samples=10
    )
    with pytest.raises(TypeError, match=r"UnitNoise does not say .* define sample"):
        draws.predictive(jax.random.key(1), np.ones((1, 1)))
    with pytest.raises(ValueError, match="collapsed readout"):
        draws.mixture(np.ones((1, 1)))


@pytest.mark.parametrize("bound", [np.inf, np.nan])
def test_a_bound_that_is_no_number_is_refused(bound):
    class Boundless(UnitNoise):
        def log_bound(self, targets):
            return bound

    with pytest.raises(ValueError, match=r"log_bound of Boundless is (inf|nan)"):
        bnnpost.rejection.sample(jax.random.key(0), one_point(Boundless(NEVER), y=Y))
