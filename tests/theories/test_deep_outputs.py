"""Deep linear networks of several outputs: quadrature, plain numpy, one output, exact rejection."""

import itertools

import jax
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

import bnnpost
from bnnpost.theories import deep_outputs
from bnnpost.theories.deep_outputs import drawn_scales

KEY = jax.random.key(31)
W_STD, B_STD, NOISE_STD = 1.3, 0.4, 0.5
X, _, X_TEST, _ = bnnpost.datasets.diabetes_problem(3, 2)
Y = np.array([[1.0, -0.5], [0.2, 1.4], [-0.7, 0.3]])
CASES = [
    pytest.param(width, depth, marks=[] if width == depth else pytest.mark.slow)
    for width, depth in itertools.product((1, 2, 8), (1, 2, 3))
]


def posterior(width=4, depth=1, x=X, y=Y):
    network = bnnpost.mlp(
        width=width,
        depth=depth,
        activation="identity",
        w_std=W_STD,
        b_std=0.0,
        readout_b_std=B_STD,
        num_outputs=y.shape[1],
    )
    return bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(NOISE_STD), x, y)


@pytest.mark.parametrize("width", [1, 2, 8])
def test_evidence_of_one_point_against_quadrature(width):
    """Given its units at the point, outputs are independent normals of one variance."""
    x, y = X[:1], Y[:1]
    found = bnnpost.deep_linear_outputs(KEY, posterior(width, 1, x, y))
    kernel = W_STD**4 * float(np.sum(x**2)) / x.shape[1]

    def integrand(t):
        std = np.sqrt(kernel * t / width + B_STD**2 + NOISE_STD**2)
        return scipy.stats.chi2(width).pdf(t) * scipy.stats.norm(0, std).pdf(y).prod()

    exact = scipy.integrate.quad(integrand, 0, np.inf, epsabs=1e-14, limit=200)[0]
    assert abs(found.log_evidence - np.log(exact)) < 4 * found.log_evidence_se
    assert found.log_evidence_se < 0.01


def test_one_output_is_that_of_the_closed_form():
    of = posterior(2, 2, y=Y[:, :1])
    found, exact = bnnpost.deep_linear_outputs(KEY, of), bnnpost.deep_linear(of)
    assert abs(found.log_evidence - exact.log_evidence) < 4 * found.log_evidence_se
    np.testing.assert_allclose(found.mean(X_TEST), exact.mean(X_TEST), atol=0.02)


@pytest.mark.parametrize("widths", [(3,), (1, 4), (2, 1, 5), (6, 5)])
def test_scales_have_the_law_of_products_of_weights(widths):
    """First and second moments against weights multiplied in plain numpy, four standard errors."""
    rng, k, count = np.random.default_rng(2), 3, 40_000
    rows = rng.normal(size=(count, k, widths[-1]))
    for outer, inner in itertools.pairwise(reversed(widths)):
        rows = rows @ rng.normal(size=(count, outer, inner))
    plain = rows @ rows.transpose(0, 2, 1) / np.prod(widths)
    found = drawn_scales(widths, k, count, rng)
    np.testing.assert_array_equal(np.linalg.matrix_rank(found[:50], tol=1e-8), min(k, *widths))
    for of in (lambda s: s, lambda s: s @ s, lambda s: np.sqrt(np.abs(s))):
        one, other = of(plain), of(found)
        error = np.sqrt((one.var(axis=0) + other.var(axis=0)) / count)
        assert (abs(one.mean(axis=0) - other.mean(axis=0)) < 4.5 * error).all()


@pytest.mark.parametrize(("width", "depth"), CASES)
@pytest.mark.first
def test_evidence_and_mean_against_exact_rejection(width, depth):
    of = posterior(width, depth)
    found = bnnpost.deep_linear_outputs(KEY, of)
    draws = bnnpost.rejection.sample(jax.random.key(5), of, num_samples=2000)
    error = np.hypot(found.log_evidence_se, draws.info.log_evidence_se)
    assert abs(found.log_evidence - draws.info.log_evidence) < 4 * error
    f = draws.predict(X_TEST)
    size = 1 / np.sum(found.probabilities**2)
    allowed = 4.5 * f.std(axis=0) * (1 / 2000 + 1 / size) ** 0.5
    assert (abs(found.mean(X_TEST) - f.mean(axis=0)) < allowed).all()


@pytest.mark.slow
def test_draws_are_those_of_exact_rejection_and_a_fixed_scale_is_not():
    of = posterior(2, 2)
    found = bnnpost.deep_linear_outputs(KEY, of, num_scales=1000)
    reference = bnnpost.rejection.sample(jax.random.key(6), of, num_samples=3000)
    points = np.concatenate([X, X_TEST])

    def verdict(f):
        mine = {"f_train": f[:, : len(X)], "f": f[:, len(X) :]}
        return bnnpost.verify(jax.random.key(8), mine, reference, X_TEST).passed

    assert verdict(found.sample(jax.random.key(7), points, num_samples=1500))
    limit = bnnpost.limit(of)
    assert not verdict(np.asarray(limit.sample(jax.random.key(7), points, num_samples=1500)))


def test_no_scale_matrix_exceeds_the_bound():
    found = bnnpost.deep_linear_outputs(KEY, posterior(2, 1), num_scales=1000)
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(20_000, 2, 2)) * np.exp(3 * rng.normal(size=(20_000, 1, 1)))
    turned = deep_outputs._Turned.of(roots @ roots.transpose(0, 2, 1), found.targets)
    logs = deep_outputs._log_density(turned, found.spectrum)
    assert logs.max() < found._bound() < logs.max() + 5


def test_as_many_are_accepted_as_is_said():
    found = bnnpost.deep_linear_outputs(KEY, posterior(2, 1))
    kept = [len(one) for one in itertools.islice(found._kept(np.random.default_rng(1)), 40)]
    assert abs(np.mean(kept) / 2048 / found.acceptance - 1) < 0.2


@pytest.mark.slow
def test_what_it_does_not_cover_is_refused():
    with pytest.raises(ValueError, match=r"got 2: .* deep_linear_outputs\(key, posterior\) takes"):
        bnnpost.deep_linear(posterior())
    with pytest.raises(ValueError, match="num_scales to be at least 100, got 5"):
        bnnpost.deep_linear_outputs(KEY, posterior(), num_scales=5)
    with pytest.raises(TypeError, match="key"):
        bnnpost.deep_linear_outputs(jax.random.PRNGKey(0), posterior())
    far = bnnpost.deep_linear_outputs(KEY, posterior(y=1e3 * Y), num_scales=1000)
    with pytest.raises(ValueError, match="a share of 0 of scale matrices would be accepted"):
        far.sample(KEY, X_TEST)
