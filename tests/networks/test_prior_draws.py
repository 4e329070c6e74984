"""Prior draws under laws of the user's own: each against its own law and moments."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.stats

import bnnpost
from bnnpost import Dense, Fixed, WeightPrior, per_input
from bnnpost.likelihoods import Gaussian
from tests.samplers import checks

# Fixed seeds; `checks.LIMIT` says how rarely a right library would fail.
X = np.array([[0.8, -0.5], [0.3, 1.2]])


def two_normals():
    normals = dist.Normal(np.zeros(2), np.array([2.0, 0.5]))
    return dist.MixtureSameFamily(dist.Categorical(probs=np.array([0.3, 0.7])), normals)


class Signs(WeightPrior):
    """±1, a prior of the user's."""

    def sample(self, key, shape, dtype):
        return jax.random.rademacher(key, shape).astype(dtype)

    def log_prob(self, values):
        return jnp.zeros(())


def mixture_cdf(values):
    return 0.3 * scipy.stats.norm.cdf(values / 2.0) + 0.7 * scipy.stats.norm.cdf(values / 0.5)


LAWS = {
    "laplace": (dist.Laplace(0.3, 0.7), scipy.stats.laplace(0.3, 0.7).cdf),
    "student-t": (dist.StudentT(5.0, 0.0, 1.3), scipy.stats.t(5, scale=1.3).cdf),
    "uniform": (dist.Uniform(-1.0, 2.0), scipy.stats.uniform(-1.0, 3.0).cdf),
    "mixture": (two_normals(), mixture_cdf),
}


@pytest.mark.parametrize(
    "name",
    [name if name != "student-t" else pytest.param(name, marks=pytest.mark.slow) for name in LAWS],
)
def test_entries_have_their_law(name):
    law, cdf = LAWS[name]
    weights, biases, *_ = Dense(4000, prior=law, bias_prior=law).draw(jax.random.key(0), 3)
    for values in (np.ravel(weights), np.asarray(biases)):
        assert abs(checks.uniform_z(cdf(values))) < checks.LIMIT
        # Values 10 % larger are seen.
    assert abs(checks.uniform_z(cdf(1.1 * np.ravel(weights) + 0.05))) > checks.LIMIT


@pytest.mark.first
@pytest.mark.parametrize("name", LAWS)
def test_normals_stand_for_the_same_law(name):
    law, cdf = LAWS[name]
    normals = np.linspace(-4, 4, 81)
    with jax.enable_x64(True):
        values = Dense(1, prior=law).priors.weights.from_normals(jnp.asarray(normals))
    assert np.allclose(cdf(np.asarray(values)), scipy.stats.norm.cdf(normals), atol=1e-6)


def drawn(layer, count=4000, fan_in=2):
    keys = jax.random.split(jax.random.key(1), count)
    return jax.vmap(lambda key: layer.draw(key, fan_in))(keys)


@pytest.mark.slow
def test_scales_are_drawn_once_for_the_layer_or_for_each_input():
    found = drawn(Dense(3, w_std=dist.HalfNormal(0.7), b_std=dist.LogNormal(0.2, 0.5)))
    assert found.w_std.shape == found.b_std.shape == (4000,)
    halves = scipy.stats.halfnorm(scale=0.7).cdf(np.asarray(found.w_std))
    logs = scipy.stats.lognorm(0.5, scale=np.exp(0.2)).cdf(np.asarray(found.b_std))
    for values in (halves, logs):
        assert abs(checks.uniform_z(values)) < checks.LIMIT
    assert abs(checks.worst(checks.correlation_z(np.stack([halves, logs], 1)))) < checks.LIMIT
    each = drawn(Dense(3, w_std=per_input(dist.HalfNormal(0.7)))).w_std
    assert each.shape == (4000, 2)
    values = scipy.stats.halfnorm(scale=0.7).cdf(np.asarray(each))
    assert abs(checks.uniform_z(values.ravel())) < checks.LIMIT
    assert abs(checks.worst(checks.correlation_z(values))) < checks.LIMIT


@pytest.mark.slow
def test_law_of_a_variance_is_of_the_square():
    squares = np.asarray(drawn(Dense(3, w_var=dist.InverseGamma(3.0, 2.0))).w_std) ** 2
    assert abs(checks.uniform_z(scipy.stats.invgamma(3, scale=2).cdf(squares))) < checks.LIMIT


def test_fixed_parameters_are_the_same_in_every_draw():
    matrix = np.arange(6.0).reshape(2, 3)
    found = drawn(Dense(3, prior=Fixed(matrix), b_std=0.5, bias_prior=Fixed(0.7)), count=3)
    assert np.array_equal(found.weights, np.broadcast_to(matrix, (3, 2, 3)))
    assert np.all(np.asarray(found.biases) == np.float32(0.7))
    assert np.array_equal(found.weights, drawn(Dense(3, prior=dist.Delta(matrix)), 3).weights)


# E z = μ_w Σ x w_std/√2 + μ_b b_std and the variance, of one linear layer.
LAYERS = {
    "laplace, uniform": (
        Dense(1, w_std=1.5, b_std=0.4, prior=LAWS["laplace"][0], bias_prior=LAWS["uniform"][0]),
        (0.3, 2 * 0.7**2, 1.5**2),
        (0.5, 0.75, 0.4**2),
    ),
    "mixture, fixed": (
        Dense(1, w_std=1.5, b_std=0.4, prior=two_normals(), bias_prior=Fixed(0.7)),
        (0.0, 0.3 * 4 + 0.7 * 0.25, 1.5**2),
        (0.7, 0.0, 0.4**2),
    ),
    "scale laws": (
        Dense(1, w_std=dist.HalfNormal(0.7), b_std=dist.HalfNormal(0.4)),
        (0.0, 1.0, 0.7**2),
        (0.0, 1.0, 0.4**2),
    ),
    "scale of each input": (
        Dense(1, w_std=per_input(dist.HalfNormal(0.7)), prior=two_normals()),
        (0.0, 0.3 * 4 + 0.7 * 0.25, 0.7**2),
        (0.0, 0.0, 0.0),
    ),
    "own prior": (Dense(1, w_std=1.2, prior=Signs()), (0.0, 1.0, 1.2**2), (0.0, 0.0, 0.0)),
}


QUICK = [("laplace, uniform", "functions")]
PAIRS = [
    pair if pair in QUICK else pytest.param(*pair, marks=pytest.mark.slow)
    for pair in itertools.product(LAYERS, ("functions", "weights"))
]


@pytest.mark.parametrize(("name", "space"), PAIRS)
def test_outputs_of_one_layer_have_the_moments_of_their_laws(name, space):
    layer, (mean_w, var_w, square_w), (mean_b, var_b, square_b) = LAYERS[name]
    posterior = bnnpost.Posterior(layer, Gaussian(noise_std=0.3), X[:1], [0.0])
    draws = bnnpost.prior.sample(
        jax.random.key(2), posterior, num_samples=8000, space=space, precision="double"
    )
    f = draws.predict(X)[:, :, 0]
    mean = mean_w * X.sum(1) * np.sqrt(square_w / 2) + mean_b * np.sqrt(square_b)
    covariance = square_w * var_w * X @ X.T / 2 + square_b * var_b
    products = np.einsum("si,sj->sij", f - mean, f - mean)
    assert checks.worst(checks.mean_z(f, mean)) < checks.LIMIT
    assert checks.worst(checks.mean_z(products, covariance)) < checks.LIMIT
    assert checks.worst(checks.mean_z(products, 1.5 * covariance)) > checks.LIMIT


@pytest.mark.slow
def test_parameters_of_a_draw_are_its_function():
    layer = Dense(
        1,
        w_std=per_input(dist.HalfNormal(0.7)),
        b_std=dist.HalfNormal(0.4),
        prior=LAWS["laplace"][0],
        bias_prior=LAWS["uniform"][0],
    )
    posterior = bnnpost.Posterior(layer, Gaussian(noise_std=0.3), X, [0.0, 1.0])
    draws = bnnpost.prior.sample(jax.random.key(2), posterior, num_samples=3)
    outputs = draws.predict(X)
    for i in range(3):
        assert np.allclose(layer.apply(draws.parameters(i), X), outputs[i], atol=1e-5)
