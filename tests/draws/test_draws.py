"""What draws can do: fixed functions, completions, mixtures, observations, and their record."""

import dataclasses

import jax
import numpy as np
import pytest

import bnnpost
from tests.samplers import cases, checks
from tests.samplers.cases import X_TEST, Case, X

CASE = Case()
# Features in single precision: relative rounding of 6e-8 a layer, and sums of eight.
ROUNDING = 3e-6
FEW = range(10)


@pytest.fixture(scope="module")
def draws():
    return cases.standard_draws()


@pytest.fixture(scope="module")
def values(draws):
    return draws.predict(X_TEST)


def test_predictions_are_the_same_every_time(draws, values):
    np.testing.assert_array_equal(draws.predict(X_TEST), values)
    np.testing.assert_array_equal(draws.predict(X_TEST.tolist()), values)
    assert values.shape == (len(draws), 2, 1)
    assert values.dtype == np.float64


@pytest.mark.slow
def test_training_inputs_give_the_training_outputs(draws):
    drawn = draws.training_outputs()
    assert drawn.shape == (len(draws), 3, 1)
    for completion in ("joint", "function"):
        again = draws.predict(X[:2], completion)
        np.testing.assert_allclose(again, drawn[:, :2], rtol=0, atol=ROUNDING)


@pytest.mark.slow
def test_parameters_reproduce_the_training_outputs(draws):
    drawn = draws.training_outputs()
    for i in FEW:
        _, outputs = cases.forward(draws.parameters(i), CASE, X)
        np.testing.assert_allclose(outputs, drawn[i], rtol=0, atol=ROUNDING)


def test_parameters_have_the_networks_shapes(draws):
    hidden, readout = draws.parameters(0)
    assert (hidden.weights.shape, hidden.biases.shape) == ((4, 8), (8,))
    assert (readout.weights.shape, readout.biases.shape) == ((8, 1), (1,))
    assert isinstance(hidden.weights, np.ndarray)


def test_a_function_is_its_parameters(draws):
    network, points = draws.posterior.network, X_TEST[:1]
    everything = draws.predict(points, completion="function")
    for i in FEW:
        values = draws.function(i)(points)
        np.testing.assert_allclose(values, everything[i], rtol=0, atol=1e-12)
        _, expected = cases.forward(draws.parameters(i), CASE, points)
        np.testing.assert_allclose(values, expected, rtol=0, atol=ROUNDING)
        applied = network.apply(draws.parameters(i), points)
        np.testing.assert_allclose(values, applied, rtol=0, atol=ROUNDING)


@pytest.mark.slow
def test_a_function_is_one_function_whatever_it_is_asked(draws):
    # One point at a time, and several: unlike joint completions, which differ by list.
    function = draws.function(4)
    together = function(X_TEST)
    apart = np.concatenate([function(point[None]) for point in X_TEST])
    np.testing.assert_allclose(apart, together, rtol=0, atol=ROUNDING)
    reversed_list = draws.predict(X_TEST[::-1])[:, ::-1]
    assert np.abs(reversed_list - draws.predict(X_TEST)).max() > 0.1


@pytest.mark.slow
def test_negative_numbers_count_from_the_end(draws):
    last = len(draws) - 1
    for one, other in zip(draws.parameters(-1), draws.parameters(last), strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(draws.function(-1)(X_TEST), draws.function(last)(X_TEST))


@pytest.mark.slow
def test_completions_have_one_law(draws, values):
    # Halves of the draws, because the two completions of one draw are not independent.
    joint, function = values[::2], draws.predict(X_TEST, completion="function")[1::2]
    for point in range(2):
        assert checks.same_law_z(joint[:, point, 0], function[:, point, 0]) < checks.LIMIT
    products = [np.prod(half, axis=(1, 2)) for half in (joint, function)]
    assert checks.same_law_z(*products) < checks.LIMIT


def test_predictions_are_draws_from_their_mixture(draws, values):
    mixture = draws.mixture(X_TEST)
    assert mixture.means.shape == values.shape
    assert mixture.variances.shape == values.shape[:2]
    np.testing.assert_array_equal(mixture.log_weights, np.zeros(len(draws)))
    assert mixture_surprise(values, mixture.means, mixture.variances) < checks.LIMIT
    # The same as moments: means agree, and total variance is that of means plus the mean one.
    assert checks.worst(checks.mean_z(values - mixture.means, 0.0)) < checks.LIMIT
    total = mixture.means.var(axis=0) + mixture.variances.mean(axis=0)[:, None]
    total_se = np.sqrt(np.var((mixture.means - mixture.means.mean(axis=0)) ** 2, axis=0))
    surprise = checks.variance_z(values, total, total_se / np.sqrt(len(values)))
    assert checks.worst(surprise) < checks.LIMIT


def mixture_surprise(values, means, variances):
    """Whether every value is normal with the mean and variance of its own component."""
    standard = (values - means)[:, :, 0] / np.sqrt(variances)
    laws = [checks.normal_z(standard[:, point]) for point in range(standard.shape[1])]
    return checks.worst(laws, checks.variance_z(standard, 1.0))


def test_a_mixture_with_other_variances_is_told(draws, values):
    mixture = draws.mixture(X_TEST)
    wider = mixture.variances + CASE.noise_std**2
    assert mixture_surprise(values, mixture.means, wider) > checks.LIMIT


def test_mixture_at_training_points_is_regression_on_the_hidden_layer(draws):
    mixture, noise_var = draws.mixture(X[:2]), CASE.noise_std**2
    for i in FEW:
        hidden, _ = cases.forward(draws.parameters(i), CASE, X)
        kernel = CASE.w_std**2 * hidden @ hidden.T / CASE.width + CASE.b_std**2
        gain = np.linalg.solve(kernel + noise_var * np.eye(3), kernel)
        np.testing.assert_allclose(mixture.means[i], (gain.T @ CASE.targets)[:2], atol=ROUNDING)
        variances = np.diagonal(kernel - kernel @ gain)
        np.testing.assert_allclose(mixture.variances[i], variances[:2], atol=ROUNDING)


def test_predictive_adds_the_noise(draws, values):
    observed = draws.predictive(jax.random.key(1), X_TEST)
    noise = (observed - values).ravel() / CASE.noise_std
    assert checks.normal_z(noise) < checks.LIMIT
    assert checks.worst(checks.correlation_z((observed - values)[:, :, 0])) < checks.LIMIT
    np.testing.assert_array_equal(draws.predictive(jax.random.key(1), X_TEST), observed)
    assert not np.array_equal(draws.predictive(jax.random.key(2), X_TEST), observed)


def test_record(draws):
    info = draws.info
    assert (info.kind, info.complete, info.space, info.bound) == (
        "exact",
        True,
        "functions",
        "collapsed",
    )
    assert info.num_samples == len(draws) == info.effective_sample_size == 2000
    assert (info.precision, info.num_nan) == ("single", 0)
    assert info.num_proposals % info.block == 0
    assert info.block % info.batch == 0
    assert 0 < info.log_evidence_se < 0.1
    assert 0 < info.seconds < 600
    assert info.device
    assert "2000 exact" in repr(draws)
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.kind = "prior"


@pytest.fixture(scope="module")
def none_accepted():
    case = Case(noise_std=0.01).posterior()
    posterior = bnnpost.Posterior(case.network, case.likelihood, X, 50 * CASE.targets)
    return bnnpost.rejection.sample(jax.random.key(0), posterior, num_samples=5, max_proposals=1000)


@pytest.mark.slow
def test_no_draw_at_all_is_a_result_too(none_accepted, tmp_path):
    assert len(none_accepted) == 0
    assert none_accepted.info.complete is False
    assert none_accepted.info.num_proposals == 1000
    assert np.isfinite(none_accepted.info.log_evidence)
    assert none_accepted.predict(X_TEST).shape == (0, 2, 1)
    assert none_accepted.training_outputs().shape == (0, 3, 1)
    assert none_accepted.predictive(jax.random.key(0), X_TEST).shape == (0, 2, 1)
    assert [part.shape for part in none_accepted.mixture(X_TEST)] == [(0, 2, 1), (0, 2), (0,)]
    none_accepted.save(tmp_path / "none.nc")
    assert len(bnnpost.load(tmp_path / "none.nc")) == 0
    with pytest.raises(IndexError):
        none_accepted.parameters(0)
    with pytest.raises(IndexError):
        none_accepted.function(0)


@pytest.mark.parametrize(
    ("x_test", "message"),
    [
        (X_TEST[:, :2], r"x_test has rows of shape \(2,\)"),
        (X_TEST[0], r"x_test\[:, None\]"),
        (np.zeros((0, 4)), "at least one of each"),
        (np.full((2, 4), np.nan), "NaN or infinite"),
        ([["a"] * 4], "array of numbers"),
    ],
)
@pytest.mark.parametrize("method", ["predict", "mixture", "to_arviz"])
def test_test_inputs_that_cannot_be(draws, method, x_test, message):
    with pytest.raises(ValueError, match=message):
        getattr(draws, method)(x_test)


def test_other_bad_arguments(draws):
    with pytest.raises(ValueError, match="joint or function, got 'both'"):
        draws.predict(X_TEST, completion="both")
    with pytest.raises(IndexError):
        draws.parameters(len(draws))
    with pytest.raises(TypeError, match="wrap_key_data"):
        draws.predictive(jax.random.PRNGKey(0), X_TEST)
