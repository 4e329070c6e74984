"""Capped rejection: weighted draws target the posterior whatever the cap, and say what they are."""

import functools

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.draws.arviz_view import pareto_k
from bnnpost.samplers import plan
from tests.samplers import cases, checks
from tests.samplers.cases import X_TEST, Case

CASE = Case(2, 1, "relu", 1, noise_std=0.3)
NUM_DRAWS = 2**12
# Log caps over the log evidence: with most of the posterior above it, and with a little.
LOW, HIGH = -2.0, 0.3


@functools.cache
def reference():
    return CASE.importance(seed=11, num=2**17)


@functools.cache
def sampled(over, num_samples=NUM_DRAWS, seed=0, **options):
    cap = None if over is None else reference().log_evidence + over
    return bnnpost.rejection.sample(
        cases.key(seed),
        CASE.posterior(),
        num_samples=num_samples,
        bound="capped",
        cap=cap,
        **options,
    )


def mean_surprise(values, weights, expected, expected_se):
    """How far a self-normalised weighted mean over axis 0 is from a number."""
    weights = weights / weights.sum()
    mean = np.tensordot(weights, values, axes=1)
    deviations = weights.reshape(-1, *[1] * (values.ndim - 1)) * (values - mean)
    return (mean - expected) / np.sqrt(np.sum(deviations**2, axis=0) + expected_se**2)


def moment_surprises(draws, weights):
    known, first = reference(), len(cases.X)
    values = draws.predict(X_TEST)
    yield mean_surprise(values, weights, known.means[first:], known.means_se[first:])
    squares = (values - known.means[first:]) ** 2
    yield mean_surprise(squares, weights, known.variances[first:], known.variances_se[first:])


@pytest.mark.parametrize(
    "over", [*(pytest.param(cap, marks=pytest.mark.slow) for cap in (LOW, HIGH)), None]
)
def test_weighted_draws_have_the_posteriors_moments(over):
    draws = sampled(over)
    surprises = moment_surprises(draws, np.exp(draws.log_weights))
    assert checks.worst(*surprises) < checks.LIMIT


def test_ignoring_the_weights_of_a_low_cap_would_be_told():
    draws = sampled(LOW)
    assert draws.info.num_excess > 1000
    assert checks.worst(*moment_surprises(draws, np.ones(len(draws)))) > checks.LIMIT


@pytest.mark.parametrize("over", [LOW, HIGH, None])
def test_evidence_does_not_depend_on_the_cap(over):
    known, info = reference(), sampled(over).info
    surprise = checks.evidence_z(info, known.log_evidence, known.log_evidence_se)
    assert abs(surprise) < checks.LIMIT


def test_the_record_of_a_capped_run():
    draws = sampled(HIGH)
    info, weights = draws.info, np.exp(draws.log_weights)
    assert (info.kind, info.bound, info.complete) == ("capped", "capped", True)
    assert info.log_bound == pytest.approx(reference().log_evidence + HIGH)
    assert np.all(draws.log_weights >= 0)
    assert info.effective_sample_size == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    # Every proposal above the cap was accepted; those of the last block may be beyond the draws.
    assert info.num_excess >= np.sum(draws.log_weights > 0) > 0
    spread = np.sqrt(info.acceptance_rate / info.num_proposals)
    accepted = draws.proposal_numbers[-1] + 1
    assert len(draws) / float(accepted) == pytest.approx(info.acceptance_rate, abs=6 * spread)


@pytest.mark.slow
def test_what_is_said_of_ignoring_the_weights():
    # All proposals, cap included: sums over them are the quantities themselves.
    posterior, cap = CASE.posterior(), reference().log_evidence + HIGH
    key, num = cases.key(4), 2**15
    draws = bnnpost.rejection.sample(
        key, posterior, num_samples=cases.ALL, bound="capped", cap=cap, max_proposals=num
    )
    estimate = bnnpost.importance.estimate(key, posterior, X_TEST, num_proposals=num)
    weights = np.exp(estimate.log_weights - cap)
    clipped = np.minimum(weights, 1.0)
    tv = 0.5 * np.abs(weights / weights.sum() - clipped / clipped.sum()).sum()
    info = draws.info
    assert info.num_excess == np.sum(weights > 1)
    assert info.excess_mass == pytest.approx((weights - clipped).sum() / weights.sum())
    assert info.acceptance_rate == pytest.approx(clipped.mean())
    assert info.tv_unweighted == pytest.approx(tv)
    assert tv < info.tv_unweighted_upper < tv + 0.05
    assert info.pareto_k == pytest.approx(pareto_k(estimate.log_weights), abs=1e-6)


def test_a_cap_above_every_weight_leaves_equal_weights():
    draws = sampled(30.0, 20, max_proposals=10**6)
    assert (draws.info.num_excess, draws.info.excess_mass) == (0, 0)
    np.testing.assert_array_equal(draws.log_weights, 0)
    assert draws.info.kind == "capped"
    assert draws.info.tv_unweighted == 0 < draws.info.tv_unweighted_upper


@pytest.mark.slow
def test_a_strict_run_is_the_one_with_its_bound_as_cap():
    strict = bnnpost.rejection.sample(cases.key(0), CASE.posterior(), num_samples=100)
    same = bnnpost.rejection.sample(
        cases.key(0),
        CASE.posterior(),
        num_samples=100,
        bound="capped",
        cap=strict.info.log_bound,
    )
    np.testing.assert_array_equal(same.proposal_numbers, strict.proposal_numbers)
    assert (strict.info.kind, same.info.kind) == ("exact", "capped")


def test_the_chosen_cap_leaves_one_per_cent_of_the_pilot():
    log_weights = np.random.default_rng(0).standard_normal(4000)
    weights = np.exp(log_weights)
    cap = np.exp(plan.choose_cap(log_weights))
    assert np.maximum(weights - cap, 0).sum() / weights.sum() <= 0.01
    smaller = np.max(weights[weights < cap])
    assert np.maximum(weights - smaller, 0).sum() / weights.sum() > 0.01
    assert plan.choose_cap(np.append(log_weights, np.nan)) == pytest.approx(np.log(cap))


def test_a_pilot_without_weights_is_an_error():
    with pytest.raises(ValueError, match="no proposal of the pilot has a positive weight"):
        plan.choose_cap(np.full(10, -np.inf))


@pytest.mark.parametrize(
    ("shape", "low", "high"), [(0.3, 0.15, 0.45), (0.9, 0.75, 1.1)], ids=["light", "heavy"]
)
def test_pareto_k_is_the_shape_of_the_tail(shape, low, high):
    uniform = np.random.default_rng(1).uniform(size=20_000)
    assert low < pareto_k(-shape * np.log(uniform)) < high
    assert np.isnan(pareto_k(np.zeros(5)))


@pytest.mark.slow
def test_a_heavy_tail_withholds_the_distance():
    # Whole networks against little noise: a few proposals carry everything.
    posterior = cases.with_noise(CASE.posterior(), 0.1)
    draws = bnnpost.rejection.sample(
        cases.key(0),
        posterior,
        num_samples=cases.ALL,
        bound="capped",
        cap=-30.0,
        max_proposals=2000,
        collapse=False,
    )
    assert draws.info.pareto_k > 0.7
    assert draws.info.tv_unweighted is None
    assert draws.info.tv_unweighted_upper is None


def test_resampled_draws_are_equally_weighted():
    draws = sampled(LOW)
    resampled = draws.resample(jax.random.key(5))
    assert (resampled.info.kind, len(resampled)) == ("resampled", len(draws))
    assert resampled.info.effective_sample_size == draws.info.effective_sample_size
    np.testing.assert_array_equal(resampled.log_weights, 0)
    # Systematic: within one of what the weights say.
    weights = np.exp(draws.log_weights)
    expected = len(draws) * weights / weights.sum()
    counts = np.sum(resampled.proposal_numbers[None] == draws.proposal_numbers[:200, None], axis=1)
    assert np.max(np.abs(counts - expected[:200])) < 1
    assert len(draws.resample(jax.random.key(5), 10)) == 10


@pytest.mark.slow
def test_the_arviz_view_of_a_capped_run_is_resampled_and_says_so():
    view = sampled(LOW).to_arviz(X_TEST)
    view = getattr(view, "to_datatree", lambda: view)()
    assert "repeating draws" in view["posterior"].attrs["weights"]
    numbers = np.asarray(view["sample_stats"]["proposal_number"]).ravel()
    assert len(np.unique(numbers)) < len(numbers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bound": "loose"}, "expected bound to be one of strict, "),
        ({"cap": 1.0}, 'pass bound="capped"'),
        ({"bound": "capped", "cap": np.inf}, "finite number of nats"),
    ],
)
def test_bad_bounds(options, message):
    with pytest.raises(ValueError, match=message):
        bnnpost.rejection.sample(cases.key(0), CASE.posterior(), **options)


def test_saved_capped_draws_keep_their_weights_and_record(tmp_path):
    draws = sampled(LOW)
    draws.save(tmp_path / "draws.nc")
    loaded = bnnpost.load(tmp_path / "draws.nc")
    np.testing.assert_array_equal(loaded.log_weights, draws.log_weights)
    assert loaded.info == draws.info
    np.testing.assert_array_equal(loaded.mixture(X_TEST).log_weights, draws.log_weights)


@pytest.mark.first
@pytest.mark.parametrize("cap", [-2000.0, -300.0])
def test_a_cap_far_below_all_weights_accepts_every_proposal(cap):
    draws = bnnpost.rejection.sample(
        cases.key(0), Case().posterior(), num_samples=200, bound="capped", cap=cap
    )
    info = draws.info
    assert draws.proposal_numbers.tolist() == list(range(200))
    assert info.acceptance_rate == 1.0
    assert info.excess_mass == pytest.approx(1.0)
    assert info.num_excess >= 200
