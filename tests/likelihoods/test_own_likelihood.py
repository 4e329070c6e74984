"""A likelihood of a user's own takes part in everything, with nothing of it in the library."""

import json

import jax
import numpy as np
import pytest
import scipy.stats

import bnnpost
from bnnpost.sweeps import load_config
from bnnpost.sweeps.problem import load_problem
from tests.likelihoods.own import Cauchy, Counted

X, Y = np.array([[0.5], [-1.0]]), np.array([0.4, -0.2])
X_TEST = np.array([[0.1]])
NETWORK = bnnpost.mlp(width=4, depth=1, activation="erf", w_std=1.5, b_std=0.2)
POSTERIOR = bnnpost.Posterior(NETWORK, Cauchy(), X, Y)


def key(seed):
    return jax.random.key(seed)


@pytest.fixture(scope="module")
def exact():
    return bnnpost.rejection.sample(key(0), POSTERIOR, num_samples=400)


def test_log_prob_is_the_sum_of_the_terms():
    with jax.enable_x64(True):
        found = float(Cauchy().log_prob(np.array([[0.1], [0.3]]), Y[:, None]))
    assert found == pytest.approx(scipy.stats.cauchy(scale=0.5).logpdf(Y - [0.1, 0.3]).sum())


def test_strict_draws_and_their_file(exact, tmp_path):
    assert (exact.info.kind, exact.info.bound) == ("exact", "naive")
    exact.save(tmp_path / "draws.nc")
    with pytest.raises(ValueError, match=r"Cauchy is not one of .*posterior="):
        bnnpost.load(tmp_path / "draws.nc")
    again = bnnpost.load(tmp_path / "draws.nc", posterior=POSTERIOR)
    np.testing.assert_array_equal(again.predict(X_TEST), exact.predict(X_TEST))


@pytest.mark.slow
def test_capped_draws_are_led_by_sites_and_pass_verification(exact):
    capped = bnnpost.rejection.sample(key(1), POSTERIOR, num_samples=200, bound="capped")
    assert (capped.info.bound, capped.space.collapse) == ("capped", True)
    candidate = capped.resample(key(2), 100).predict(X_TEST)
    assert bnnpost.verify(key(3), candidate[::2], exact, X_TEST, level=1e-3).passed


@pytest.mark.slow
def test_estimates_and_the_limit_agree_with_the_draws(exact):
    found = bnnpost.importance.estimate(key(4), POSTERIOR, X_TEST, num_proposals=2000)
    error = exact.info.log_evidence_se + found.log_evidence_se
    assert abs(found.log_evidence - exact.info.log_evidence) < 5 * error
    wide = bnnpost.limit(POSTERIOR, key=key(5), num_proposals=2000)
    assert np.isfinite(wide.log_evidence) and np.isfinite(wide.covariance(X_TEST)).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bnnpost.samplers.chains.chain_draws.ConvergenceWarning")
def test_chains_and_observations():
    chains = bnnpost.pcn.sample(key(6), POSTERIOR, num_samples=40, num_warmup=40, num_chains=2)
    values = chains.predictive(key(7), X_TEST)
    assert values.shape == (80, 1, 1) and np.isfinite(values).all()


@pytest.mark.slow
def test_a_likelihood_of_several_columns_for_one_output():
    counts = np.array([[3.0, 1.0], [0.0, 2.0]])
    posterior = bnnpost.Posterior(NETWORK, Counted(), X, counts)
    draws = bnnpost.rejection.sample(key(0), posterior, num_samples=20)
    chances = draws.predictive(key(1), X, kind="probabilities")
    assert chances.shape == (20, 2, 1) and ((chances > 0) & (chances < 1)).all()
    with pytest.raises(TypeError, match="define sample"):
        draws.predictive(key(1), X)


def test_by_its_name_in_a_configuration():
    values = {"likelihood": "tests.likelihoods.own:Cauchy(scale=0.7)", "num_train": 2}
    config = load_config(None, values)
    assert config.made_likelihood() == Cauchy(0.7)
    written = json.loads(json.dumps(config.as_dict()))
    assert written["likelihood"] == {"type": "tests.likelihoods.own:Cauchy", "scale": 0.7}
    assert load_config(None, written) == config
    assert load_config(None, {**values, "likelihood": values["likelihood"][:-11], "scale": 0.7})
    assert load_problem(config).posterior(4).likelihood == Cauchy(0.7)
