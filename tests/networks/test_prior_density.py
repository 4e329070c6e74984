"""The prior's density at parameters, and coordinates without limits, against numpyro's own."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as laws
import pytest
import scipy.stats
from numpyro.infer.util import log_density, potential_energy, unconstrain_fn

import bnnpost
from bnnpost import Activation, Conv, Dense, Fixed, Flatten, Serial, WeightPrior, per_input
from bnnpost.likelihoods import Bernoulli, Gaussian, GaussianUnknownNoise, StudentT
from bnnpost.networks.coordinates import Coordinates

KEY = jax.random.key(0)
X = np.random.default_rng(1).normal(size=(4, 3))
Y = np.array([0.3, -1.0, 0.8, 0.1])
TANH = Activation("tanh")


class Alike(WeightPrior):
    """Entries that tend to be alike."""

    def sample(self, key, shape, dtype):
        common = jax.random.normal(key, (), dtype)
        return common + 0.5 * jax.random.normal(jax.random.fold_in(key, 1), shape, dtype)

    def log_prob(self, values):
        return -2 * jnp.sum((values - jnp.mean(values)) ** 2)


def scales():
    half, inverse = laws.HalfNormal(1.0), laws.InverseGamma(3.0, 2.0)
    return Serial([Dense(4, w_std=half, b_std=half), TANH, Dense(1, w_var=inverse, b_std=0.3)])


NETWORKS = {
    "normal": lambda: bnnpost.mlp(width=4, depth=2),
    "without biases": lambda: Serial([Dense(4, b_std=None), TANH, Dense(1, b_std=None)]),
    "laws": lambda: Serial(
        [
            Dense(4, prior=laws.Laplace(), b_std=1.0, bias_prior=laws.StudentT(4.0)),
            TANH,
            Dense(1, prior=laws.Uniform(-1.0, 2.0)),
        ]
    ),
    "scales": scales,
    "a scale for each input": lambda: Serial(
        [Dense(4, w_std=per_input(laws.Gamma(2.0, 2.0))), TANH, Dense(1)]
    ),
    "fixed": lambda: Serial([Dense(4, prior=Fixed(0.4)), TANH, Dense(1)]),
    "one's own": lambda: Serial([Dense(4, prior=Alike()), TANH, Dense(1)]),
}


def posterior(network, likelihood=None):
    return bnnpost.Posterior(network, likelihood or Gaussian(0.3), X, Y)


def sites(parameters, network):
    """By the names of `hmc.model`, and the log slope of standard deviations by variances."""
    found, log_slope = {}, 0.0
    dense = [layer for layer in network.flattened() if isinstance(layer, Dense)]
    for number, (layer, held) in enumerate(zip(dense, parameters, strict=True)):
        for name, array in zip(held._fields, held, strict=True):
            if array is None or (name == "weights" and isinstance(layer.prior, Fixed)):
                continue
            if name == "w_std" and layer.w_std.of_variance:
                name, log_slope = "w_var", log_slope + float(jnp.sum(jnp.log(2 * array)))
                array = array**2
            found[f"layer{number}.{name}"] = array
    return found, log_slope


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.first
def test_densities_are_those_of_the_numpyro_model(name):
    network = NETWORKS[name]()
    of = posterior(network)
    model = bnnpost.hmc.model(of)
    with jax.enable_x64(True):
        start, density, unravel = of.flat(KEY)
        for seed in range(3):
            vector = start + 0.3 * jax.random.normal(jax.random.key(seed), start.shape)
            parameters = unravel(vector)
            named, log_slope = sites(parameters, network)
            expected = float(log_density(model, (), {}, named)[0]) + log_slope
            assert float(of.log_density(parameters)) == pytest.approx(expected, abs=1e-10)
            moved = unconstrain_fn(model, (), {}, named)
            expected = -float(potential_energy(model, (), {}, moved))
            assert float(density(vector)) == pytest.approx(expected, abs=1e-10)


def test_the_density_of_normals_by_scipy():
    network = Serial([Dense(2, w_std=1.2, b_std=0.4), Activation("erf"), Dense(1, w_std=0.7)])
    with jax.enable_x64(True):
        (w, b, *_), (v, *_) = network.init(KEY, 3)
        of = posterior(network)
        prior, likelihood = (
            of.log_prior(network.init(KEY, 3)),
            of.log_likelihood(network.init(KEY, 3)),
        )
    w, b, v = np.asarray(w), np.asarray(b), np.asarray(v)
    expected = sum(scipy.stats.norm.logpdf(part).sum() for part in (w, b, v))
    assert float(prior) == pytest.approx(expected, abs=1e-12)
    hidden = scipy.special.erf(1.2 / np.sqrt(3) * X @ w + 0.4 * b)
    f = 0.7 / np.sqrt(2) * hidden @ v
    assert float(likelihood) == pytest.approx(
        scipy.stats.norm.logpdf(Y, f[:, 0], 0.3).sum(), abs=1e-10
    )


@pytest.mark.parametrize("likelihood", [StudentT(df=4.0, noise_std=0.3), Bernoulli()])
def test_the_likelihood_is_that_of_the_outputs(likelihood):
    network = bnnpost.mlp(width=4, depth=1)
    of = bnnpost.Posterior(network, likelihood, X, (Y > 0).astype(float))
    with jax.enable_x64(True):
        parameters = network.init(KEY, 3)
        outputs = network.apply(parameters, jnp.asarray(X))
        expected = likelihood.log_prob(outputs, jnp.asarray(of.targets))
        assert float(of.log_likelihood(parameters)) == float(expected)


@pytest.mark.slow
def test_noise_of_unknown_size_is_integrated_out():
    law = laws.HalfNormal(0.8)
    network = bnnpost.mlp(width=4, depth=1)
    of = posterior(network, GaussianUnknownNoise(noise_std=law))
    with jax.enable_x64(True):
        parameters = network.init(KEY, 3)
        f = np.asarray(network.apply(parameters, jnp.asarray(X)))[:, 0]
        stds = np.linspace(1e-3, 6, 60_001)
        each = scipy.stats.norm.logpdf(Y[:, None], f[:, None], stds).sum(axis=0)
        prior = scipy.stats.halfnorm.pdf(stds, scale=0.8)
        expected = np.log(np.trapezoid(np.exp(each) * prior, stds))
        assert float(of.log_likelihood(parameters)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_functions_are_taken_by_jax_as_they_are():
    of = posterior(scales())
    parameters = of.network.init(KEY, 3)
    start, density, unravel = of.flat(KEY)
    for function in (of.log_prior, of.log_likelihood, of.log_density):
        once = float(function(parameters))
        assert float(jax.jit(function)(parameters)) == pytest.approx(once, rel=1e-5)
    gradient = jax.jit(jax.grad(of.log_density))(parameters)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))
    vectors = jnp.stack([start, start + 0.1])
    found = jax.vmap(density)(vectors)
    assert float(found[1]) == pytest.approx(float(jax.jit(density)(vectors[1])), rel=1e-5)
    assert jax.vmap(unravel)(vectors)[0].weights.shape == (2, 3, 4)


@pytest.mark.slow
def test_the_gradient_is_the_slope():
    of = posterior(scales())
    with jax.enable_x64(True):
        start, density, _ = of.flat(KEY)
        direction = jax.random.normal(jax.random.key(4), start.shape)
        step = 1e-6 * direction
        slope = (density(start + step) - density(start - step)) / 2e-6
        assert float(jnp.vdot(jax.grad(density)(start), direction)) == pytest.approx(
            float(slope), rel=1e-5
        )


@pytest.mark.first
@pytest.mark.parametrize("name", NETWORKS)
def test_coordinates_there_and_back(name):
    network = NETWORKS[name]()
    with jax.enable_x64(True):
        held = Coordinates(network, (3,))
        parameters = network.init(KEY, 3)
        vector = held.vector(parameters)
        assert vector.shape == (held.size,)
        again = held.parameters(vector)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), again, parameters)


@pytest.mark.slow
def test_the_slope_of_coordinates_by_differences():
    with jax.enable_x64(True):
        held = Coordinates(scales(), (3,))
        vector = held.vector(scales().init(KEY, 3))

        def flat(one):
            return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(held.parameters(one))])

        _, log_det = jnp.linalg.slogdet(jax.jacobian(flat)(vector))
        assert float(held.log_slope(vector)) == pytest.approx(float(log_det), abs=1e-10)


@pytest.mark.slow
def test_what_is_never_drawn_has_no_density():
    network = scales()
    of = posterior(network)
    parameters = network.init(KEY, 3)
    negative = parameters[0]._replace(w_std=-parameters[0].w_std)
    assert of.log_density((negative, parameters[1])) == -np.inf
    negative = parameters[1]._replace(w_std=-parameters[1].w_std)
    assert of.log_density((parameters[0], negative)) == -np.inf
    network = Serial([Dense(4, prior=Fixed(0.4)), TANH, Dense(1, prior=laws.Uniform(-1.0, 2.0))])
    of = posterior(network)
    first, last = network.init(KEY, 3)
    assert np.isfinite(of.log_prior((first, last)))
    assert of.log_prior((first._replace(weights=first.weights + 0.1), last)) == -np.inf
    assert of.log_prior((first, last._replace(weights=last.weights + 5))) == -np.inf


@pytest.mark.slow
def test_networks_with_positions():
    network = Serial([Conv(3, (3,)), TANH, Flatten(), Dense(1)])
    of = bnnpost.Posterior(network, Gaussian(0.3), X[:, :, None], Y)
    parameters = network.init(KEY, (3, 1))
    expected = sum(
        scipy.stats.norm.logpdf(np.asarray(leaf)).sum() for leaf in jax.tree.leaves(parameters)
    )
    assert of.log_prior(parameters) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_parameters_of_another_network_are_refused():
    of = posterior(bnnpost.mlp(width=4, depth=1))
    other = bnnpost.mlp(width=5, depth=1).init(KEY, 3)
    with pytest.raises(ValueError, match=r"layer 0 weights \[3, 4\].*got layer 0 weights \[3, 5\]"):
        of.log_density(other)
    with pytest.raises(ValueError, match="got dict"):
        of.log_prior({"weights": X})
    with pytest.raises(ValueError, match="expected a vector of 21 numbers"):
        of.flat(KEY).log_density(np.zeros((2, 21)))
    with pytest.raises(TypeError, match="key"):
        of.flat(jax.random.PRNGKey(0))
