"""Chains that cannot be run are refused in plain words, and bad ones are warned about."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.networks.priors import WeightPrior
from bnnpost.samplers.chains.chain_draws import ConvergenceWarning, problems
from bnnpost.samplers.kernels.crank_nicolson import CrankNicolson
from bnnpost.samplers.kernels.kernel import square
from tests.samplers import cases, chain_samplers, likelihood_cases, test_one_point_posteriors
from tests.samplers.cases import Case
from tests.samplers.chain_samplers import OPTIONS
from tests.samplers.user_likelihoods import UnitNoise, WithCholesky, one_point

KEY = cases.key(0)
MODULES = (bnnpost.pcn, bnnpost.elliptical_slice, bnnpost.hmc)
SHORT = {"num_samples": 8, "num_warmup": 0, "num_chains": 2}
# f of one training point without a hidden layer: the smallest problem, the fewest seconds.
NEVER = np.float64(np.inf)


def sample(module, posterior=None, **options):
    posterior = one_point(UnitNoise(NEVER)) if posterior is None else posterior
    return module.sample(KEY, posterior, **{**SHORT, **options})


def sample_quietly(module, posterior=None, **options):
    """The same, of chains too short to converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return sample(module, posterior, **options)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_samples": 0}, ValueError, "num_samples"),
        ({"num_samples": 2.5}, TypeError, "num_samples"),
        ({"num_chains": 0}, ValueError, "num_chains"),
        ({"num_warmup": -1}, ValueError, "num_warmup"),
        ({"thinning": 0}, ValueError, "thinning"),
        ({"space": "paradise"}, ValueError, "expected space to be one of .* 'paradise'"),
        ({"precision": "half"}, ValueError, "expected precision to be .* 'half'"),
        ({"chain_method": "magic"}, ValueError, "expected chain_method to be one of .* 'magic'"),
    ],
)
def test_bad_arguments(module, options, error, message):
    with pytest.raises(error, match=message):
        sample(module, **options)


@pytest.mark.parametrize("module", [bnnpost.pcn, bnnpost.hmc])
@pytest.mark.parametrize("value", [0.0, -0.1, 1.1, np.nan, None, "0.8", True])
def test_a_target_is_a_number_between_0_and_1(module, value):
    with pytest.raises(ValueError, match="target_accept to be above 0 and at most 1, got"):
        sample(module, target_accept=value)


@pytest.mark.parametrize(
    ("module", "value"),
    [(m, v) for m in (bnnpost.pcn, bnnpost.hmc) for v in (0.0, -1.0, np.nan, "1")]
    + [(bnnpost.pcn, 1.5)],
)
def test_a_step_size_is_a_positive_number(module, value):
    with pytest.raises(ValueError, match="step_size to be above 0"):
        sample(module, step_size=value)


@pytest.mark.parametrize("module", MODULES)
def test_a_key_is_typed_and_a_posterior_a_posterior(module):
    with pytest.raises(TypeError, match="typed key"):
        module.sample(jax.random.PRNGKey(0), one_point(UnitNoise(NEVER)))
    with pytest.raises(TypeError, match=r"expected a bnnpost\.Posterior, got str"):
        module.sample(KEY, "posterior")


@pytest.mark.parametrize("name", ["pcn", "elliptical slice", "nuts of weights"])
def test_a_likelihood_of_nan_everywhere_is_an_error(name):
    module, options = OPTIONS[name]
    with pytest.raises(FloatingPointError, match="chain 0 finds no start: at each of 100 prior"):
        sample(module, one_point(UnitNoise(-NEVER)), **options)


@pytest.mark.slow
def test_an_infinite_log_probability_counts_as_none():
    class Infinite(UnitNoise):
        def log_prob(self, outputs, targets):
            return jnp.where(outputs[0, 0] > 0, jnp.inf, super().log_prob(outputs, targets))

    draws = sample_quietly(
        bnnpost.elliptical_slice, one_point(Infinite(NEVER)), num_samples=50, collapse=False
    )
    assert draws.training_outputs().max() <= 0
    assert np.isfinite(draws.sample_stats["lp"]).all()
    assert draws.info.chains.num_divergent > 0


@pytest.mark.first
@pytest.mark.parametrize(
    "module", [bnnpost.pcn, pytest.param(bnnpost.elliptical_slice, marks=pytest.mark.slow)]
)
def test_nan_met_on_the_way_is_counted_and_told(module):
    with pytest.warns(ConvergenceWarning) as told:
        draws = sample(module, one_point(UnitNoise(0.7)), num_samples=50, collapse=False)
    assert any("met a density that is NaN: NaN was taken" in str(w.message) for w in told)
    chains = draws.info.chains
    assert chains.num_divergent == draws.sample_stats["diverging"].sum() > 0
    never = sample_quietly(module, num_samples=50, collapse=False)
    assert never.info.chains.num_divergent == 0


@pytest.mark.slow
def test_library_calls_of_a_likelihood_run_on_one_thread():
    one, other = (
        sample_quietly(bnnpost.pcn, one_point(kind(NEVER)), num_chains=4, collapse=False)
        for kind in (UnitNoise, WithCholesky)
    )
    np.testing.assert_allclose(one.training_outputs(), other.training_outputs(), atol=1e-6)


class Discs(WeightPrior):
    """A law without a map from standard normals."""

    def sample(self, key, shape, dtype):
        return jax.random.normal(key, shape, dtype)

    def log_prob(self, values):
        return -0.5 * jnp.sum(values**2)


@pytest.mark.parametrize("name", ["pcn", "elliptical slice", "rotation"])
def test_a_prior_without_a_map_from_normals_cannot_be_moved(name):
    network = bnnpost.mlp(width=2, depth=1, prior=Discs())
    posterior = bnnpost.Posterior(
        network, bnnpost.likelihoods.Gaussian(0.5), cases.X, cases.Y[:, 0]
    )
    module, options = OPTIONS[name]
    with pytest.raises(NotImplementedError, match="Discs does not map standard normals"):
        sample(module, posterior, **options)


@pytest.mark.parametrize(
    ("num_samples", "known"),
    [(3, False), (64, True), pytest.param(1, False, marks=pytest.mark.slow)],
)
def test_one_chain_is_compared_with_its_own_halves(num_samples, known):
    draws = sample_quietly(bnnpost.pcn, num_samples=num_samples, num_chains=1)
    assert len(draws) == num_samples
    assert np.isfinite(draws.info.chains.r_hat) == known
    assert np.isfinite(draws.info.chains.ess_bulk) == known


def test_chains_that_never_move_are_told_though_function_values_look_independent():
    def step(kernel, key, state, target, adapting):
        info = CrankNicolson.step(kernel, key, state, target, adapting)[1]
        return state, {**info, "lp": state.log_weight - 0.5 * square(state.position)}

    # So little noise that f at the training input is near its target, whatever the kernel is.
    posterior = cases.with_noise(test_one_point_posteriors.posterior("relu", 2), 0.01)
    chains = chain_samplers.by_kernel("pcn", posterior, {"step": step}).info.chains
    assert chains.r_hat < 1.01
    assert chains.ess_bulk > 3000
    assert chains.lp_r_hat == np.inf
    assert any("a chain never moved" in told for told in problems(chains))


@pytest.mark.slow
def test_turns_that_lose_all_energy_are_warned_about_though_readouts_are_redrawn():
    posterior = Case(8, 1, "relu", 1, noise_std=0.003).posterior()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        draws = bnnpost.hmc.sample(
            KEY, posterior, num_samples=100, num_warmup=0, space="functions",
            method="hmc", num_steps=20, step_size=1.5,
        )  # fmt: skip
    assert {w.category for w in caught} == {ConvergenceWarning}
    assert {w.filename for w in caught} == {__file__}
    told = " ".join(str(w.message) for w in caught)
    assert f"{draws.info.chains.num_divergent} of 400 transitions diverged" in told
    assert "a chain never moved" in told
    # What function values at the training inputs alone would have said.
    assert draws.info.chains.lp_r_hat == np.inf
    assert draws.info.chains.ess_bulk > 200
    assert draws.info.acceptance_rate < 1e-3


def test_chains_that_disagree_are_warned_about():
    posterior = one_point(UnitNoise(NEVER), variance=100.0)
    with pytest.warns(ConvergenceWarning) as caught:
        sample(bnnpost.pcn, posterior, step_size=0.01, num_chains=4, num_samples=64)
    assert {w.filename for w in caught} == {__file__}
    assert any("R-hat of the function values at the training inputs" in str(w.message)
               and "Raise num_warmup" in str(w.message) for w in caught)  # fmt: skip


@pytest.mark.slow
def test_a_trajectory_takes_no_more_steps_than_the_deepest_tree():
    # Its weight jumps, so that warmup finds no step that is small enough: it once went on for ever.
    draws = sample_quietly(
        bnnpost.hmc, likelihood_cases.posterior("student-t"), num_samples=4, num_warmup=50,
        space="functions", method="hmc", integrator="leapfrog", max_tree_depth=5,
    )  # fmt: skip
    assert draws.sample_stats["n_steps"].max() <= 2**5
    assert min(draws.info.chains.step_size) >= np.pi / 2 / 2**5
