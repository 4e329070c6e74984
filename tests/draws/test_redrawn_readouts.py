"""f of readouts drawn anew, given each draw's hidden layers: their law, and errors of their means.

One comparison in 5e8 is off by six standard errors by chance.
"""

import jax
import numpy as np
import pytest

import bnnpost
from tests.samplers import cases, checks
from tests.samplers.cases import X_TEST, Case, X

CASE = Case()
NUM_READOUTS = 4


@pytest.fixture(scope="module")
def draws():
    return cases.standard_draws()


@pytest.fixture(scope="module")
def values(draws):
    return draws.redraw_readouts(X_TEST, NUM_READOUTS)


def whitened(draws, values):
    """Values less the mean and over the Cholesky factor of their own law, [sample, readout, point].

    By plain regression on a draw's features, which it has at the training inputs, the first two.
    """
    hidden = draws.parameters()[0]
    found = []
    for weights, biases, one in zip(hidden.weights, hidden.biases, values, strict=True):
        features = cases.ACTIVATIONS[CASE.activation](
            CASE.w_std / np.sqrt(X.shape[1]) * X @ weights + CASE.b_std * biases
        )
        kernel = CASE.w_std**2 * features @ features.T / CASE.width + CASE.b_std**2
        gain = np.linalg.solve(kernel + CASE.noise_std**2 * np.eye(3), kernel)
        mean, covariance = gain.T @ CASE.targets[:, 0], kernel - kernel @ gain
        root = np.linalg.cholesky(covariance[:2, :2])
        found.append(np.linalg.solve(root, (one[..., 0] - mean[:2]).T).T)
    return np.array(found)


def surprise(standard):
    """Whether all are standard normal, and independent over points and readouts."""
    columns, pairs = standard.reshape(len(standard), -1), standard.reshape(-1, 2)
    laws = [checks.normal_z(point) for point in pairs.T]
    correlations = checks.correlation_z(columns), checks.correlation_z(pairs)
    return checks.worst(laws, checks.variance_z(pairs, 1.0), *correlations)


def test_they_are_from_their_own_law_points_and_all(draws):
    values = draws.redraw_readouts(X[:2], NUM_READOUTS)
    assert values.shape == (len(draws), NUM_READOUTS, 2, 1)
    assert surprise(whitened(draws, values)) < checks.LIMIT
    # Twins: points apart, each with its own right law; a readout again.
    apart = np.stack([values[:, :, 0], np.roll(values[:, :, 1], 1, axis=1)], axis=2)
    assert surprise(whitened(draws, apart)) > checks.LIMIT
    again = values.copy()
    again[::2, 1] = again[::2, 0]
    assert surprise(whitened(draws, again)) > checks.LIMIT


@pytest.mark.slow
def test_each_is_a_draw_from_the_posterior(draws, values):
    predicted = draws.predict(X_TEST)
    for i in range(NUM_READOUTS):
        for point in range(2):
            one, other = values[::2, i, point, 0], predicted[1::2, point, 0]
            assert checks.same_law_z(one, other) < checks.LIMIT
        products = np.prod(values[::2, i, :, 0], axis=1), np.prod(predicted[1::2, :, 0], axis=1)
        assert checks.same_law_z(*products) < checks.LIMIT


@pytest.mark.slow
def test_they_are_the_same_every_time_and_however_many(draws, values):
    np.testing.assert_array_equal(draws.redraw_readouts(X_TEST, NUM_READOUTS), values)
    np.testing.assert_allclose(draws.redraw_readouts(X_TEST, 2), values[:, :2], atol=1e-12)
    assert np.min(np.abs(values[:, 0] - draws.predict(X_TEST))) > 0
    turned = draws.redraw_readouts(X_TEST[::-1], NUM_READOUTS)[:, :, ::-1]
    assert np.abs(turned - values).max() > 0.1


@pytest.mark.slow
def test_twice_the_same_input_has_one_value(draws):
    values = draws.redraw_readouts(X_TEST[[0, 0]], 2)
    np.testing.assert_allclose(values[:, :, 0], values[:, :, 1], atol=1e-7)


@pytest.mark.slow
def test_several_outputs_of_prior_draws():
    posterior = Case(num_outputs=2).posterior()
    prior = bnnpost.prior.sample(cases.key(5), posterior, num_samples=2000)
    values = prior.redraw_readouts(X_TEST, 1)[:, 0]
    predicted = prior.predict(X_TEST)
    assert values.shape == predicted.shape == (2000, 2, 2)
    for output in range(2):
        one, other = values[::2, 0, output], predicted[1::2, 0, output]
        assert checks.same_law_z(one, other) < checks.LIMIT
    assert checks.worst(checks.correlation_z(values[:, 0])) < checks.LIMIT


@pytest.mark.slow
def test_given_values_stay_where_they_are_given():
    """Where the likelihood is not Gaussian: f at the training inputs is part of the weight."""
    case = Case()
    likelihood = bnnpost.likelihoods.StudentT(df=5.0, noise_std=0.5)
    network = case.posterior().network
    bernoulli = bnnpost.Posterior(
        network, bnnpost.likelihoods.Bernoulli(), X, (case.targets > 0).astype(float)
    )
    draws = bnnpost.rejection.sample(
        cases.key(6), bernoulli, num_samples=500, bound="capped", cap=0.0
    )
    f = draws.training_outputs()
    values = draws.redraw_readouts(np.concatenate([X, X_TEST]), 2)
    np.testing.assert_allclose(values[:, :, :3], np.stack([f, f], axis=1), atol=1e-6)
    assert np.min(np.ptp(values[:, :, 3:], axis=1)) > 0
    # Given drawn noise variances, all of f is redrawn.
    student = bnnpost.Posterior(network, likelihood, X, case.targets)
    draws = bnnpost.rejection.sample(
        cases.key(7), student, num_samples=500, bound="capped", cap=0.0
    )
    redrawn = draws.redraw_readouts(X, 2)
    assert np.min(np.ptp(redrawn, axis=1)) > 0
    weights = np.exp(draws.log_weights - draws.log_weights.max())
    difference = (redrawn[:, 0] - draws.training_outputs())[:, :, 0]
    spread = np.sqrt((weights**2) @ difference**2)
    assert checks.worst(weights @ difference / spread) < checks.LIMIT


@pytest.mark.slow
def test_means_have_smaller_errors_that_are_right(draws):
    def h(f):
        return f[:, 0]

    one, many = draws.expectation(h, X_TEST), draws.expectation(h, X_TEST, num_readouts=16)
    assert np.all(many.standard_error < 0.6 * one.standard_error)
    by_hand = draws.redraw_readouts(X_TEST, 16)[..., 0].mean(axis=1)
    np.testing.assert_allclose(many.value, by_hand.mean(axis=0))
    np.testing.assert_allclose(many.standard_error, by_hand.std(axis=0, ddof=1) / len(draws) ** 0.5)
    means = draws.mixture(X_TEST).means[:, :, 0]  # of all readouts that there could be
    assert checks.worst(checks.mean_z(by_hand - means, 0.0)) < checks.LIMIT
    at_training = draws.expectation(h, num_readouts=4)
    same = draws.expectation(h)
    error = np.hypot(at_training.standard_error, same.standard_error)
    assert checks.worst((at_training.value - same.value) / error) < checks.LIMIT


@pytest.mark.slow
def test_what_cannot_be(draws):
    with pytest.raises(ValueError, match="num_readouts to be at least 1, got 0"):
        draws.redraw_readouts(X_TEST, 0)
    with pytest.raises(ValueError, match=r"f of shape \(2000, 10000000000, 2, 1\) takes"):
        draws.redraw_readouts(X_TEST, 10**10)
    with pytest.raises(ValueError, match=r"x_test has rows of shape \(2,\)"):
        draws.redraw_readouts(X_TEST[:, :2], 1)
    posterior = Case().posterior()
    naive = bnnpost.rejection.sample(
        jax.random.key(0), cases.with_noise(posterior, 4.0), num_samples=5, collapse=False
    )
    with pytest.raises(ValueError, match=r"redraw_readouts\(\) needs a collapsed readout"):
        naive.redraw_readouts(X_TEST, 1)
