"""Draws in the order of their proposals: whoever computes them, however many are asked for."""

import dataclasses
import sys
from unittest import mock

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.samplers.trials import Trial, trial
from bnnpost.spaces import engine
from bnnpost.spaces.making import make_space
from tests.samplers import cases
from tests.samplers.cases import Case

pytestmark = pytest.mark.optimised

compiled_trial = jax.jit(trial)
SMALL = {"batch": 64, "block": 256}


@pytest.fixture(scope="module")
def posterior():
    return Case().posterior()


def sample(posterior, num_samples=50, seed=0, **options):
    return bnnpost.rejection.sample(cases.key(seed), posterior, num_samples=num_samples, **options)


def with_engine(posterior, shape, threads, num_samples=50):
    """Draws made in other blocks, on other numbers of threads."""
    changed = dataclasses.replace(engine.block_shape(make_space(posterior)), **shape)
    with (
        mock.patch.object(engine, "block_shape", lambda space, num_test=0: changed),
        mock.patch.object(engine, "num_cores", lambda: threads),
    ):
        return sample(posterior, num_samples)


def test_draws_are_in_the_order_of_their_proposals(posterior):
    draws = sample(posterior)
    assert draws.proposal_numbers.dtype == np.uint64
    assert np.all(np.diff(draws.proposal_numbers.astype(np.int64)) > 0)


@pytest.mark.parametrize("num_samples", [1, 51, 400])
def test_asking_for_more_only_extends(posterior, num_samples):
    few, many = sample(posterior, num_samples), sample(posterior, 400)
    np.testing.assert_array_equal(many.proposal_numbers[:num_samples], few.proposal_numbers)
    assert len(few) == num_samples


@pytest.mark.first
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_chooses_nothing(posterior, threads):
    # Blocks so small that the draws come from many of them.
    draws = with_engine(posterior, SMALL, threads)
    assert draws.info.num_proposals >= SMALL["block"]
    reference = with_engine(posterior, SMALL, 1)
    np.testing.assert_array_equal(draws.proposal_numbers, reference.proposal_numbers)
    assert draws.info.num_proposals == reference.info.num_proposals
    assert draws.info.log_evidence == reference.info.log_evidence


@pytest.mark.first
@pytest.mark.parametrize("shape", [SMALL, {"batch": 16, "block": 512}])
def test_the_block_shape_chooses_nothing_but_ties(posterior, shape):
    one = sample(posterior).proposal_numbers
    other = with_engine(posterior, shape, 2).proposal_numbers
    last = min(one[-1], other[-1])
    different = np.setxor1d(one[one <= last], other[other <= last])
    assert len(different) <= 1
    for number in different:
        assert abs(margin(posterior, number)) < 1e-5


def margin(posterior, number):
    """By how many nats a proposal clears its threshold."""
    result, space = fate(posterior, 0, number)
    return result.threshold - (space.log_bound() - result.log_weight)


def fate(posterior, seed, number):
    """A proposal's weight and threshold, and the space that it is from."""
    space = make_space(posterior)
    with jax.enable_x64(True):
        result = compiled_trial(space, engine.proposal_key(cases.key(seed), np.uint64(number)))
        return Trial(float(result.log_weight), float(result.threshold)), space


def test_accepted_means_that_the_threshold_was_cleared(posterior):
    draws = sample(posterior, 5)
    accepted = set(draws.proposal_numbers.tolist())
    margins = {n: margin(posterior, n) for n in range(int(draws.proposal_numbers[-1]) + 1)}
    assert {n for n, value in margins.items() if value > 0} == accepted


def test_other_keys_give_other_draws(posterior):
    one, other = sample(posterior, seed=0), sample(posterior, seed=1)
    assert not np.array_equal(one.proposal_numbers, other.proposal_numbers)
    # Proposal 0 of two keys are two draws.
    results = [fate(posterior, seed, 0)[0] for seed in (0, 1)]
    assert results[0].log_weight != pytest.approx(results[1].log_weight)
    assert results[0].threshold != pytest.approx(results[1].threshold)


@pytest.mark.each(3)
@pytest.mark.parametrize("max_proposals", [1, 63, 64, 65, 300])
def test_a_run_that_reaches_max_proposals_keeps_what_it_has(posterior, max_proposals):
    everything = sample(posterior, 400).proposal_numbers
    draws = sample(posterior, 400, max_proposals=max_proposals)
    assert draws.info.complete is False
    assert draws.info.num_proposals == max_proposals
    np.testing.assert_array_equal(draws.proposal_numbers, everything[everything < max_proposals])
    assert draws.info.num_samples == len(draws) == draws.info.effective_sample_size


def test_a_run_that_finds_enough_first_is_complete(posterior):
    draws = sample(posterior, 20, max_proposals=10**6)
    assert draws.info.complete is True
    assert draws.info.num_samples == 20
    assert draws.info.num_proposals < 10**6


def test_acceptance_rate_is_the_mean_weight_over_all_proposals(posterior):
    info = sample(posterior).info
    assert info.acceptance_rate == pytest.approx(np.exp(info.log_evidence - info.log_bound))
    assert info.acceptance_rate != info.num_samples / info.num_proposals


class Terminal:
    """A terminal on which a bar is shown."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return True


def test_progress_bar_touches_no_random_number(posterior, monkeypatch):
    quiet = sample(posterior)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    loud = sample(posterior, progress=True)
    assert "accepted" in terminal.text
    np.testing.assert_array_equal(quiet.proposal_numbers, loud.proposal_numbers)


def test_no_progress_bar_where_stderr_is_no_terminal(posterior, capsys):
    sample(posterior, progress=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_samples": 0}, ValueError, "num_samples to be at least 1, got 0"),
        ({"num_samples": 2.0}, TypeError, "num_samples to be a whole number"),
        ({"num_samples": True}, TypeError, "num_samples to be a whole number"),
        ({"max_proposals": -1}, ValueError, "max_proposals to be at least 1, got -1"),
        ({"space": "function"}, ValueError, "auto, functions, weights, got 'function'"),
        ({"precision": "half"}, ValueError, "single or double, got 'half'"),
        ({"bound": "loose"}, ValueError, "got 'loose'"),
    ],
)
def test_bad_arguments_are_named(posterior, options, error, message):
    with pytest.raises(error, match=message):
        bnnpost.rejection.sample(cases.key(0), posterior, **options)


@pytest.mark.parametrize("sampler", [bnnpost.rejection.sample, bnnpost.prior.sample])
@pytest.mark.parametrize(
    ("make", "cure"),
    [
        (lambda: jax.random.PRNGKey(0), "jax.random.wrap_key_data"),
        (lambda: jax.random.split(jax.random.key(0)), "pass one of them"),
        (lambda: 3, r"jax\.random\.key"),
    ],
)
def test_keys_that_are_no_typed_key_are_refused(posterior, sampler, make, cure):
    with pytest.raises(TypeError, match=cure):
        sampler(make(), posterior)
