"""The limit of a trained ensemble: references, an ODE in plain numpy, and what must differ."""

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import bnnpost
from bnnpost import Posterior
from bnnpost.likelihoods import Gaussian
from tests.reference import cases

TOLERANCE = 1e-9
POSTERIORS = cases.posteriors()
every_posterior = pytest.mark.parametrize(
    "entry", POSTERIORS, ids=[f"{e['case']}-s2_{e['noise_variance']}" for e in POSTERIORS]
)
X2 = cases.inputs()["x2"]
RNG = np.random.default_rng(3)
X, Y, X_TEST = RNG.normal(size=(4, 2)), RNG.normal(size=(4, 1)), RNG.normal(size=(3, 2))
NETWORK = bnnpost.mlp(activation="erf")


def reference_posterior(entry, factor=1.0):
    network = bnnpost.from_spec(cases.layers(entry["group"], entry["case"]))
    likelihood = Gaussian(noise_std=factor * np.sqrt(entry["noise_variance"]))
    return Posterior(network, likelihood, cases.inputs()["x1"], cases.inputs()["y"])


def posterior(x=X, y=Y, noise_std=0.3, network=NETWORK):
    return Posterior(network, Gaussian(noise_std=noise_std), x, y)


def relative_error(found, expected):
    return np.max(np.abs(found - expected)) / np.max(np.abs(expected))


def errors(law, values, x=X2):
    return [
        relative_error(found, expected)
        for found, expected in zip((law.mean(x), law.covariance(x)), values, strict=True)
    ]


def stored_tolerance(entry):
    """Stored values of the NTK's laws are good to 3e-9 for ReLU: see the references' README."""
    return 3e-9 if "relu" in entry["case"] else TOLERANCE


def trained(nngp, tangent, ridge):
    """Mean and covariance of a converged ensemble at the last 4 of 10 points, by the formula."""
    weights = np.linalg.solve(tangent[:6, :6] + ridge * np.eye(6), tangent[:6, 6:])
    cross = weights.T @ nngp[:6, 6:]
    covariance = nngp[6:, 6:] + weights.T @ nngp[:6, :6] @ weights - cross - cross.T
    return weights.T @ cases.inputs()["y"], covariance


@pytest.mark.first
@every_posterior
def test_trained_ensemble_of_the_references(entry):
    values = cases.posterior_values(entry, "ntk")
    law = bnnpost.ensemble_limit(reference_posterior(entry))
    assert max(errors(law, values)) < stored_tolerance(entry)
    # Neither posterior is the ensemble's law, with either kernel.
    for wrong in (bnnpost.limit, bnnpost.ntk_gp):
        assert max(errors(wrong(reference_posterior(entry)), values)) > 1e-2


@every_posterior
def test_trained_ensemble_with_the_kernels_of_the_references(entry):
    nngp, tangent = (cases.kernel(entry["group"], entry["case"], k) for k in ("nngp", "ntk"))
    law = bnnpost.ensemble_limit(reference_posterior(entry))
    ridge = entry["noise_variance"]
    assert max(errors(law, trained(nngp, tangent, ridge))) < 1e-12
    # The NNGP in the place of the NTK trains the readout alone.
    assert min(errors(law, trained(nngp, nngp, ridge))) > 1e-2


@every_posterior
def test_posterior_with_the_ntk_of_the_references(entry):
    law = bnnpost.ntk_gp(reference_posterior(entry))
    values = cases.posterior_values(entry, "ntkgp")
    expected = entry["ntkgp_log_marginal_likelihood"]
    assert max(errors(law, values)) < stored_tolerance(entry)
    assert abs(law.log_evidence - expected) < 10 * TOLERANCE
    other = bnnpost.limit(reference_posterior(entry))
    assert min(errors(other, values)) > 1e-2
    assert abs(other.log_evidence - expected) > 0.1


def test_ridge_off_by_one_part_in_a_million_is_seen():
    entry = POSTERIORS[0]
    law = bnnpost.ensemble_limit(reference_posterior(entry), ridge=(1 + 1e-6) * 0.1)
    assert max(errors(law, cases.posterior_values(entry, "ntk"))) > TOLERANCE


def kernels(network=NETWORK, x=X, x_test=X_TEST):
    with jax.enable_x64(True):
        rows = np.concatenate([x, x_test])
        return np.asarray(bnnpost.nngp(network, rows)), np.asarray(bnnpost.ntk(network, rows))


def by_integration(time, ridge, tangent):
    """f at X_TEST as a linear map of (y, f₀(X), f₀(X_TEST)), by a numerical ODE in the dual.

    θ = θ₀ + J(X)ᵀ a: the flow is ȧ = y − f(X) − ridge a, f = f₀ + Θ a.
    """
    num_train = len(X)

    def flow(_, state):
        a = state.reshape(num_train, -1)
        return (forcing - tangent[:num_train, :num_train] @ a - ridge * a).ravel()

    forcing = np.concatenate(
        [np.eye(num_train), -np.eye(num_train), np.zeros((num_train, len(X_TEST)))], axis=1
    )
    start = np.zeros(forcing.size)
    solved = solve_ivp(flow, (0, time), start, method="DOP853", rtol=1e-11, atol=1e-12)
    a = solved.y[:, -1].reshape(num_train, -1)
    outputs = tangent[num_train:, :num_train] @ a
    outputs[:, -len(X_TEST) :] += np.eye(len(X_TEST))
    return outputs


@pytest.mark.parametrize("ridge", [0.0, 0.09])
def test_finite_time_against_a_numerical_ode(ridge):
    time, num_train = 0.7, len(X)
    kernel, tangent = kernels()
    found = bnnpost.ensemble_limit(posterior(), time=time, ridge=ridge)

    def expected(theta):
        outputs = by_integration(time, ridge, theta)
        of_prior = outputs[:, num_train:]
        return outputs[:, :num_train] @ Y, of_prior @ kernel @ of_prior.T

    assert max(errors(found, expected(tangent), X_TEST)) < 1e-8
    # The NNGP in the place of the NTK trains the readout alone.
    assert min(errors(found, expected(kernel), X_TEST)) > 1e-2


def test_training_for_no_time_is_the_prior():
    kernel, _ = kernels()
    for law in (
        bnnpost.ensemble_limit(posterior(), time=0.0),
        bnnpost.ensemble_limit(posterior(), num_steps=0, learning_rate=0.01),
    ):
        assert np.all(law.mean(X_TEST) == 0)
        assert np.allclose(law.covariance(X_TEST), kernel[len(X) :, len(X) :], rtol=1e-14)


@pytest.mark.parametrize("ridge", [0.0, 0.09])
def test_training_for_long_is_training_to_convergence(ridge):
    values = [
        (law.mean(X_TEST), law.covariance(X_TEST))
        for law in (
            bnnpost.ensemble_limit(posterior(), ridge=ridge),
            bnnpost.ensemble_limit(posterior(), ridge=ridge, time=1e4),
            bnnpost.ensemble_limit(posterior(), ridge=ridge, num_steps=10**6, learning_rate=0.02),
            bnnpost.ensemble_limit(posterior(), ridge=ridge, time=10.0),
        )
    ]
    for mean, covariance in values[1:3]:
        assert np.allclose(mean, values[0][0], rtol=1e-10)
        assert np.allclose(covariance, values[0][1], rtol=1e-10, atol=1e-13)
    assert relative_error(values[3][0], values[0][0]) > 1e-9


def test_steps_against_descent_in_numpy():
    tangent = kernels()[1]
    rate, ridge, num_steps, num_train = 0.03, 0.09, 25, len(X)
    a = np.zeros_like(Y)
    for _ in range(num_steps):
        a = a + rate * (Y - tangent[:num_train, :num_train] @ a - ridge * a)
    law = bnnpost.ensemble_limit(posterior(), num_steps=num_steps, learning_rate=rate)
    assert np.allclose(law.mean(X_TEST), tangent[num_train:, :num_train] @ a, rtol=1e-11)
    flow = bnnpost.ensemble_limit(posterior(), time=num_steps * rate)
    assert relative_error(flow.mean(X_TEST), law.mean(X_TEST)) > 1e-3


def test_without_a_ridge_every_member_goes_through_the_data():
    law = bnnpost.ensemble_limit(posterior(), ridge=0.0)
    assert np.allclose(law.mean(X), Y, rtol=1e-10)
    assert np.max(np.abs(law.covariance(X))) < 1e-12


@pytest.mark.parametrize("time", [None, 3.0, 1e15])
def test_duplicate_inputs_without_a_ridge(time):
    # Squared errors at one input are those of their mean, counted twice; the clock runs twice
    # as fast.
    y = np.concatenate([Y + 0.5, Y - 0.5])
    twice = bnnpost.ensemble_limit(posterior(np.tile(X, (2, 1)), y), ridge=0.0, time=time)
    later = None if time is None else 2 * time
    once = bnnpost.ensemble_limit(posterior(), ridge=0.0, time=later)
    x = np.concatenate([X_TEST, X])
    assert np.allclose(twice.mean(x), once.mean(x), rtol=1e-9)
    assert np.allclose(twice.covariance(x), once.covariance(x), rtol=1e-9, atol=1e-11)


def test_duplicates_with_a_ridge_are_one_point_with_half_of_it():
    twice = bnnpost.ensemble_limit(posterior(np.tile(X, (2, 1)), np.tile(Y, (2, 1))), ridge=0.2)
    once = bnnpost.ensemble_limit(posterior(), ridge=0.1)
    assert np.allclose(twice.mean(X_TEST), once.mean(X_TEST), rtol=1e-10)
    assert np.allclose(twice.covariance(X_TEST), once.covariance(X_TEST), rtol=1e-9)


def test_several_outputs_are_independent():
    y = RNG.normal(size=(4, 2))
    joint = bnnpost.ensemble_limit(posterior(y=y, network=bnnpost.mlp(num_outputs=2)))
    single = [bnnpost.ensemble_limit(posterior(y=y[:, i])).mean(X_TEST) for i in range(2)]
    assert np.allclose(joint.mean(X_TEST), np.concatenate(single, axis=1), rtol=1e-12)


def test_a_linear_model_is_anchored_ridge_regression():
    # f = xᵀu/√d with u₀ ~ N(0, I): both kernels are xxᵀ/d, and the minimum of the loss is known.
    law = bnnpost.ensemble_limit(posterior(network=bnnpost.Serial([bnnpost.Dense(1)])))
    j, j_test, ridge = X / np.sqrt(2), X_TEST / np.sqrt(2), 0.09
    inverse = np.linalg.inv(j.T @ j + ridge * np.eye(2))
    assert np.allclose(law.mean(X_TEST), j_test @ inverse @ j.T @ Y, rtol=1e-11)
    shrunk = ridge * j_test @ inverse
    assert np.allclose(law.covariance(X_TEST), shrunk @ shrunk.T, rtol=1e-10, atol=1e-15)


def test_draws_have_the_laws_moments():
    law = bnnpost.ensemble_limit(posterior())
    drawn = law.sample(jax.random.key(1), X_TEST, 20_000)[:, :, 0]
    std = np.sqrt(np.diagonal(law.covariance(X_TEST)))
    # Five standard errors: false alarms below 1e-5.
    assert np.max(np.abs(drawn.mean(0) - law.mean(X_TEST)[:, 0]) / std) < 5 / np.sqrt(20_000)
    assert np.max(np.abs(drawn.std(0) / std - 1)) < 5 / np.sqrt(40_000)
    wrong = np.sqrt(np.diagonal(bnnpost.limit(posterior()).covariance(X_TEST)))
    assert np.max(np.abs(drawn.std(0) / wrong - 1)) > 5 / np.sqrt(40_000)


def test_largest_learning_rate():
    tangent = kernels()[1]
    largest = np.linalg.eigvalsh(tangent[: len(X), : len(X)])[-1]
    assert np.isclose(bnnpost.max_learning_rate(posterior()), 2 / (largest + 0.09), rtol=1e-12)
    assert np.isclose(bnnpost.max_learning_rate(posterior(), ridge=0), 2 / largest, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"time": -1.0}, "expected time to be a finite number"),
        ({"time": np.inf}, "expected time to be a finite number"),
        ({"ridge": -0.1}, "expected ridge to be a finite number"),
        ({"num_steps": 10}, "num_steps and learning_rate together"),
        ({"learning_rate": 0.1}, "num_steps and learning_rate together"),
        ({"time": 1.0, "num_steps": 10, "learning_rate": 0.1}, "got both"),
        ({"num_steps": 10, "learning_rate": 0.0}, "learning_rate to be above 0"),
        ({"num_steps": 10, "learning_rate": 10.0}, "max_learning_rate"),
    ],
)
def test_arguments_that_make_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        bnnpost.ensemble_limit(posterior(), **arguments)


@pytest.mark.parametrize(
    "function", [bnnpost.ensemble_limit, bnnpost.max_learning_rate, bnnpost.ntk_gp]
)
def test_what_has_no_such_limit_is_refused(function):
    laplace = Posterior(NETWORK, bnnpost.likelihoods.Laplace(0.3), X, Y)
    with pytest.raises(ValueError, match=r"Gaussian noise of known size.*got Laplace"):
        function(laplace)
    with pytest.raises(ValueError, match="ends in a linear layer"):
        function(posterior(network=bnnpost.Serial([bnnpost.Dense(1), bnnpost.Activation("erf")])))
    with pytest.raises(TypeError, match=r"expected a bnnpost\.Posterior, got int"):
        function(3)
