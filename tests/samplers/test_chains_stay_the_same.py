"""What chains do not depend on, and the many views of one draw, which agree.

Statistics are not asked here. The problems and programs are those of the tests against exact
posteriors at one point.
"""

from unittest import mock

import numpy as np
import pytest

import bnnpost
from bnnpost.samplers.chains import run as chains_run
from tests.samplers import cases, chain_samplers, likelihood_cases
from tests.samplers.test_one_point_posteriors import OTHER, X, posterior

SIZE = {"num_samples": 64, "num_warmup": 200, "num_chains": 2, "thinning": 2}
PROBLEM = posterior("relu", 2)
NAMES = ("pcn", "elliptical slice", "three rotations", "nuts of weights")
# Single-precision normals, and functions of up to a few units.
CLOSE = {"rtol": 0, "atol": 2e-5}


def run(name, **options):
    size = {key: options.pop(key, value) for key, value in SIZE.items()}
    return chain_samplers.sample(name, PROBLEM, size=size, **options)


@pytest.fixture(scope="module")
def runs():
    return {name: run(name) for name in NAMES}


def assert_same(one, other, **tolerance):
    for kind in ("given", "sample_stats"):
        arrays, others = getattr(one, kind), getattr(other, kind)
        assert arrays.keys() == others.keys()
        for name, array in arrays.items():
            np.testing.assert_allclose(array, others[name], **{"rtol": 0, "atol": 0} | tolerance)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_chains_do_not_depend_on_blocks(name, runs):
    with mock.patch.multiple(chains_run, _SECONDS=0.0, _LARGEST=3):
        assert_same(run(name), runs[name])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_chains_do_not_depend_on_how_many_run_at_once(name, runs):
    assert_same(run(name, chain_method="sequential"), runs[name])
    assert_same(run(name, chain_method="parallel", progress=True), runs[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["pcn", *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]
)
def test_chains_side_by_side_in_one_program_are_the_same_to_rounding(name, runs):
    # A chain amplifies rounding at every step, so few steps are compared.
    few = {"num_warmup": 0, "thinning": 1}
    one, other = (run(name, **few, chain_method=method) for method in ("vectorized", "parallel"))
    first = np.arange(len(one)).reshape(2, -1)[:, :5].ravel()
    assert_same(one._of(first, np.zeros(10), one.info), other._of(first, np.zeros(10), other.info),
                rtol=1e-4, atol=1e-4)  # fmt: skip


@pytest.mark.slow
def test_more_draws_begin_with_the_same_ones(runs):
    longer = run("pcn", num_samples=65)
    for name, array in runs["pcn"].given.items():
        shape = (2, -1, *array.shape[1:])
        np.testing.assert_array_equal(
            longer.given[name].reshape(shape)[:, :64], array.reshape(shape)
        )


def test_another_key_gives_other_chains_and_every_chain_is_its_own(runs):
    other = chain_samplers.sample("pcn", PROBLEM, seed=1, size=SIZE)
    lps = [draws.sample_stats["lp"].reshape(2, -1) for draws in (runs["pcn"], other)]
    assert len(np.unique(np.concatenate(lps)[:, -1])) == 4


@pytest.mark.first
@pytest.mark.parametrize("name", ["pcn", "nuts of weights"])
def test_the_parameters_of_a_draw_give_its_outputs(name, runs):
    trained = runs[name].training_outputs()
    for i in (0, 77):
        outputs = PROBLEM.network.apply(runs[name].parameters(i), X)
        np.testing.assert_allclose(outputs, trained[i], **CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pcn", "three rotations", "nuts of weights"])
def test_a_draw_is_one_network_at_all_inputs(name, runs):
    draws, points = runs[name], np.concatenate([X, OTHER])
    trained, functions = draws.training_outputs(), draws.predict(points, completion="function")
    np.testing.assert_allclose(functions[:, :1], trained, **CLOSE)
    np.testing.assert_allclose(draws.predict(points)[:, :1], trained, **CLOSE)
    for i in (0, 77):
        outputs = PROBLEM.network.apply(draws.parameters(i), points)
        np.testing.assert_allclose(outputs, functions[i], **CLOSE)
        np.testing.assert_allclose(draws.function(i)(points), functions[i], **CLOSE)


@pytest.mark.parametrize("name", ["pcn", "nuts of weights"])
def test_what_is_loaded_is_what_was_saved(name, runs, tmp_path):
    draws = runs[name]
    draws.save(tmp_path / "chains.nc")
    again = bnnpost.load(tmp_path / "chains.nc", posterior=PROBLEM)
    # NaN is not itself.
    assert str(again.info) == str(draws.info)
    assert_same(again, draws)
    np.testing.assert_array_equal(again.proposal_numbers, draws.proposal_numbers)
    np.testing.assert_array_equal(again.training_outputs(), draws.training_outputs())


@pytest.mark.slow
def test_the_mixture_of_a_collapsed_chain_has_the_predictions_mean(runs):
    draws = runs["pcn"]
    mixture = draws.mixture(OTHER)
    standard = (draws.predict(OTHER)[:, :, 0] - mixture.means[:, :, 0]) / np.sqrt(mixture.variances)
    # 128 standard normals at each point: six standard errors of mean and mean square.
    assert np.abs(standard.mean(axis=0)).max() < 6 / np.sqrt(128)
    assert np.abs(np.square(standard).mean(axis=0) - 1).max() < 6 * np.sqrt(2 / 128)
    with pytest.raises(ValueError, match="collapsed readout"):
        runs["nuts of weights"].mixture(OTHER)


@pytest.mark.parametrize("name", NAMES)
def test_the_view_of_arviz_has_the_chains(name, runs):
    draws = runs[name]
    view = draws.to_arviz()
    shape = (2, 64, 1, 1)
    assert view["posterior"]["f_train"].shape == shape
    np.testing.assert_array_equal(
        view["posterior"]["f_train"].values, draws.training_outputs().reshape(shape)
    )
    stats = view["sample_stats"]
    wanted = {"lp", "acceptance_rate", "diverging", "n_steps"}
    if name in ("three rotations", "nuts of weights"):
        wanted |= {"energy"}
    assert wanted <= set(stats.data_vars)
    assert stats["diverging"].dtype == bool
    assert (stats["n_steps"].values >= 1).all()
    rates = stats["acceptance_rate"].values
    assert ((rates >= 0) & (rates <= 1)).all() and 0.05 < rates.mean() < 0.99


def test_the_record_counts_what_was_done(runs):
    for name, draws in runs.items():
        info, stats = draws.info.chains, draws.sample_stats
        assert (draws.info.kind, info.num_chains, info.num_samples) == ("chain", 2, 64)
        assert (info.num_warmup, info.thinning, info.num_steps) == (200, 2, 256)
        gradients = info.num_evaluations if draws.sample_stats.get("energy") is not None else 0
        assert info.num_gradients == gradients, name
        assert info.num_evaluations >= stats["n_steps"].sum()
        assert info.num_divergent >= stats["diverging"].sum()
    unthinned = run("elliptical slice", thinning=1)
    info, stats = unthinned.info, unthinned.sample_stats
    assert info.chains.num_evaluations == stats["n_steps"].sum()
    np.testing.assert_allclose(info.acceptance_rate, stats["acceptance_rate"].mean())


@pytest.mark.slow
def test_diagnostics_are_of_any_inputs(runs):
    found = runs["pcn"].diagnostics(OTHER)
    assert found["r_hat"].shape == (2, 1)
    assert set(found.data_vars) == {"r_hat", "ess_bulk", "ess_tail"}
    at_training = runs["pcn"].diagnostics()["r_hat"].values
    assert runs["pcn"].info.chains.r_hat == at_training.max()


def test_resampled_draws_are_in_no_chains(runs):
    resampled = runs["nuts of weights"].resample(cases.key(1), 7)
    assert resampled.info.num_chains is None
    assert resampled.diagnostics()["r_hat"].shape == (1, 1)
    assert "7 resampled of 2 chain(s)" in repr(resampled)


@pytest.mark.parametrize(
    ("name", "step_size"),
    [("pcn", 0.25), pytest.param("hmc of weights", 1e-3, marks=pytest.mark.slow)],
)
def test_step_sizes_stay_as_they_are_given(name, step_size):
    few = {"num_samples": 6, "num_warmup": 2, "max_tree_depth": 3} if name != "pcn" else {}
    fixed = run(name, step_size=step_size, **few)
    np.testing.assert_allclose(fixed.info.chains.step_size, step_size, rtol=1e-6)


@pytest.mark.slow
def test_step_sizes_adapt_in_warmup_alone(runs):
    longer = run("three rotations", num_samples=65)
    assert longer.info.chains.step_size == runs["three rotations"].info.chains.step_size


@pytest.mark.slow
def test_a_chain_under_unknown_noise_has_noise_of_its_own():
    problem = likelihood_cases.posterior("unknown variance")
    for name in ("elliptical slice", "nuts of weights"):
        draws = chain_samplers.sample(name, problem, size=SIZE)
        assert draws.noise_std().shape == (128,)
        assert draws.noise_std().min() > 0
        predictive = draws.predictive(cases.key(1), cases.X_TEST)
        assert predictive.shape == (128, 2, 1)
