"""Deep linear networks: mpmath's Meijer G, quadrature and exact rejection, which share no code."""

import jax
import mpmath
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

import bnnpost
from bnnpost.likelihoods import Gaussian, StudentT
from bnnpost.networks import Activation, Dense, LayerNorm, Serial
from bnnpost.theories import DeepLinear, deep_linear

KEY = jax.random.key(24)
W_STD, NOISE_STD, DIGITS = 1.3, 0.5, 30
# Where mpmath divides log S: its rule is of each part alone.
PARTS = [-90, -60, -40, -20, -10, -6, -4, -3, -2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6]
# Of standard errors; with 60 comparisons in all a right one fails here once in 300.
SIGMAS = 4.0


def posterior(num_points=3, width=4, depth=1, likelihood=None, b_std=0.0):
    x, y, _, _ = bnnpost.datasets.diabetes_problem(num_points, 3)
    network = bnnpost.mlp(width=width, depth=depth, activation="identity", w_std=W_STD, b_std=b_std)
    return bnnpost.Posterior(network, likelihood or Gaussian(NOISE_STD), x, y)


X_TEST = bnnpost.datasets.diabetes_problem(3, 3)[2]


def by_meijer(of, widths):
    """log p(y) by the Meijer G density of a product of gamma variables, Hanin and Zlokapa."""
    kernel = W_STD ** (2 + 2 * len(widths)) * of.x @ of.x.T / of.x.shape[1]
    values, vectors = np.linalg.eigh(kernel)
    targets = vectors.T @ of.targets[:, 0]
    with mpmath.workdps(DIGITS):
        noise = mpmath.mpf(NOISE_STD) ** 2
        halves = [mpmath.mpf(width) / 2 for width in widths]
        constant = mpmath.fprod(half / mpmath.gamma(half) for half in halves)
        product = mpmath.fprod(halves)

        def integrand(log_scale):
            scale = mpmath.exp(log_scale)
            shapes = [half - 1 for half in halves]
            law = constant * mpmath.meijerg([[], []], [shapes, []], product * scale)
            each = (
                mpmath.exp(-(mpmath.mpf(t) ** 2) / (2 * (scale * mpmath.mpf(v) + noise)))
                / mpmath.sqrt(2 * mpmath.pi * (scale * mpmath.mpf(v) + noise))
                for v, t in zip(np.maximum(values, 0.0).tolist(), targets.tolist(), strict=True)
            )
            return law * mpmath.fprod(each) * scale

        return float(mpmath.log(mpmath.quad(integrand, PARTS)))


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("width", "depth"),
    [
        (1, 1),
        (8, 1),
        (2, 2),
        pytest.param(1, 2, marks=SLOW),
        pytest.param(8, 3, marks=SLOW),
        pytest.param(2, 4, marks=SLOW),
    ],
)
@pytest.mark.first
def test_evidence_against_meijer_functions(width, depth):
    of = posterior(width=width, depth=depth)
    assert deep_linear(of).log_evidence == pytest.approx(by_meijer(of, [width] * depth), abs=1e-9)


@pytest.mark.parametrize("width", [1, 3, 300])
def test_one_point_against_quadrature(width):
    """Mean and evidence for one hidden layer and one point, over χ² itself."""
    of = posterior(1, width)
    square = W_STD**4 * np.mean(of.x**2)
    target = of.targets[0, 0]

    def density(chi):
        std = np.sqrt(square * chi / width + NOISE_STD**2)
        return scipy.stats.chi2.pdf(chi, width) * scipy.stats.norm.pdf(target, 0, std)

    def integral(factor):
        total = scipy.integrate.quad(
            lambda v: np.exp(v) * factor(np.exp(v)) * density(np.exp(v)),
            -60,
            np.log(width + 60 * np.sqrt(width)),
            epsabs=1e-14,
            limit=400,
            points=[np.log(width) + 0.1],
        )
        return total[0]

    found, evidence = deep_linear(of), integral(lambda chi: 1.0)
    assert found.log_evidence == pytest.approx(np.log(evidence), abs=1e-8)

    def shrunk(chi):
        return target * square * chi / width / (square * chi / width + NOISE_STD**2)

    assert found.mean(of.x)[0, 0] == pytest.approx(integral(shrunk) / evidence, abs=1e-7)


GRID = [(1, 1, 0.0), (8, 2, 0.0), (2, 3, 0.0), (1, 2, 0.0), (2, 1, 0.0), (8, 1, 0.0), (1, 3, 0.0)]
GRID += [(2, 2, 0.0), (8, 3, 0.0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "depth", "b_std"),
    [pytest.param(*one, marks=[] if number < 1 else [SLOW]) for number, one in enumerate(GRID)],
)
def test_exact_rejection_agrees(width, depth, b_std):
    of = posterior(width=width, depth=depth, b_std=b_std)
    drawn = bnnpost.rejection.sample(KEY, of, num_samples=4000)
    found = deep_linear(of)
    error = drawn.info.log_evidence - found.log_evidence
    assert abs(error) < SIGMAS * drawn.info.log_evidence_se
    f = drawn.predict(X_TEST)[..., 0]
    z = (f.mean(axis=0) - found.mean(X_TEST)[:, 0]) / (f.std(axis=0) / np.sqrt(len(f)))
    assert np.max(np.abs(z)) < SIGMAS
    squares = (f - f.mean(axis=0)) ** 2
    exact = np.diag(found.covariance(X_TEST))
    z = (squares.mean(axis=0) - exact) / (squares.std(axis=0) / np.sqrt(len(f)))
    assert np.max(np.abs(z)) < SIGMAS


def network(first_b_std=0.7, last_b_std=0.4, slope=0.8):
    return Serial(
        [
            Dense(3, w_std=1.2, b_std=first_b_std),
            Activation("ab_relu", a=slope, b=slope),
            Dense(5, w_std=0.9),
            Dense(1, w_std=1.1, b_std=last_b_std),
        ]
    )


@pytest.mark.slow
def test_biases_slopes_and_unequal_widths():
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(4, 2)
    of = bnnpost.Posterior(network(), Gaussian(NOISE_STD), x, y)
    drawn = bnnpost.rejection.sample(KEY, of, num_samples=4000)
    found = deep_linear(of)
    assert abs(drawn.info.log_evidence - found.log_evidence) < (SIGMAS * drawn.info.log_evidence_se)
    f = drawn.predict(x_test)[..., 0]
    z = (f.mean(axis=0) - found.mean(x_test)[:, 0]) / (f.std(axis=0) / np.sqrt(len(f)))
    assert np.max(np.abs(z)) < SIGMAS
    other = bnnpost.Posterior(network(first_b_std=0.2), Gaussian(NOISE_STD), x, y)
    wrong = deep_linear(other).log_evidence
    assert abs(drawn.info.log_evidence - wrong) > SIGMAS * drawn.info.log_evidence_se


@pytest.mark.parametrize(("width", "depth", "scale"), [(1, 1, 1.0), (6, 2, 1.0), (2, 3, 12.0)])
def test_draws_have_the_law_that_they_are_of(width, depth, scale):
    """Also far from the prior, where proposals are tilted: at twelve times the targets."""
    plain = posterior(width=width, depth=depth)
    of = bnnpost.Posterior(plain.network, plain.likelihood, plain.x, scale * plain.targets)
    found = deep_linear(of)
    f = found.sample(KEY, X_TEST, 20_000)
    assert f.shape == (20_000, 3, 1)
    mean, covariance = found.mean(X_TEST)[:, 0], found.covariance(X_TEST)
    z = (f[..., 0].mean(axis=0) - mean) / np.sqrt(np.diag(covariance) / len(f))
    assert np.max(np.abs(z)) < SIGMAS
    centred = f[..., 0] - mean
    products = centred[:, :, None] * centred[:, None, :]
    z = (products.mean(axis=0) - covariance) / (products.std(axis=0) / np.sqrt(len(f)))
    assert np.max(np.abs(z)) < SIGMAS


@pytest.mark.slow
def test_verify_passes_its_draws_and_not_those_without_the_prior_of_the_scale():
    of = posterior(width=2)
    found = deep_linear(of)
    reference = bnnpost.rejection.sample(KEY, of, num_samples=4000)

    def verdict(law):
        values = law.sample(jax.random.fold_in(KEY, 1), np.concatenate([of.x, X_TEST]), 4000)
        drawn = {"f_train": values[:, : len(of.x)], "f": values[:, len(of.x) :]}
        return bnnpost.verify(KEY, drawn, reference, X_TEST).passed

    assert verdict(found)
    # The scale's prior of another width, all else the same.
    wider = deep_linear(posterior(width=2048))
    assert not verdict(DeepLinear(of, 0.0, wider.scales, wider.probabilities, *wider_parts(wider)))


def wider_parts(found):
    return found.shape, found.spectrum


def test_wide_networks_have_the_limit():
    of = posterior(5, 100_000)
    limit, found = bnnpost.limit(of), deep_linear(of)
    assert found.log_evidence == pytest.approx(limit.log_evidence, abs=1e-3)
    np.testing.assert_allclose(found.mean(X_TEST), limit.mean(X_TEST), atol=1e-3)


def test_without_hidden_layers_it_is_linear_regression():
    x, y, x_test, _ = bnnpost.datasets.diabetes_problem(5, 2)
    of = bnnpost.Posterior(Serial([Dense(1, w_std=1.5, b_std=0.3)]), Gaussian(NOISE_STD), x, y)
    limit, found = bnnpost.limit(of), deep_linear(of)
    assert found.log_evidence == pytest.approx(limit.log_evidence, abs=1e-10)
    np.testing.assert_allclose(found.covariance(x_test), limit.covariance(x_test), atol=1e-10)
    assert found.sample(KEY, x_test, 10).shape == (10, 2, 1)


def with_layers(*layers):
    x, y, _, _ = bnnpost.datasets.diabetes_problem(3, 2)
    return bnnpost.Posterior(Serial(layers), Gaussian(NOISE_STD), x, y)


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (lambda: with_layers(Dense(3), Activation("relu"), Dense(1)), "layer 1, relu, is not"),
        (lambda: with_layers(Dense(3), LayerNorm(), Dense(1)), "layer 1, LayerNorm, is not"),
        (lambda: with_layers(Dense(3), Dense(3, b_std=0.1), Dense(1)), "linear layer 1 has biases"),
        (lambda: posterior(likelihood=StudentT(df=3.0, noise_std=0.5)), "known size, got StudentT"),
    ],
)
def test_what_is_not_a_deep_linear_network_is_refused(of, message):
    with pytest.raises(ValueError, match=message):
        deep_linear(of())


@pytest.mark.slow
def test_noise_that_is_lost_is_refused():
    of = posterior(likelihood=Gaussian(1e-9))
    large = bnnpost.Posterior(of.network, of.likelihood, 1e3 * of.x, of.targets)
    with pytest.raises(FloatingPointError, match="lost in the rounding"):
        deep_linear(large)
    with pytest.raises(TypeError, match="Posterior"):
        deep_linear(None)
