"""bnnpost.verify on real posteriors: verdicts, references, and what is refused."""

import json
import re

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost.verification import permutation, references
from tests.samplers import cases
from tests.samplers.cases import X_TEST, Case

pytestmark = pytest.mark.optimised

KEY = cases.key(21)


@pytest.fixture(autouse=True)
def _few_permutations(monkeypatch):
    monkeypatch.setattr(permutation, "_MOST", 499)


@pytest.fixture(scope="module")
def reference():
    return cases.standard_draws()


@pytest.fixture(scope="module")
def right():
    return bnnpost.rejection.sample(cases.key(22), Case().posterior(), num_samples=800)


@pytest.fixture(scope="module")
def halved():
    posterior = Case().posterior()
    std = float(posterior.likelihood.noise_std) / 2**0.5
    noise = bnnpost.likelihoods.Gaussian(std)
    wrong = bnnpost.Posterior(posterior.network, noise, posterior.x, posterior.targets)
    return bnnpost.rejection.sample(cases.key(23), wrong, num_samples=800)


def test_a_candidate_that_cannot_be_read_need_not_wait_for_the_reference(reference, monkeypatch):
    def never(*arguments):
        raise AssertionError("the reference was evaluated")

    monkeypatch.setattr(references, "reference_of_draws", never)
    with pytest.raises(ValueError, match=r"expected .* got"):
        bnnpost.verify(KEY, {"f": np.zeros((500, 11))}, reference, X_TEST)


def test_exact_draws_pass_and_halved_noise_fails(reference, right, halved):
    # A right candidate fails one time in 100, at this seed not.
    passed = bnnpost.verify(KEY, right, reference, X_TEST)
    assert passed.passed
    assert passed.summary().startswith("PASSED: no difference from the reference found")
    assert set(passed.p_values) >= {"PIT", "means", "variances", "tails", "joint law"}
    assert passed.columns[0] == "f[0]"
    assert passed.columns[-1].startswith("f_train[")
    assert all(check.smallest for check in passed.checks if check.name != "joint law")
    failed = bnnpost.verify(KEY, halved, reference, X_TEST)
    assert not failed.passed
    assert failed.summary().startswith("FAILED: ")
    told = re.match(
        r"as if the noise std were ([\d.]+) .*, not 0.5 \(the data counted", failed.looks()
    )
    assert float(told[1]) == pytest.approx(0.5 / 2**0.5, rel=0.1)
    assert json.loads(json.dumps(failed.to_dict()))["passed"] is False


def test_the_verdict_is_the_same_every_time(reference, right):
    one, other = (bnnpost.verify(KEY, right, reference, X_TEST) for _ in range(2))
    assert one.p_values == other.p_values


def test_a_posterior_is_drawn_from_on_the_spot(monkeypatch, right, halved):
    monkeypatch.setattr(references, "_MOST", 2000)
    posterior = Case().posterior()
    assert bnnpost.verify(KEY, right, posterior, X_TEST).passed
    assert not bnnpost.verify(KEY, halved, posterior, X_TEST).passed


@pytest.mark.slow
def test_capped_draws_make_a_reference(right, halved):
    capped = bnnpost.rejection.sample(
        cases.key(24), Case().posterior(), num_samples=4000, bound="capped"
    )
    found = bnnpost.verify(KEY, right, capped, X_TEST)
    assert found.passed
    assert "capped rejection" in found.reference
    assert not bnnpost.verify(KEY, halved, capped, X_TEST).passed


@pytest.mark.slow
def test_training_inputs_alone_will_do(reference, right):
    found = bnnpost.verify(KEY, {"f_train": right.training_outputs()}, reference)
    assert found.passed
    assert all(column.startswith("f_train") for column in found.columns)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: np.where(v > 1, np.nan, v), "NaN or infinite"),
        (lambda v: np.where(np.arange(v.shape[1])[:, None] == 0, 0.5, v), "same in all"),
        (lambda v: v[:20], "expected at least 50"),
        (lambda v: v[:, :1], "point"),
        (lambda v: np.concatenate([v, v], axis=2), "output"),
        (lambda v: v[np.random.default_rng(0).integers(0, 100, 800)], "repeat"),
    ],
)
def test_values_that_nothing_can_be_said_of_are_refused(reference, right, change, message):
    values = change(right.predict(X_TEST))
    with pytest.raises(ValueError, match=message):
        bnnpost.verify(KEY, values, reference, X_TEST)


def test_references_that_are_not_exact_are_refused(reference, right):
    posterior = Case().posterior()
    with pytest.raises(TypeError, match="bare values do not say that they are exact"):
        bnnpost.verify(KEY, right, reference.predict(X_TEST), X_TEST)
    drawn = bnnpost.prior.sample(cases.key(25), posterior, num_samples=100)
    with pytest.raises(ValueError, match=r"or coupled draws, got draws of kind 'prior'"):
        bnnpost.verify(KEY, right, drawn, X_TEST)
    with pytest.raises(ValueError, match="are the reference's too"):
        bnnpost.verify(KEY, reference, reference, X_TEST)


@pytest.mark.slow
def test_bad_arguments(reference, right):
    for level in (0.0, 1.0, np.nan, -1):
        with pytest.raises(ValueError, match="expected a level between 0 and 1"):
            bnnpost.verify(KEY, right, reference, X_TEST, level=level)
    with pytest.raises(TypeError, match="typed key"):
        bnnpost.verify(jax.random.PRNGKey(0), right, reference, X_TEST)
    with pytest.raises(FileNotFoundError):
        bnnpost.verify(KEY, right, "nowhere.nc", X_TEST)
