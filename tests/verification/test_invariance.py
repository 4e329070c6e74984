"""One step of a kernel from exact draws: right kernels pass, wrong ones do not."""

import dataclasses
import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.distributions import HalfNormal

import bnnpost
from bnnpost.likelihoods import Gaussian, GaussianUnknownNoise
from bnnpost.verification.sign_flips import mean_changes, paired_tests

KEY = jax.random.key(0)


def script(name):
    path = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kernels = script("_kernels")
POSTERIOR = kernels.posterior()
UNKNOWN = GaussianUnknownNoise(noise_std=HalfNormal(1.0))


@pytest.fixture(scope="module")
def draws():
    return bnnpost.rejection.sample(jax.random.key(1), POSTERIOR, num_samples=2000)


def few(draws, count=400):
    return draws.some(np.arange(count))


def judged(step, draws, **options):
    return bnnpost.invariance(KEY, step, draws, **{"flat": True, **options})


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) for n in ("Langevin", "HMC", "scaling")]
)
def test_right_kernels_pass(draws, name):
    report = judged(kernels.RIGHT[name](), draws)
    assert report.passed
    assert 0.1 < report.movement.changed <= 1
    assert report.verdict().startswith("PASSED: 1 step from each of 2,000 draws")


@pytest.mark.parametrize(
    "name",
    [
        "acceptance left out",
        *(
            pytest.param(n, marks=pytest.mark.slow)
            for n in kernels.WRONG
            if n != "acceptance left out"
        ),
    ],
)
def test_wrong_kernels_fail(draws, name):
    report = judged(kernels.WRONG[name](), draws)
    assert not report.passed
    assert report.verdict().startswith("FAILED: after 1 step ")


@pytest.mark.slow
def test_a_wrong_kernel_is_described(draws):
    report = judged(kernels.WRONG["half the noise variance"](), draws)
    # Towards the posterior of less noise, where the targets are fitted better.
    assert report.movement.where == "log likelihood" and report.movement.mean > 0
    words = str(report).replace("\n", " ")
    assert "log likelihood moved by +" in words and "std on average" in words
    assert "Moved  " in words and "exact for reversible kernels" in words
    assert set(report.p_values) == {check.name for check in report.checks}
    record = report.to_dict()
    assert record["passed"] is False and record["movement"]["changed"] < 1


@pytest.mark.slow
def test_halves_are_exact_and_see_less(draws):
    wrong = kernels.WRONG["half the noise variance"]()
    paired, halves = judged(wrong, draws), judged(wrong, draws, paired=False)
    assert min(paired.p_values.values()) < min(halves.p_values.values())
    assert halves.checks[0].effective == (1000, 1000) and not halves.notes
    assert not judged(kernels.WRONG["acceptance left out"](), draws, paired=False).passed


@pytest.mark.slow
def test_a_step_that_does_nothing_passes_and_it_is_said(draws):
    report = judged(lambda key, vector: vector, few(draws), num_steps=3)
    assert report.passed and report.movement.changed == 0 and report.movement.rms == 0
    assert "a step that does nothing passes" in report.notes[0]


@pytest.mark.slow
def test_fresh_exact_draws_move_as_far_as_can_be():
    x, y, *_ = bnnpost.datasets.diabetes_problem(2, 1)
    likelihood = Gaussian(100.0)
    posterior = bnnpost.Posterior(bnnpost.mlp(width=3, depth=1), likelihood, x, y)

    def step(key, parameters):  # of a posterior that is nearly the prior
        return posterior.network.init(key, x.shape[1])

    report = bnnpost.invariance(KEY, step, posterior, num_draws=400, x_test=x[:1] + 0.1)
    assert report.passed and report.movement.changed == 1
    assert report.movement.rms == pytest.approx(2**0.5, abs=0.1)
    assert report.columns[:2] == ("f[0]", "f_train[0]") and report.source == "exact"


def test_an_algorithm_of_blackjax(draws):
    import blackjax

    assert bnnpost.invariance(KEY, blackjax.mala(POSTERIOR.log_density, 0.03), few(draws)).passed


@pytest.mark.slow
def test_an_algorithm_of_blackjax_on_vectors(draws):
    import blackjax

    start, log_density, _ = POSTERIOR.flat(KEY)
    right = blackjax.hmc(log_density, 0.15, jnp.ones(start.shape), 8)
    assert judged(right, few(draws)).passed


@pytest.mark.parametrize("on_model", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_numpyro_kernels(draws, on_model):
    from numpyro.infer import HMC

    frozen = {
        "trajectory_length": 0.75,
        "adapt_step_size": False,
        "adapt_mass_matrix": False,
    }
    if on_model:
        kernel = HMC(bnnpost.hmc.model(POSTERIOR), step_size=0.15, **frozen)
    else:
        potential = lambda parameters: -POSTERIOR.log_density(parameters)  # noqa: E731
        kernel = HMC(potential_fn=potential, step_size=0.15, **frozen)
    report = bnnpost.invariance(KEY, kernel, few(draws))
    assert report.passed and report.movement.changed > 0.5


@pytest.mark.slow
def test_numpyro_kernels_with_scales_and_fixed_parameters():
    import numpyro.distributions as laws
    from numpyro.infer import HMC

    x, y, *_ = bnnpost.datasets.diabetes_problem(2, 1)
    hidden = bnnpost.Dense(3, w_var=laws.InverseGamma(3.0, 2.0), prior=bnnpost.Fixed(0.4))
    network = bnnpost.Serial([hidden, bnnpost.Activation("tanh"), bnnpost.Dense(1)])
    posterior = bnnpost.Posterior(network, Gaussian(1.0), x, y)
    model = bnnpost.hmc.model(posterior)
    kernel = HMC(
        model, step_size=0.2, trajectory_length=0.6, adapt_step_size=False, adapt_mass_matrix=False
    )
    report = bnnpost.invariance(KEY, kernel, posterior, num_draws=400)
    assert report.passed and report.movement.changed > 0.9


@pytest.mark.slow
def test_a_step_that_cannot_be_traced(draws):
    def step(key, vector):
        generator = np.random.default_rng(int(jax.random.bits(key)))
        return np.asarray(vector) + generator.normal(size=vector.shape)

    report = judged(step, few(draws, 60))
    assert not report.passed and report.movement.changed == 1


@pytest.mark.slow
def test_capped_and_coupled_draws():
    x, y, *_ = bnnpost.datasets.diabetes_problem(3, 1)
    posterior = bnnpost.Posterior(bnnpost.mlp(width=4, depth=1), Gaussian(0.5), x, y)
    capped = bnnpost.rejection.sample(KEY, posterior, num_samples=500, bound="capped")
    coupled = bnnpost.coupled.sample(KEY, posterior, num_samples=100, tolerance=0.1)
    for draws in (capped, coupled):
        report = bnnpost.invariance(KEY, lambda key, parameters: parameters, draws)
        assert report.passed and f"by {report.source}" in str(report)


def nan(key, vector):
    return vector * jnp.where(jax.random.uniform(key) < 0.5, jnp.nan, 1.0)


@pytest.mark.parametrize(
    ("step", "options", "message"),
    [
        (nan, {}, "NaN or infinite values from"),
        (lambda key, vector: vector[:-1], {}, "expected the step to return what it was given"),
        (lambda key, vector: (vector, 1), {}, "expected the step to return what it was given"),
        (lambda key, vector: vector, {"num_steps": 0}, "num_steps"),
        (lambda key, vector: vector, {"num_draws": 20}, "num_draws of at least 50"),
        (lambda key, vector: vector, {"level": 1.5}, "level"),
        (lambda key, vector: vector, {"x_test": np.zeros((2, 3))}, "x_test"),
    ],
)
def test_bad_steps_and_arguments(draws, step, options, message):
    with pytest.raises(ValueError, match=message):
        judged(step, few(draws, 100), **options)


def test_what_is_no_step_and_no_source_of_exact_draws(draws):
    from numpyro.infer import NUTS

    with pytest.raises(TypeError, match="expected a step"):
        judged(3, draws)
    with pytest.raises(TypeError, match="key"):
        bnnpost.invariance(jax.random.PRNGKey(0), lambda key, one: one, draws)
    with pytest.raises(ValueError, match="adapt_step_size=False"):
        bnnpost.invariance(KEY, NUTS(bnnpost.hmc.model(POSTERIOR)), draws)
    info = dataclasses.replace(draws.info, kind="chain")
    chain = bnnpost.Draws(draws.space, draws.key, draws.proposal_numbers, draws.log_weights, info)
    with pytest.raises(ValueError, match="kind 'chain'"):
        judged(lambda key, vector: vector, chain)
    with pytest.raises(ValueError, match="expected at least 50"):
        judged(lambda key, vector: vector, few(draws, 30))
    noisy = bnnpost.Posterior(POSTERIOR.network, UNKNOWN, POSTERIOR.x, POSTERIOR.targets)
    kernel = NUTS(
        bnnpost.hmc.model(noisy), step_size=0.1, adapt_step_size=False, adapt_mass_matrix=False
    )
    with pytest.raises(ValueError, match="potential_fn"):
        bnnpost.invariance(KEY, kernel, noisy)


def pairs(rng, count, shift=0.0):
    """A reversible pair: x and y exchangeable, of a skew law, the same in half of the pairs."""
    common = rng.exponential(size=(count, 3))
    first, last = (common + 0.5 * rng.exponential(size=(count, 3)) for _ in range(2))
    last[: count // 2] = first[: count // 2]
    return first, last + shift


@pytest.mark.slow
def test_sign_flips_reject_as_often_as_they_say():
    """120 tests of exchangeable pairs at 0.05: more than 13 rejections have a chance of 0.002."""
    rng, columns = np.random.default_rng(3), ("a", "b", "c")
    least = [
        min(test.corrected for test in paired_tests(*pairs(rng, 60), columns, 0.05, rng))
        for _ in range(120)
    ]
    assert np.sum(np.array(least) <= 0.05) <= 13


def test_sign_flips_find_what_two_samples_do_not():
    rng, columns = np.random.default_rng(4), ("a", "b", "c")
    first, last = pairs(rng, 400, shift=np.array([0.0, 0.1, 0.0]))
    tests = paired_tests(first, last, columns, 0.01, rng)
    found = {test.family.name: test for test in tests}
    assert found["location"].corrected <= 0.01 and found["location"].where == "b"
    means, errors = mean_changes(first, last)
    assert abs(means[1] - 0.1 / np.std(first[:, 1])) < 0.02 and means[1] > 3 * errors[1]


@pytest.mark.slow
def test_a_distance_of_the_draws_is_allowed_for():
    rng, columns = np.random.default_rng(5), ("a", "b", "c")
    first, last = pairs(rng, 400, shift=np.array([0.0, 0.1, 0.0]))
    tests = paired_tests(first, last, columns, 0.01, rng, distance=0.05)
    assert min(test.corrected for test in tests) > 0.01
