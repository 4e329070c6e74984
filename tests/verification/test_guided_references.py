"""A reference of two modes: right draws pass, draws of one do not, the verdict names doubts."""

import numpy as np
import pytest

import bnnpost
from bnnpost.verification import references
from tests.samplers import cases
from tests.samplers.test_two_modes import PROBLEMS, plain_draws

pytestmark = pytest.mark.optimised

POSTERIOR = PROBLEMS["two points"].posterior()


@pytest.fixture(scope="module")
def exact():
    return plain_draws("two points")


@pytest.fixture(scope="module")
def reference():
    return bnnpost.rejection.sample(cases.key(0), POSTERIOR, num_samples=6000, bound="capped")


@pytest.fixture(scope="module")
def right(exact, reference):
    """The verdict on right draws."""
    return bnnpost.verify(cases.key(1), {"f_train": exact}, reference)


@pytest.mark.slow
def test_right_draws_pass_and_draws_of_one_mode_do_not(exact, reference, right):
    assert len(exact) > 1000
    assert right.passed, right.summary()
    one = exact[exact[:, 0, 0] > 0]
    failed = bnnpost.verify(cases.key(2), {"f_train": one}, reference)
    assert not failed.passed
    assert min(failed.p_values.values()) < 1e-6


@pytest.mark.slow
def test_the_verdict_names_a_guided_reference(right):
    assert "against a reference led by fits, with no bound on the mass" in right.verdict()
    assert right.to_dict()["doubt"] == right.doubt != ""


@pytest.mark.slow
def test_a_posterior_that_no_strict_run_reaches_is_its_own_reference(exact):
    report = bnnpost.verify(cases.key(4), {"f_train": exact}, POSTERIOR)
    assert report.passed, report.summary()
    assert report.doubt


@pytest.mark.slow
def test_draws_on_the_spot_are_strict_where_these_are_in_reach():
    draws = references.drawn_reference(cases.key(5), cases.Case().posterior(), 100)
    assert draws.info.kind == "exact" and draws.info.complete
    values = draws.training_outputs()
    report = bnnpost.verify(cases.key(6), {"f_train": values[:400]}, cases.Case().posterior())
    assert report.doubt == "" and "against" not in report.verdict()


@pytest.mark.slow
def test_draws_on_the_spot_are_strict_past_the_bound_of_the_likelihood():
    x, y, *_ = bnnpost.datasets.diabetes_problem(12, 1)
    network = bnnpost.mlp(width=1024, depth=1, activation="erf", w_std=1.0)
    posterior = bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(noise_std=0.4), x, y)
    draws = references.drawn_reference(cases.key(5), posterior, 100)
    assert (draws.info.kind, draws.info.bound) == ("exact", "auxiliary")


@pytest.mark.slow
def test_a_forecast_that_was_too_kind_ends_in_capped_draws(monkeypatch):
    monkeypatch.setattr(references, "_OVERRUN", 1e-3)
    monkeypatch.setattr(references, "_LONGEST", np.inf)
    draws = references.drawn_reference(cases.key(7), cases.Case().posterior(), 100)
    assert draws.info.kind == "capped"
