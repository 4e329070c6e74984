"""Auxiliary rejection of whole networks: against plain numpy, against the other bound, on disk."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.special

import bnnpost
from bnnpost import rejection
from bnnpost.datasets.shipped import diabetes_problem
from bnnpost.likelihoods import Gaussian, StudentT
from bnnpost.networks import Activation, Dense, Serial
from bnnpost.numerics.precision import in_double_precision
from bnnpost.samplers.plan import strict_space
from bnnpost.spaces.auxiliary import for_posterior
from bnnpost.spaces.making import make_space
from tests.samplers.checks import LIMIT, evidence_z, mean_z, same_law_z, same_mean_z, worst

NOISE_STD, B_STD = 0.5, 0.3
ERF = Activation("erf")


def network(width, activation=ERF, num_outputs=1, **hidden):
    readout = Dense(num_outputs, w_std=0.9, b_std=B_STD)
    return Serial([Dense(width, **{"b_std": B_STD, **hidden}), activation, readout])


def posterior(num_points, layers, num_outputs=1, noise_std=NOISE_STD):
    x, y, *_ = diabetes_problem(num_points, 1)
    targets = np.stack([y, 0.5 - y[::-1]], axis=1)[:, :num_outputs]
    return bnnpost.Posterior(layers, Gaussian(noise_std), x, targets)


def sample(of, num_samples, seed=0, **options):
    options = {"bound": "auxiliary", **options}
    return rejection.sample(jax.random.key(seed), of, num_samples=num_samples, **options)


def rectified(u):
    return np.maximum(u, 0)


def importance(of, width, count, function=scipy.special.erf):
    """Kernels of prior networks in plain numpy, log weights, and how the draws are weighed."""
    rng, x, y = np.random.default_rng(1), of.x, of.targets
    rows = np.concatenate([x / np.sqrt(x.shape[1]), np.full((len(x), 1), B_STD)], axis=1)
    weights = rng.standard_normal((count, rows.shape[1], width))
    features = 0.9 * function(np.einsum("ip,spn->sin", rows, weights))
    kernels = features @ np.swapaxes(features, 1, 2) / width
    covariances = kernels + B_STD**2 + NOISE_STD**2 * np.eye(len(x))
    quadratic = np.sum(y * np.linalg.solve(covariances, y[None]), axis=(1, 2))
    log_det = np.linalg.slogdet(2 * np.pi * covariances)[1]
    return kernels, -0.5 * (quadratic + y.shape[1] * log_det)


def drawn_kernels(draws, function):
    """Of the hidden units that the parameters have."""
    found = []
    for i in range(len(draws)):
        hidden = draws.parameters(i)[0]
        rows = draws.posterior.x @ hidden.weights / np.sqrt(draws.posterior.x.shape[1])
        features = 0.9 * function(rows + B_STD * hidden.biases)
        found.append(features @ features.T / features.shape[1])
    return np.array(found)


def entries(kernels, of):
    """Functions of kernels; the last two are in the likelihood."""
    each = np.stack([kernels[:, 0, 0], kernels[:, 0, 1], kernels[:, -1, -2]], axis=1)
    covariances = kernels + B_STD**2 + NOISE_STD**2 * np.eye(kernels.shape[1])
    quadratic = np.sum(of.targets * np.linalg.solve(covariances, of.targets[None]), axis=(1, 2))
    log_det = np.linalg.slogdet(covariances)[1]
    return np.concatenate([each, each**2, np.stack([log_det, quadratic], axis=1)], axis=1)


FUNCTIONS = {"erf": scipy.special.erf, "relu": rectified}


@pytest.mark.parametrize(
    ("num_points", "width", "num_outputs", "activation"),
    [
        pytest.param(3, 16, 2, "erf", marks=pytest.mark.slow),
        pytest.param(3, 16, 1, "relu", marks=pytest.mark.slow),
        pytest.param(3, 16, 1, "erf", marks=pytest.mark.slow),
        pytest.param(5, 32, 1, "erf", marks=pytest.mark.slow),
        pytest.param(8, 64, 1, "erf", marks=pytest.mark.slow),
        pytest.param(3, 16, 2, "relu", marks=pytest.mark.slow),
        pytest.param(8, 64, 1, "relu", marks=pytest.mark.slow),
    ],
)
def test_units_and_evidence_against_plain_numpy(num_points, width, num_outputs, activation):
    layers = network(width, Activation(activation), num_outputs)
    of, function = posterior(num_points, layers, num_outputs), FUNCTIONS[activation]
    draws = sample(of, 1200)
    assert draws.info.kind == "exact"
    assert draws.info.bound == "auxiliary"
    assert not draws.log_weights.any()
    count = 100_000 if num_points == 3 else 40_000
    kernels, log_weights = importance(of, width, count, function)
    weights = np.exp(log_weights - log_weights.max())
    relative = weights / weights.mean()
    known, shares = entries(kernels, of), weights / weights.sum()
    mean = shares @ known
    error = np.sqrt(np.square(shares) @ np.square(known - mean))
    found = entries(drawn_kernels(draws, function), of)
    assert worst(mean_z(found, mean, error)) < LIMIT
    assert worst(mean_z(found, known.mean(axis=0))) > LIMIT  # the prior is told
    log_evidence = log_weights.max() + np.log(weights.mean())
    assert abs(evidence_z(draws.info, log_evidence, relative.std() / count**0.5)) < LIMIT


def functions_z(one, other):
    x = one.posterior.x + 0.1
    f, g = (np.concatenate([d.predict(x), d.training_outputs()], axis=1) for d in (one, other))
    f, g = f.reshape(len(f), -1), g.reshape(len(g), -1)
    laws = [same_law_z(a, b) for a, b in zip(f.T, g.T, strict=True)]
    return worst(same_mean_z(f, g), same_mean_z(f**2, g**2), laws)


def bounds(of):
    return make_space(of, auxiliary=True).auxiliary


@pytest.mark.slow
def test_fourth_moments_waste_less():
    """Of erf units; those of a function that is the same are not known."""
    of_erf = bounds(posterior(8, network(64)))
    own = Activation(jax.scipy.special.erf, bound=1.0)
    of_own = bounds(posterior(8, network(64, own)))
    assert (of_erf.shells.fourth is not None, of_own.shells.fourth is None) == (True, True)
    assert of_erf.shells.log_mass() < of_own.shells.log_mass() - 0.5


@pytest.mark.first
@pytest.mark.parametrize("activation", ["erf", "relu"])
@in_double_precision
def test_vectors_are_never_kept_with_a_probability_above_one(activation):
    """In their shells; none is clipped."""
    shells = bounds(posterior(8, network(64, Activation(activation)))).shells
    assert shells.each.bound.square.max() > 0
    rng = np.random.default_rng(0)
    for i in range(len(shells.each.low)):
        shell = jax.tree.map(lambda of_all, i=i: of_all[i], shells.each)
        t = np.einsum("ab,sb->sa", shell.factor, rng.standard_normal((4000, 8)))
        lengths, quadratics = np.abs(t).sum(axis=1), np.einsum("sa,ab,sb->s", t, shells.kernel, t)
        inside = (shell.low <= lengths) & (lengths < shell.high)
        inside &= (shell.least <= quadratics) & (quadratics < shell.most)
        excess = jax.vmap(functools.partial(shells.excess, shell))(t[:, :, None], quadratics)
        assert np.all(np.asarray(excess)[inside] > -1e-9)


def bump(x):
    return jnp.cos(x) / (1 + x**2)


def hard_tanh(x):
    return jnp.clip(x, -1.0, 1.0)


NETWORKS = {
    "erf": (ERF, {}),
    "erf, a function": (Activation(jax.scipy.special.erf, bound=1.0), {}),
    "two outputs": (ERF, {}),
    "tanh": (Activation("tanh"), {}),
    "sigmoid": (Activation("sigmoid"), {}),
    "sin": (Activation("sin", c=0.4), {}),
    "gaussian": (Activation("gaussian"), {}),
    "sign": (Activation("sign"), {}),
    "relu": (Activation("relu"), {}),
    "relu, two outputs": (Activation("relu"), {}),
    "relu, without biases": (Activation("relu"), {"b_std": None}),
    "leaky relu": (Activation("leaky_relu"), {}),
    "identity": (Activation("identity"), {}),
    "own": (Activation(bump, bound=1.0), {}),
    "uniform biases": (ERF, {"bias_prior": dist.Uniform(-1.0, 1.0)}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_draws_are_those_under_the_likelihoods_own_bound(name):
    activation, hidden = NETWORKS[name]
    num_outputs = 2 if name.endswith("two outputs") else 1
    layers = network(12 * num_outputs, activation, num_outputs, **hidden)
    of = posterior(3, layers, num_outputs, noise_std=0.6)
    one, other = sample(of, 1500), sample(of, 1500, seed=1, bound="collapsed")
    assert (one.info.bound, other.info.bound) == ("auxiliary", "collapsed")
    assert functions_z(one, other) < LIMIT
    wrong = sample(posterior(3, layers, num_outputs, noise_std=0.45), 1500)
    assert functions_z(wrong, other) > LIMIT
    assert abs(one.info.log_evidence - other.info.log_evidence) < LIMIT * np.hypot(
        one.info.log_evidence_se, other.info.log_evidence_se
    )


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["erf", "relu"])
def test_twenty_points_against_weighted_draws(activation):
    of = posterior(20, network(4096, Activation(activation)))
    one, other = sample(of, 2000), sample(of, 4000, seed=1, bound="capped")
    other = other.resample(jax.random.key(2), 2000)
    assert functions_z(one, other) < LIMIT


@pytest.mark.slow
def test_targets_that_are_zero():
    of = posterior(3, network(12), noise_std=0.6)
    zero = bnnpost.Posterior(of.network, of.likelihood, of.x, np.zeros(3))
    one, other = sample(zero, 2000), sample(zero, 2000, seed=1, bound="collapsed")
    assert functions_z(one, other) < LIMIT


@pytest.mark.slow
def test_strict_takes_what_is_clearly_cheaper():
    bounds = {n: strict_space(posterior(n, network(256))).bound for n in (1, 8)}
    assert bounds == {1: "collapsed", 8: "auxiliary"}
    law = posterior(8, network(256, prior=dist.Laplace()))
    assert strict_space(law).bound == "collapsed"  # where a unit's kernel is not known


@pytest.mark.slow
def test_a_draw_is_its_number_whatever_is_made_of_it(tmp_path):
    of = posterior(3, network(16, num_outputs=2), 2)  # compiled for the test above
    once = sample(of, 60)
    sample(of, 25, directory=tmp_path / "run")
    on = sample(of, 60, directory=tmp_path / "run")
    read = bnnpost.load(tmp_path / "run" / "draws.nc")
    x = of.x[:2] + 0.1
    for other in (on, read):
        assert other.proposal_numbers.tolist() == once.proposal_numbers.tolist()
        np.testing.assert_array_equal(other.predict(x), once.predict(x))
        np.testing.assert_array_equal(other.mixture(x).means, once.mixture(x).means)
    assert read.info.log_evidence == once.info.log_evidence
    outputs = np.asarray(of.network.apply(once.parameters(7), of.x))
    np.testing.assert_allclose(outputs, once.training_outputs()[7], atol=1e-5)
    fixed = once.function(7)(x)
    np.testing.assert_allclose(fixed, of.network.apply(once.parameters(7), x), atol=1e-5)


@pytest.mark.slow
def test_a_file_with_other_bounds_is_refused(tmp_path, monkeypatch):
    draws = sample(posterior(2, network(64)), 5)
    draws.save(tmp_path / "draws.nc")
    monkeypatch.setattr(for_posterior, "fourth_moments", lambda *given: None)
    with pytest.raises(ValueError, match=r"draws.nc holds draws .* with other bounds"):
        bnnpost.load(tmp_path / "draws.nc")


TWO_LAYERS = Serial([Dense(8), ERF, Dense(8), ERF, Dense(1)])


@pytest.mark.each(3)
@pytest.mark.parametrize(
    ("layers", "likelihood", "reason"),
    [
        (TWO_LAYERS, Gaussian(0.5), "one hidden layer, got 2"),
        (network(8, Activation("gelu")), Gaussian(0.5), "linear on both sides of 0, got gelu"),
        (
            network(8, Activation("relu"), bias_prior=dist.Laplace()),
            Gaussian(0.5),
            "Gaussian, with",
        ),
        (network(8, Activation(bump)), Gaussian(0.5), "state it, Activation"),
        (network(8, Activation(hard_tanh, bound=1.0)), Gaussian(0.5), "known to near rounding"),
        (network(8, Activation("tanh"), w_std=3.0), Gaussian(0.5), "Give a smaller step"),
        (network(8), StudentT(df=4.0, noise_std=0.5), "Gaussian noise of known size"),
        (network(8, w_std=dist.LogNormal()), Gaussian(0.5), "fixed scales"),
        (network(8, prior=dist.Laplace()), Gaussian(0.5), "needs the kernel of a unit"),
        (Dense(1), Gaussian(0.5), "one hidden layer, got 0"),
    ],
)
def test_where_it_is_not_for_it_says_why(layers, likelihood, reason):
    x, y, *_ = diabetes_problem(3, 1)
    with pytest.raises(ValueError, match=reason):
        sample(bnnpost.Posterior(layers, likelihood, x, y), 5)


@pytest.mark.slow
def test_a_network_too_narrow_for_it_is_refused_with_a_width_that_would_do():
    of = posterior(20, network(16), noise_std=0.1)
    with pytest.raises(ValueError, match=r"take a width of [0-9,]+ or more"):
        sample(of, 5)
    assert strict_space(of).bound == "collapsed"


@pytest.mark.slow
def test_a_smaller_step_makes_a_rule_good_enough():
    layers = network(8, Activation("tanh", step=0.05), w_std=3.0)
    assert bounds(posterior(2, layers)).shells.fourth is None


def test_the_readout_is_integrated_out():
    with pytest.raises(ValueError, match="leave collapse=True"):
        sample(posterior(3, network(8)), 5, collapse=False)


@pytest.mark.slow
def test_an_activation_beyond_its_bound_is_told_and_not_clipped():
    of = posterior(3, network(64, Activation(bump, bound=0.9)))
    with pytest.raises(rejection.BoundExceeded, match="bound of the activation"):
        sample(of, 50)


@pytest.mark.parametrize("bound", [0.0, -1.0, np.nan])
def test_a_bound_that_is_none(bound):
    with pytest.raises(ValueError, match="positive bound"):
        Activation(bump, bound=bound)
    with pytest.raises(ValueError, match="says its own"):
        Activation("erf", bound=2.0)


@pytest.mark.slow
def test_the_forecast_knows_what_it_costs():
    of = posterior(8, network(256))
    found = bnnpost.forecast(jax.random.key(0), of, calibrate=())
    expected = found.strict("auto", True)
    assert expected.bound == "auxiliary"
    draws = sample(of, 500)
    assert abs(np.log10(draws.info.acceptance_rate) - expected.log10_acceptance) < 0.2
