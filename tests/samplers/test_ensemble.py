"""Ensembles trained by gradient descent: against plain numpy, against their limit, and refusals."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.distributions import HalfNormal
from scipy import special

import bnnpost
from bnnpost import Posterior
from bnnpost.likelihoods import Gaussian
from bnnpost.samplers.ensemble import TrainingWarning
from bnnpost.verification.candidates import candidate_of
from bnnpost.verification.sets import TEST, TRAIN

KEY = jax.random.key(11)
RNG = np.random.default_rng(8)
X, Y, X_TEST = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 1)), RNG.normal(size=(4, 2))
RIDGE = 0.16


def posterior(width, **settings):
    network = bnnpost.mlp(width=width, depth=1, w_std=1.2, b_std=0.3, **settings)
    return Posterior(network, Gaussian(noise_std=0.4), X, Y)


@functools.cache
def wide():
    return bnnpost.ensemble.sample(KEY, posterior(1024), num_members=40)


def descended(start, learning_rate, num_steps, anchored=True):
    """Parameters and loss of one member by numpy: z = 1.2/√fan_in x W + 0.3 b, erf between."""
    first, second = start
    theta = [np.array(a, np.float64) for a in (*first[:2], *second[:2])]
    origin = [a.copy() for a in theta] if anchored else [np.zeros_like(a) for a in theta]
    into, out = 1.2 / np.sqrt(X.shape[1]), 1.2 / np.sqrt(len(theta[1]))

    def hidden():
        return into * X @ theta[0] + 0.3 * theta[1]

    def errors():
        return out * special.erf(hidden()) @ theta[2] + 0.3 * theta[3] - Y

    for _ in range(num_steps):
        z, error = hidden(), errors()
        back = out * error @ theta[2].T * 2 / np.sqrt(np.pi) * np.exp(-(z**2))
        gradients = [into * X.T @ back, 0.3 * back.sum(0)]
        gradients += [out * special.erf(z).T @ error, 0.3 * error.sum(0)]
        pulls = [RIDGE * (a - b) for a, b in zip(theta, origin, strict=True)]
        for a, gradient, pull in zip(theta, gradients, pulls, strict=True):
            a -= learning_rate * (gradient + pull)
    moved = sum(np.sum((a - b) ** 2) for a, b in zip(theta, origin, strict=True))
    return theta, 0.5 * np.sum(errors() ** 2) + 0.5 * RIDGE * moved


def test_descent_is_that_of_numpy():
    with pytest.warns(TrainingWarning, match="has not converged: in the second half of 7 steps"):
        members = bnnpost.ensemble.sample(
            KEY, posterior(5), num_members=2, num_steps=7, learning_rate=0.05, precision="double"
        )
    start = jax.tree.map(lambda array: array[1], members.initial())
    expected, loss = descended(start, 0.05, 7)
    found = jax.tree.leaves(members.parameters(1))
    assert all(np.allclose(a, b, rtol=1e-12) for a, b in zip(found, expected, strict=True))
    assert np.isclose(members.info.final_loss[1], loss, rtol=1e-12)
    assert np.isclose(members.info.initial_loss[1], descended(start, 0.05, 0)[1], rtol=1e-12)
    # Weight decay towards 0 is another training.
    other = descended(start, 0.05, 7, anchored=False)[0]
    assert not any(np.allclose(a, b, rtol=1e-3) for a, b in zip(found, other, strict=True))


def beginning(members):
    """Outputs of members before training, at the training and the test inputs."""
    rows, stacked = np.concatenate([X, X_TEST]), members.initial()
    apply = jax.vmap(lambda p: members.posterior.network.apply(p, jnp.asarray(rows)))
    outputs = np.asarray(apply(stacked), np.float64)
    return outputs[:, : len(X)], outputs[:, len(X) :]


@pytest.mark.slow
def test_wide_members_do_what_the_limit_says_of_their_beginning():
    members = wide()
    assert members.info.converged, members.info.summary()
    at_train, at_test = beginning(members)
    found = members.predict(X_TEST)

    def error(response):
        return np.std(found - at_test - response @ (Y - at_train)) / np.std(found)

    # The kernel's own fluctuations are of relative size 1/√1024.
    assert error(members.limit().response(X_TEST)) < 3 / np.sqrt(1024)
    with jax.enable_x64(True):
        kernel = np.asarray(bnnpost.nngp(members.posterior.network, np.concatenate([X, X_TEST])))
    readout_alone = kernel[3:, :3] @ np.linalg.inv(kernel[:3, :3] + RIDGE * np.eye(3))
    assert error(readout_alone) > 5 / np.sqrt(1024)


def at_positions(width, *layers):
    network = bnnpost.Serial([*layers, bnnpost.GlobalAvgPool(), bnnpost.Dense(1, w_std=1.5)])
    x = np.random.default_rng(3).normal(size=(5, 4, 3))
    return Posterior(bnnpost.at_width(network, width), Gaussian(0.3), x[:3], Y), x[3:]


def convolution(width):
    conv = bnnpost.Conv(1, (3,), w_std=1.3, b_std=0.2)
    return at_positions(width, conv, bnnpost.Activation("relu"))


def attention(width):
    layers = [bnnpost.Conv(1, (1,)), bnnpost.Activation("erf"), bnnpost.SelfAttention(1, heads=1)]
    return at_positions(width, *layers)


@pytest.mark.slow
@pytest.mark.parametrize("of_width", [convolution, attention])
def test_other_layers_approach_their_limit_too(of_width):
    errors = []
    for width in (32, 256):
        target, x_test = of_width(width)
        members = bnnpost.ensemble.sample(KEY, target, num_members=30, num_steps=400)
        rows, stacked = jnp.asarray(np.concatenate([target.x, x_test])), members.initial()
        outputs = np.asarray(jax.vmap(lambda p: target.network.apply(p, rows))(stacked))  # noqa: B023
        away = members.predict(x_test) - outputs[:, 3:]
        expected = members.limit().response(x_test) @ (Y - outputs[:, :3])
        errors.append(np.std(away - expected) / np.std(away))
    # Of size 1/√width: by √8 smaller.
    assert 1.8 < errors[0] / errors[1] < 4.5, errors


@pytest.mark.slow
def test_members_start_at_the_prior_with_independent_parameters():
    weights = np.stack(
        [
            np.concatenate([a.ravel() for a in jax.tree.leaves(p)])
            for p in (wide().parameters(i) for i in range(3))
        ]
    )
    initial = np.concatenate(
        [np.reshape(a, (40, -1)) for a in jax.tree.leaves(wide().initial())], axis=1
    )
    # 40 · 4097 standard normals: five standard errors.
    assert abs(initial.mean()) < 5 / np.sqrt(initial.size)
    assert abs(initial.std() - 1) < 5 / np.sqrt(2 * initial.size)
    assert np.max(np.abs(np.corrcoef(initial[:3]) - np.eye(3))) < 5 / np.sqrt(initial.shape[1])
    # Lazy training: no weight moves far.
    assert np.max(np.abs(weights - initial[:3])) < 1.0


@pytest.mark.slow
def test_largest_learning_rate_separates_descent_from_divergence():
    target = posterior(4096)
    largest = bnnpost.max_learning_rate(target)

    def trained(factor, num_steps):
        return bnnpost.ensemble.sample(
            KEY, target, num_members=4, num_steps=num_steps, learning_rate=factor * largest
        )

    settled = trained(0.9, 120).info
    assert settled.converged
    assert np.all(settled.final_loss < 0.5 * settled.initial_loss)
    with pytest.raises(FloatingPointError, match=r"diverged.*of 4 of 4 members.*max_learning_rate"):
        trained(1.1, 40)


@pytest.mark.slow
def test_views_of_a_member_agree():
    members, i = wide(), 7
    values = members.predict(X_TEST)
    assert values.shape == (40, 4, 1)
    assert values.dtype == np.float64
    assert np.array_equal(members.predict(X), members.training_outputs())
    assert np.allclose(members.function(i)(X_TEST), values[i], rtol=1e-12)
    with jax.enable_x64(True):
        applied = members.posterior.network.apply(members.parameters(i), X_TEST)
    assert np.allclose(applied, values[i], rtol=1e-12)
    assert "40 members" in repr(members)
    assert "converged (drift" in repr(members)
    assert len(members) == 40


@pytest.mark.slow
def test_a_member_is_its_number_and_the_flag_changes_nothing():
    with jax.enable_x64(True):
        fewer = bnnpost.ensemble.sample(KEY, posterior(1024), num_members=20)
    assert np.allclose(fewer.predict(X_TEST), wide().predict(X_TEST)[:20], atol=1e-4)
    assert jax.tree.leaves(fewer.stacked)[0].dtype == np.float32


def test_ensembles_are_candidates_for_verify():
    sizes = {"num_test": 4, "num_train": 3, "num_outputs": 1}
    found = candidate_of(wide(), **sizes, x_test=X_TEST, x_train=X)
    assert found.independent
    assert np.array_equal(found.values[TEST][0], wide().predict(X_TEST))
    assert np.array_equal(found.values[TRAIN][0], wide().training_outputs())
    with pytest.raises(ValueError, match="training inputs"):
        candidate_of(wide(), **sizes, x_test=X_TEST, x_train=X + 1)


@pytest.mark.slow
def test_what_is_not_random_and_what_is_a_scale_stays():
    network = bnnpost.Serial(
        [
            bnnpost.Dense(4, w_std=HalfNormal(1.0), bias_prior=bnnpost.Fixed(0.5)),
            bnnpost.Activation("erf"),
            bnnpost.Dense(1),
        ]
    )
    target = Posterior(network, Gaussian(noise_std=0.4), X, Y)
    with pytest.raises(ValueError, match=r"random w_std of linear layer 0.*Give both"):
        bnnpost.ensemble.sample(KEY, target, num_members=2)
    members = bnnpost.ensemble.sample(
        KEY, target, num_members=3, num_steps=2000, learning_rate=0.05
    )
    (before, _), (after, _) = members.initial(), members.stacked
    assert np.all(after.biases == 0.5)
    assert np.array_equal(before.w_std, after.w_std)
    assert len(np.unique(after.w_std)) == 3
    assert not np.any(before.weights == after.weights)


def test_members_that_would_not_fit_are_refused_before_training(monkeypatch):
    monkeypatch.setattr("bnnpost.samplers.ensemble.available_memory", lambda: 2**20)
    with pytest.raises(ValueError, match=r"need about 0\.3 GiB of memory.*train fewer"):
        bnnpost.ensemble.sample(KEY, posterior(1024), num_members=10_000)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_members": 0}, ValueError, "num_members to be at least 1"),
        ({"num_steps": 0}, ValueError, "num_steps to be at least 1"),
        ({"learning_rate": -0.1}, ValueError, "learning_rate to be a finite number"),
        ({"ridge": -1.0}, ValueError, "ridge to be a finite number"),
        ({"precision": "half"}, ValueError, "single or double, got 'half'"),
        ({"learning_rate": 1e-9}, ValueError, "Give num_steps, or a larger ridge"),
    ],
)
def test_arguments_that_make_no_sense(arguments, error, message):
    with pytest.raises(error, match=message):
        bnnpost.ensemble.sample(KEY, posterior(4), **arguments)


def test_other_likelihoods_and_legacy_keys_are_refused():
    classes = Posterior(bnnpost.mlp(), bnnpost.likelihoods.Bernoulli(), X, Y > 0)
    with pytest.raises(ValueError, match="got Bernoulli"):
        bnnpost.ensemble.sample(KEY, classes)
    with pytest.raises(TypeError, match="wrap_key_data"):
        bnnpost.ensemble.sample(jax.random.key_data(KEY), posterior(4))


# At width 32 a few members in a thousand take very long.
@pytest.mark.filterwarnings("ignore:training has not converged")
@pytest.mark.slow
def test_verify_tells_an_ensemble_from_the_posterior():
    target = posterior(32)
    exact, held = (
        bnnpost.rejection.sample(jax.random.key(k), target, num_samples=4000) for k in (1, 2)
    )
    members = bnnpost.ensemble.sample(KEY, target, num_members=2000)
    assert not bnnpost.verify(jax.random.key(3), members, exact, X_TEST).passed
    assert bnnpost.verify(jax.random.key(3), held, exact, X_TEST).passed
