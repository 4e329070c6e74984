"""Wrong samplers named by a verdict: what is wrong, by how much, and what it looks like.

Every truth is numpy's, by the closed forms of `wrong_samplers`. Seeds are fixed.
"""

import math
import re

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.likelihoods import Gaussian
from bnnpost.verification import diagnosis, permutation, references
from bnnpost.verification.compared import compared
from bnnpost.verification.sets import Candidate
from tests.verification import wrong_samplers as wrong
from tests.verification.wrong_samplers import MEAN, NAMES, NOISE_STD, NUM_DRAWS, STD

KEY = jax.random.key(5)


@pytest.fixture(autouse=True)
def _few_permutations(monkeypatch):
    """Enough for a verdict, most of which are by the other checks."""
    monkeypatch.setattr(permutation, "_MOST", 199)


def verdict(draws, reference=None):
    given = wrong.split(draws)
    return bnnpost.verify(KEY, given, wrong.reference() if reference is None else reference)


def first_lines(report):
    return report.verdict(), report.looks()


def first_number(text, before):
    """The number that follows these words, and the two in brackets after it."""
    found = re.search(re.escape(before) + r" ?(-?[\d.]+)(?: %)? \[(-?[\d.]+), (-?[\d.]+)\]", text)
    assert found, (before, text)
    return tuple(map(float, found.groups()))


def moments_off(line, mean, covariance):
    """Whether the mean and the std that a line names are as far off as they are in truth."""
    std = np.sqrt(np.diag(covariance))
    places = {kind: re.search(rf"{kind} of (f\S*) ", line) for kind in ("mean", "std")}
    places = {kind: NAMES.index(found[1]) for kind, found in places.items() if found}
    assert places
    if "std" in places:
        place = places["std"]
        told = first_number(line, f"std of {NAMES[place]}")[0]
        ratio = std[place] / STD[place]
        assert told == pytest.approx(ratio if "too large" in line else 1 / ratio, rel=0.1)
    if "mean" in places:
        place = places["mean"]
        told = first_number(line, f"mean of {NAMES[place]}")[0]
        assert told == pytest.approx(abs(mean - MEAN)[place] / STD[place], rel=0.1, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.5, pytest.param(0.7, marks=pytest.mark.slow)])
def test_all_stds_off_alike(factor):
    """The pooled factor is much surer than the worst value, which is worse by chance."""
    report = verdict(wrong.scaled(np.random.default_rng(11), factor))
    one, other = first_lines(report)
    told, low, high = first_number(other, "every deviation from the mean were multiplied by")
    assert told == pytest.approx(factor, rel=0.03) and low < factor < high
    assert "FAILED: std of all 9 values" in one and len(report.causes) == 1
    worst = next(e for e in report.worst_effects if e.kind == "std")
    assert high - low < 0.6 * (worst.high - worst.low)


@pytest.mark.slow
def test_one_std_off():
    report = verdict(wrong.scaled(np.random.default_rng(12), 2.0, 1))
    line = first_lines(report)[0]
    assert "times too large" in line and not report.causes
    assert first_number(line, "FAILED: std of f[1]")[0] == pytest.approx(2, rel=0.1)


@pytest.mark.slow
def test_one_mean_off():
    report = verdict(wrong.moved(np.random.default_rng(13), 0.4 * STD * (np.arange(9) == 2)))
    line = first_lines(report)[0]
    assert "posterior std too high (" in line and not report.causes and "std of" not in line
    assert first_number(line, "FAILED: mean of f[2]")[0] == pytest.approx(0.4, rel=0.1)


@pytest.mark.slow
def test_all_means_off_by_a_part_of_their_std():
    one, other = first_lines(verdict(wrong.moved(np.random.default_rng(14), -0.4 * STD)))
    assert "posterior std too low" in one
    assert first_number(one, "FAILED: mean of all 9 values")[0] == pytest.approx(0.4, rel=0.1)
    assert "every mean were off by -0.4" in other


@pytest.mark.slow
def test_a_constant_added():
    other = first_lines(verdict(wrong.moved(np.random.default_rng(15), 0.2)))[1]
    assert other.endswith("were added to every value")
    assert first_number(other, "as if")[0] == pytest.approx(0.2, rel=0.1)


@pytest.mark.parametrize("factor", [1 / math.sqrt(2), pytest.param(2.0, marks=pytest.mark.slow)])
def test_noise_off_or_data_counted_more_often(factor):
    """Half the noise variance and data counted twice are one and the same posterior."""
    draws = wrong.exact(np.random.default_rng(16), noise_std=factor * NOISE_STD)
    report = verdict(draws)
    one, other = first_lines(report)
    moments_off(one, *wrong.moments(noise_std=factor * NOISE_STD))
    told, low, high = first_number(other, "as if the noise std were")
    assert told == pytest.approx(factor * NOISE_STD, rel=0.1) and low < factor * NOISE_STD < high
    assert first_number(other, "the data counted")[0] == pytest.approx(factor**-2, rel=0.1)
    assert "not 0.5" in other


@pytest.mark.slow
def test_the_prior():
    order = np.r_[5:9, :5]
    prior = np.zeros(9), wrong.PRIOR[np.ix_(order, order)]
    draws = wrong.gaussian(np.random.default_rng(17), NUM_DRAWS, *prior)
    one, other = first_lines(verdict(draws))
    moments_off(one, *prior)
    assert other.startswith("as if the data were ignored: means and stds of all values are those")


@pytest.mark.slow
def test_weights_not_divided_by_the_root_of_the_fan_in():
    one, other = first_lines(verdict(4 * wrong.exact(np.random.default_rng(18))))
    assert first_number(one, "std of all 9 values")[0] == pytest.approx(4, rel=0.1)
    assert "= √16: weights of a layer of fan-in 16 not divided by its root" in other


@pytest.mark.slow
def test_a_gaussian_for_a_posterior_of_heavier_tails(monkeypatch):
    monkeypatch.setattr(permutation, "_MOST", 1999)
    reference = wrong.as_reference(wrong.laplace(np.random.default_rng(2), 10_000))
    one, other = first_lines(verdict(wrong.exact(np.random.default_rng(19)), reference))
    told, low, high = first_number(one, "FAILED:")
    share = re.search(r"all values outside the posterior's central (\d+) %", one)
    expected = 1 - int(share[1]) / 100
    truth = wrong.laplace_outside(expected)
    assert low < 100 * truth < high and one.split(" (")[0].endswith("tails too thin")
    assert told / 100 - expected == pytest.approx(truth - expected, rel=0.1)
    assert other == "as if a Gaussian of the right means and stds were drawn"


@pytest.mark.parametrize("upper", [0.0, pytest.param(0.2, marks=pytest.mark.slow)])
def test_one_of_two_modes(upper):
    reference = wrong.as_reference(wrong.two_modes(np.random.default_rng(1), 10_000))
    report = verdict(wrong.two_modes(np.random.default_rng(20), upper=upper), reference)
    one, other = first_lines(report)
    (mean, covariance), (right, held) = wrong.modes_moments(upper), wrong.modes_moments()
    std = np.sqrt(np.diag(held))
    place = NAMES.index(re.search(r"mean of (f\S*) ", one)[1])
    told = first_number(one, f"mean of {NAMES[place]}")[0]
    assert told == pytest.approx(abs(mean - right)[place] / std[place], rel=0.1)
    place = NAMES.index(re.search(r"std of (f\S*) ", one)[1])
    ratio = std[place] / math.sqrt(covariance[place, place])
    assert first_number(one, f"std of {NAMES[place]}")[0] == pytest.approx(ratio, rel=0.1)
    if upper:
        told = first_number(other, "a mode had another weight:")[0]
        assert told == pytest.approx(100 * upper, rel=0.1)
    else:
        told = first_number(other, "one mode were missing:")[0]
        assert told == pytest.approx(100 * wrong.UPPER, rel=0.1) and "no draws do" in other


@pytest.mark.slow
def test_correlations_dropped(monkeypatch):
    monkeypatch.setattr(permutation, "_MOST", 1999)
    one, other = first_lines(verdict(wrong.independent(np.random.default_rng(21))))
    pair = re.search(r"correlation of (f\S*) and (f\S*) ", one)
    i, j = (NAMES.index(name) for name in pair.groups())
    told, low, high = first_number(one, pair[0].strip())
    truth = wrong.COVARIANCE[i, j] / (STD[i] * STD[j])
    assert low < 0 < high and abs(told) < 0.1
    assert float(re.search(r"the posterior's (-?[\d.]+) ", one)[1]) == pytest.approx(
        truth, abs=0.05
    )
    assert other.startswith("as if every value were drawn by itself")


def causes_by_rules(draws):
    """Without a verdict, and so without its checks."""
    held = references.of_values(jax.random.key(0), wrong.reference(), None, "")
    values = {name: array[None] for name, array in wrong.split(draws).items()}
    return diagnosis.causes_for(compared(Candidate(values, "draws"), held))


@pytest.mark.parametrize(
    "factor", [0.9, *(pytest.param(factor, marks=pytest.mark.slow) for factor in (0.5, 1.3, 2.0))]
)
def test_the_std_of_the_prior_of_the_readout(factor):
    """And, as a twin, with other noise besides: two errors at once have no rule."""
    off = {"prior": factor**2 * wrong.PRIOR}
    [cause] = causes_by_rules(wrong.exact(np.random.default_rng(22), **off))
    told = re.fullmatch(r"as if w_std of the readout were ([\d.]+) times as large", str(cause))
    assert float(told[1]) == pytest.approx(factor, rel=0.02)
    both = wrong.exact(np.random.default_rng(22), **off, noise_std=0.7 * NOISE_STD)
    assert causes_by_rules(both) == ()


@pytest.mark.slow
def test_a_prior_that_is_off_otherwise_is_measured_and_not_guessed_at():
    """A bias that the network has not: a twin of those above, which no rule may claim."""
    off = {"prior": wrong.PRIOR + 0.5}
    report = verdict(wrong.exact(np.random.default_rng(22), **off))
    assert not report.passed and not report.causes
    moments_off(first_lines(report)[0], *wrong.moments(**off))


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "alone"), [("erf", True), ("relu", False)])
def test_which_stds_of_the_prior_explain_the_errors(activation, alone):
    """Hidden weights 1.5 times as large: of ReLU the readout's would change the posterior alike.

    Draws are of the limit, which has a closed form; of finite networks `benchmarks/verification.py`
    has them.
    """

    def drawn(seed, count, w_std):
        network = bnnpost.mlp(
            width=64, depth=1, activation=activation, w_std=w_std, readout_w_std=1.5
        )
        x, x_test = wrong.INPUTS[: wrong.NUM_TRAIN], wrong.INPUTS[wrong.NUM_TRAIN :]
        posterior = bnnpost.Posterior(network, Gaussian(NOISE_STD), x, wrong.TARGETS)
        key, inputs = jax.random.key(seed), np.concatenate([x_test, x])
        return network, bnnpost.limit(posterior).sample(key, inputs, count)[:, :, 0]

    network, right = drawn(0, wrong.NUM_REFERENCE, 1.5)
    held = wrong.as_reference(right, bnnpost.to_spec(network))
    [cause] = verdict(drawn(1, NUM_DRAWS, 1.5 * 1.5)[1], held).causes
    told = re.search(r"w_std of the hidden layers were ([\d.]+) times as large", str(cause))
    assert float(told[1]) == pytest.approx(1.5, rel=0.05)
    assert (", or w_std of" not in str(cause)) == alone


def test_right_draws_have_neither():
    # A right candidate fails one time in 100, at this seed not.
    report = verdict(wrong.exact(np.random.default_rng(23)))
    one, other = first_lines(report)
    assert report.passed and not report.causes and not report.leading_effects
    assert other == "" and "posterior std" not in one
    assert all(check.effect is None for check in report.checks)


@pytest.mark.slow
def test_right_draws_that_fail_by_chance_are_given_no_cause():
    """Rules alone, of 100 right candidates of 2,000 draws: none is guessed at."""
    for seed in range(100):
        assert causes_by_rules(wrong.exact(np.random.default_rng(1000 + seed))) == ()


@pytest.mark.slow
def test_a_chain_that_stood_still():
    draws = wrong.exact(np.random.default_rng(24)).reshape(4, 500, -1)
    draws[2] = draws[2, 0] + 0.01 * STD * np.random.default_rng(25).normal(size=draws[2].shape)
    given = {"f": draws[..., :4, None], "f_train": draws[..., 4:, None]}
    report = bnnpost.verify(KEY, given, wrong.reference())
    one, other = first_lines(report)
    assert "means of chains" in one
    assert other.startswith("as if chain 2 (counted from 0) of 4 stood still")


def test_errors_can_hide_where_the_notes_say_so():
    """Of the noise at test inputs, of the prior at training inputs, where data outweigh it."""
    mean, covariance = wrong.moments(noise_std=0.05)
    train, test, std = slice(4, 9), slice(0, 4), np.sqrt(np.diag(covariance))
    for change, blind, seen in (
        ({"noise_std": 0.05 / math.sqrt(2)}, test, train),
        ({"noise_std": 0.05, "prior": 1.3**2 * wrong.PRIOR}, train, test),
    ):
        other, changed = wrong.moments(**change)
        ratios = np.sqrt(np.diag(changed)) / std
        assert np.all(np.abs(np.log(ratios[blind])) < 0.02)
        assert np.all(np.abs(other - mean)[blind] < 0.1 * std[blind])
        assert np.all(np.abs(np.log(ratios[seen])) > 0.2)


@pytest.mark.slow
def test_what_is_blind_to_an_error_says_so():
    draws = wrong.split(wrong.exact(np.random.default_rng(26)))
    for name, words in (("f", "training inputs were given"), ("f_train", "test inputs were given")):
        report = bnnpost.verify(KEY, {name: draws[name]}, wrong.reference())
        assert report.passed
        assert "\n\nnote: no values at " in report.summary()
        assert words in report.to_dict()["notes"][0]
    assert not any(
        "no values" in note for note in bnnpost.verify(KEY, draws, wrong.reference()).notes
    )
