"""TheoryErrors held against what was measured, and against exact linear posteriors."""

import jax
import numpy as np
import pytest
import xarray as xr

import bnnpost
from bnnpost.studies import TheoryErrors

NAMES = ["limit", "first order", "proportional"]


@pytest.fixture(scope="module")
def linear():
    """A linear network of four units and as many points, test points, and its exact posterior."""
    rng = np.random.default_rng(5)
    x, x_test = rng.normal(size=(4, 4)), rng.normal(size=(3, 4))
    network = bnnpost.mlp(width=4, depth=1, activation="identity", w_std=1.3, b_std=None)
    noise = bnnpost.likelihoods.Gaussian(0.5)
    posterior = bnnpost.Posterior(network, noise, x, 3 * x @ rng.normal(size=4))
    return posterior, x_test, bnnpost.deep_linear(posterior)


def as_measured(posterior, x_test, exact, se):
    """The exact posterior as `compare` would tell of it."""
    limit = bnnpost.limit(posterior)
    variance = np.diagonal(exact.covariance(x_test)) - np.diagonal(limit.covariance(x_test))
    values = {
        "mean_error_by_point": (("point", "output"), exact.mean(x_test) - limit.mean(x_test)),
        "variance_error_by_point": (("point", "output"), variance[:, None]),
        "log_evidence_error": ((), exact.log_evidence - limit.log_evidence),
    }
    values |= {f"{name}_se": (dims, np.full(np.shape(v), se)) for name, (dims, v) in values.items()}
    return xr.Dataset(values, attrs={"limit_log_evidence": limit.log_evidence})


def test_errors_are_those_of_each_prediction(linear):
    posterior, x_test, exact = linear
    found = bnnpost.theory_errors(posterior, x_test, as_measured(*linear, se=0.0))
    assert isinstance(found, TheoryErrors)
    assert found.errors["prediction"].values.tolist() == NAMES
    std = np.sqrt(np.diagonal(bnnpost.limit(posterior).covariance(x_test)))
    renormalised = bnnpost.proportional(posterior, x_test)
    expected = ((renormalised.mean - exact.mean(x_test))[:, 0] / std, "mean")
    spread = (renormalised.variance[:, 0] - np.diagonal(exact.covariance(x_test))) / std**2
    for values, name in (expected, (spread, "variance")):
        of = found.errors[name].sel(prediction="proportional")
        np.testing.assert_allclose(of, np.sqrt(np.mean(values**2)), rtol=1e-6)
    np.testing.assert_allclose(
        found.errors["log_evidence"].sel(prediction="proportional"),
        renormalised.log_evidence - exact.log_evidence,
        rtol=1e-6,
    )
    limit = found.errors.sel(prediction="limit")
    np.testing.assert_allclose(
        limit["log_evidence"], bnnpost.limit(posterior).log_evidence - exact.log_evidence
    )
    # As many points as units: nothing is small, but the renormalised scale is right.
    assert limit["variance"] > 3 * found.errors["variance"].sel(prediction="proportional")
    assert found.within() == dict.fromkeys(NAMES, False)
    assert found.within(10.0) == dict.fromkeys(NAMES, True)
    *_, head, limit_line, first_line, last_line = found.summary().splitlines()
    assert head.startswith("error of") and limit_line.startswith("limit")
    assert first_line.startswith("first order") and last_line.startswith("proportional")
    assert found.summary().startswith("Mean and variance are within 1 % by these predictions: none")
    record = found.describe().to_dict()["predictions"][2]
    assert record["variance"] == float(found.errors["variance"].sel(prediction="proportional"))
    assert record["within"] == "no"


def test_what_cannot_be_seen_for_noise_is_taken_off(linear):
    posterior, x_test, _ = linear
    found = bnnpost.theory_errors(posterior, x_test, as_measured(*linear, se=100.0))
    assert (found.errors["mean"] == 0).all() and (found.errors["variance"] == 0).all()
    assert (found.errors["log_evidence_se"] == 100.0).all()
    assert found.within() == dict.fromkeys(NAMES)


@pytest.mark.slow
def test_proposals_measure_what_is_exact(linear):
    posterior, x_test, _ = linear
    measured = bnnpost.compare(jax.random.key(1), posterior, x_test, num_proposals=20_000)
    by_proposals = bnnpost.theory_errors(posterior, x_test, measured).errors
    exact = bnnpost.theory_errors(posterior, x_test, as_measured(*linear, se=0.0)).errors
    for name in ("mean", "variance", "log_evidence"):
        allowed = 4 * by_proposals[f"{name}_se"] + 1e-3
        assert (abs(by_proposals[name] - exact[name]) < allowed).all()


@pytest.mark.slow
def test_measurements_of_something_else_are_refused(linear):
    posterior, x_test, exact = linear
    other = as_measured(posterior, x_test[:2], exact, se=0.0)
    with pytest.raises(ValueError, match="at 3 points and 1 outputs, got one at 2 and 1"):
        bnnpost.theory_errors(posterior, x_test, other)
    with pytest.raises(ValueError, match=r"expected measured to be what compare.* got dict"):
        bnnpost.theory_errors(posterior, x_test, {})
