"""ArviZ's view of draws, under either generation of ArviZ."""

import json
import warnings

import arviz as az
import numpy as np
import pytest

import bnnpost
from bnnpost.draws.arviz_view import DrawsLeftOut, pareto_k
from tests.samplers import cases
from tests.samplers.cases import X_TEST, Case, X

pytestmark = pytest.mark.optimised


@pytest.fixture(scope="module")
def draws():
    return cases.standard_draws()


@pytest.fixture(scope="module")
def view(draws):
    return draws.to_arviz(X_TEST)


def few(num_samples):
    return bnnpost.rejection.sample(cases.key(7), Case().posterior(), num_samples=num_samples)


def test_quarters_in_proposal_order(draws, view):
    numbers = view["sample_stats"]["proposal_number"]
    assert numbers.dims == ("chain", "draw")
    assert numbers.shape == (4, 500)
    np.testing.assert_array_equal(np.ravel(numbers), draws.proposal_numbers)
    np.testing.assert_array_equal(view["sample_stats"]["log_weight"], np.zeros((4, 500)))


def test_values_are_the_predictions(draws, view):
    posterior = view["posterior"]
    assert posterior["f"].dims == ("chain", "draw", "point", "output")
    assert posterior["f_train"].dims == ("chain", "draw", "train_point", "output")
    np.testing.assert_array_equal(posterior["f"].values.reshape(2000, 2, 1), draws.predict(X_TEST))
    np.testing.assert_array_equal(
        posterior["f_train"].values.reshape(2000, 3, 1), draws.training_outputs()
    )


def test_data_are_there(draws, view):
    np.testing.assert_array_equal(view["observed_data"]["y"], draws.posterior.targets)
    np.testing.assert_array_equal(view["constant_data"]["x_train"], X)
    np.testing.assert_array_equal(view["constant_data"]["x"], X_TEST)


def test_attributes_say_how_the_draws_were_made(draws, view):
    for attributes in (view.attrs, view["posterior"].attrs):
        assert attributes["inference_library"] == "bnnpost"
        assert attributes["kind"] == "exact"
        assert attributes["num_proposals"] == draws.info.num_proposals
        assert attributes["log_evidence"] == draws.info.log_evidence
        assert json.loads(attributes["complete"]) is True
        assert attributes["num_left_out"] == 0
        assert "independent" in attributes["pseudo_chains"]


def test_attributes_and_values_survive_a_file(view, tmp_path):
    path = tmp_path / "view.nc"
    view.to_netcdf(path)
    again = az.from_netcdf(path)
    np.testing.assert_array_equal(again["posterior"]["f"], view["posterior"]["f"])
    assert again["posterior"].attrs["kind"] == "exact"


def test_arviz_describes_it(view):
    summary = az.summary(view, var_names=["f", "f_train"], round_to="none")
    assert len(summary) == 5
    means = np.concatenate(
        [np.ravel(view["posterior"][name].mean(("chain", "draw"))) for name in ("f", "f_train")]
    )
    np.testing.assert_allclose(summary["mean"].astype(float), means, atol=1e-6)
    # Independent draws: R-hat within 1 + a few over the number of draws.
    assert np.all(np.abs(summary["r_hat"].astype(float) - 1) < 0.01)


def test_no_test_inputs(draws):
    view = draws.to_arviz()
    assert set(view["posterior"].data_vars) == {"f_train"}
    assert set(view["constant_data"].data_vars) == {"x_train"}


@pytest.mark.slow
@pytest.mark.parametrize("num_samples", [5, 7])
def test_draws_that_do_not_fit_four_chains_are_left_out_aloud(num_samples):
    draws = few(num_samples)
    with pytest.warns(DrawsLeftOut, match=f"the last {num_samples - 4} draw"):
        view = draws.to_arviz(X_TEST)
    assert view.attrs["num_left_out"] == num_samples - 4
    np.testing.assert_array_equal(
        np.ravel(view["sample_stats"]["proposal_number"]), draws.proposal_numbers[:4]
    )


@pytest.mark.first
@pytest.mark.parametrize(("num_samples", "shape"), [(1, (1, 1)), (3, (1, 3)), (8, (4, 2))])
def test_few_draws(num_samples, shape):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        view = few(num_samples).to_arviz(X_TEST)
    assert view["posterior"]["f"].shape == (*shape, 2, 1)
    assert view.attrs["num_left_out"] == 0


def test_prior_draws_are_in_the_prior_group():
    view = bnnpost.prior.sample(cases.key(0), Case(2).posterior(), num_samples=8).to_arviz()
    assert view["prior"]["f_train"].shape == (4, 2, 3, 1)
    assert "posterior" not in list(view.children if hasattr(view, "children") else view.groups())


@pytest.mark.slow
def test_no_draw_at_all_is_an_empty_chain():
    case = Case(noise_std=0.01).posterior()
    posterior = bnnpost.Posterior(case.network, case.likelihood, X, 50 * Case().targets)
    draws = bnnpost.rejection.sample(cases.key(0), posterior, num_samples=5, max_proposals=1000)
    assert draws.to_arviz(X_TEST)["posterior"]["f"].shape == (1, 0, 2, 1)


def test_weights_whose_largest_are_equal_have_no_tail():
    rng = np.random.default_rng(0)
    logs = np.minimum(rng.standard_normal(4000), 0.5)
    assert pareto_k(logs) == 0
    assert pareto_k(np.full(100, 2.0)) == 0
    # A few that are equal are no bound, and heavy tails stay heavy.
    assert pareto_k(2 * rng.standard_exponential(4000)) > 0.7
