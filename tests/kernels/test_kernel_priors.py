"""Kernels under laws of the user's own: integrals in scipy and numpy, and wide prior networks."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.special
import scipy.stats

import bnnpost
from bnnpost import Activation, Dense, Fixed, Serial, per_input

pytestmark = pytest.mark.optimised

X = np.array([[0.8, -0.5], [0.3, 1.2], [-1.0, 0.4]])
# Fixed seeds; were they random, one z of a mean over 200 networks passes this by chance with
# probability 6e-7, and there are fewer than 100 such comparisons.
Z, NUM_NETWORKS, WIDTH, NUM_OUTPUTS = 5.0, 200, 256, 32
ROOT3 = np.sqrt(3.0)
LAPLACE = dist.Laplace(0.0, 1.0)


def mixture():
    normals = dist.Normal(np.zeros(2), np.array([2.0, 0.5]))
    return dist.MixtureSameFamily(dist.Categorical(probs=np.array([0.3, 0.7])), normals)


def nngp(network, x, key=None):
    with jax.enable_x64(True):
        return np.asarray(bnnpost.nngp(network, x, key=key))


def shallow(activation="erf", **layer):
    return Serial([Dense(4, w_std=1.5, **layer), Activation(activation), Dense(NUM_OUTPUTS)])


def deep(activation="erf", **layer):
    first, readout = Dense(4, w_std=1.5, b_std=0.3), Dense(NUM_OUTPUTS, w_std=1.2)
    act = Activation(activation)
    return Serial([first, act, Dense(4, **{"w_std": 1.5} | layer), act, readout])


def expected(phi, law, weights, x):
    """E φ(wx)φ(wx′) over a law with density on a fine grid, for one input feature."""
    w, step = np.linspace(*weights, 400_001, retstep=True)
    features = phi(1.5 * w[:, None] * x[:, 0])
    return (features * law.pdf(w)[:, None]).T @ features * step


ONE_INPUT = {
    "laplace": (dist.Laplace(0.0, 1.0), scipy.stats.laplace(), 40.0),
    "uniform": (dist.Uniform(-1.0, 2.0), scipy.stats.uniform(-1.0, 3.0), 3.0),
    "student-t": (dist.StudentT(5.0, 0.0, 1.0), scipy.stats.t(5), 400.0),
}


@pytest.mark.first
@pytest.mark.parametrize("name", ONE_INPUT)
@pytest.mark.parametrize(
    ("activation", "phi"),
    [("erf", scipy.special.erf), pytest.param("tanh", np.tanh, marks=pytest.mark.slow)],
)
def test_first_layer_keeps_its_law(name, activation, phi):
    law, scipy_law, reach = ONE_INPUT[name]
    x = np.array([[0.8], [-0.4], [0.5]])
    known = expected(phi, scipy_law, (-reach, reach), x)
    assert np.allclose(nngp(shallow(activation, prior=law), x), known, rtol=0, atol=3e-5)
    # Normal weights of the same variance have another kernel.
    std = np.sqrt(scipy_law.var())
    other = nngp(Serial([Dense(4, w_std=1.5 * std), Activation(activation), Dense(1)]), x)
    assert np.abs(other - known).max() > 1e-2


def test_student_t_weights_of_unit_variance():
    # The second moment of erf(1.5 w): less than for normal weights, whose tails are lighter.
    w = np.linspace(-400, 400, 80_001)
    squares = scipy.special.erf(1.5 * w) ** 2
    known = np.sum(squares * scipy.stats.t(3, scale=1 / ROOT3).pdf(w)) * (w[1] - w[0])
    law = dist.StudentT(3.0, 0.0, 1 / ROOT3)
    assert nngp(shallow(prior=law), np.ones((1, 1)))[0, 0] == pytest.approx(known, abs=1e-5)
    normal = np.sum(squares * scipy.stats.norm.pdf(w)) * (w[1] - w[0])
    assert nngp(shallow(), np.ones((1, 1)))[0, 0] == pytest.approx(normal, abs=1e-9)
    assert normal - known > 0.1


def first_units(law, bias_std, num_inputs, x, count=400_000):
    """Features of many units drawn in numpy, and the standard error of their products' mean."""
    rng = np.random.default_rng(0)
    weights = law(rng, (count, num_inputs))
    z = 1.5 / np.sqrt(num_inputs) * weights @ x.T + bias_std * rng.standard_normal((count, 1))
    products = np.einsum("qi,qj->qij", *[scipy.special.erf(z)] * 2)
    return products.mean(0), products.std(0) / np.sqrt(count)


def test_rule_over_three_variables():
    known, error = first_units(lambda rng, shape: rng.laplace(size=shape), 0.4, 2, X)
    found = nngp(shallow(b_std=0.4, prior=LAPLACE), X)
    assert np.max(np.abs(found - known) / error) < Z


def test_units_are_sampled_where_there_are_more():
    x = np.random.default_rng(1).normal(size=(3, 5))
    network = shallow(b_std=0.4, prior=LAPLACE)
    known, error = first_units(lambda rng, shape: rng.laplace(size=shape), 0.4, 5, x)
    found = nngp(network, x, jax.random.key(0))
    own = error * np.sqrt(400_000 / 2**16)
    assert np.max(np.abs(found - known) / np.hypot(error, own)) < Z
    assert np.array_equal(found, nngp(network, x, jax.random.key(0)))
    assert np.linalg.eigvalsh(found).min() > 0
    with pytest.raises(TypeError, match=r"first layer of 5 inputs with Laplace weights.*pass key="):
        nngp(network, x)


BIASES = {
    "laplace": (LAPLACE, scipy.stats.laplace(), (-15, 15)),
    "uniform": (dist.Uniform(-1.0, 3.0), scipy.stats.uniform(-1.0, 4.0), (-1, 3)),
}


def shifted(phi, covariance, law, ends):
    """E φ(b + g)φ(b + g′): Gauss–Hermite in (g, g′), the midpoint rule in b / 2."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    edges = np.linspace(*ends, 3001)
    b = 0.5 * (edges[1:] + edges[:-1])
    masses = np.diff(law.cdf(edges))
    root = np.linalg.cholesky(covariance)
    g, other = root[0, 0] * nodes[:, None], root[1, 0] * nodes[:, None] + root[1, 1] * nodes
    total = 0.0
    for part, mass in zip(np.array_split(b, 40), np.array_split(masses, 40), strict=True):
        values = phi(part[:, None, None] * 0.5 + g) * phi(part[:, None, None] * 0.5 + other)
        total += mass @ np.einsum("bij,i,j->b", values, weights, weights)
    return total


@pytest.mark.slow
@pytest.mark.parametrize("name", ["uniform", "laplace"])
def test_hidden_biases_keep_their_law(name):
    law, scipy_law, ends = BIASES[name]
    x = X[:2]
    network = Serial([Dense(4, w_std=1.1), Activation("erf"), Dense(4, w_std=1.2)])
    before = nngp(network, x)
    layer = Dense(4, w_std=1.2, b_std=0.5, bias_prior=law)
    whole = Serial([*network.layers[:2], layer, Activation("erf"), Dense(1)])
    known = shifted(scipy.special.erf, before, scipy_law, ends)
    assert nngp(whole, x)[0, 1] == pytest.approx(known, abs=1e-5)


def test_fixed_biases_shift_every_unit():
    phi, x = scipy.special.erf, X[:2]
    before = nngp(Dense(4, w_std=1.2), x)
    layer = Dense(4, w_std=1.2, b_std=0.5, bias_prior=Fixed(0.7))
    point = scipy.stats.uniform(0.7 - 1e-9, 2e-9)
    known = shifted(phi, before, point, (0.7 - 1e-3, 0.7 + 1e-3))
    found = nngp(Serial([layer, Activation("erf"), Dense(1)]), x)
    assert found[0, 1] == pytest.approx(known, abs=1e-5)


def products(network, x, seed):
    """Mean over outputs of f fᵀ for every prior network, [network, point, point]."""
    network = bnnpost.at_width(network, WIDTH)

    def one(key):
        f = network.apply(network.init(key, x.shape[1]), jnp.asarray(x))
        return f @ f.T / f.shape[1]

    keys = jax.random.split(jax.random.key(seed), NUM_NETWORKS)
    return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(keys), np.float64)


WIDE = {
    "laplace": deep(b_std=0.3, prior=LAPLACE),
    "student-t": deep(b_std=0.3, prior=dist.StudentT(5.0, 0.0, 1.0)),
    "uniform": deep("relu", prior=dist.Uniform(-1.0, 1.0)),
    "mixture": deep("relu", b_std=0.3, prior=mixture()),
    "scale of each input": deep(w_std=per_input(dist.HalfNormal(1.0))),
    "own bias": deep("relu", b_std=0.5, bias_prior=dist.Laplace(0.3, 1.0)),
    "fixed bias": deep("relu", b_std=0.5, bias_prior=Fixed(0.7)),
    "own first layer": shallow("relu", b_std=0.3, prior=dist.Uniform(-1.0, 2.0)),
    "own first bias": shallow(b_std=0.5, bias_prior=dist.Uniform(-1.0, 4.0)),
    "cauchy first": shallow(prior=dist.Cauchy(0.0, 1.0)),
}
QUICK = ("laplace", "own bias")
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in WIDE]


@pytest.mark.first
@pytest.mark.parametrize("name", NAMES)
def test_wide_prior_networks_have_this_kernel(name):
    found, kernel = products(WIDE[name], X, 3), nngp(WIDE[name], X)
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    # Networks of this width are themselves about 1/width away.
    bias = np.sqrt(np.outer(*[np.diagonal(kernel)] * 2)) / WIDTH
    assert np.max(np.abs(found.mean(axis=0) - kernel) / np.hypot(error, bias)) < Z
    # A readout std off by 10 % would be seen.
    assert np.max(np.abs(found.mean(axis=0) - 1.21 * kernel) / np.hypot(error, bias)) > Z


@pytest.mark.slow
def test_single_precision_and_derivatives():
    network = Serial(
        [*shallow(b_std=0.3, prior=LAPLACE).layers[:2], *deep(prior=LAPLACE).layers[2:]]
    )
    assert np.allclose(bnnpost.nngp(network, X), nngp(network, X), atol=1e-5)

    def total(w_std):
        layer = network.layers[0].with_scales(w_std, network.layers[0].b_std)
        return jnp.sum(bnnpost.nngp(Serial([layer, *network.layers[1:]]), X))

    with jax.enable_x64(True):
        w_std, step = jnp.asarray(1.5), 1e-5
        slope = (total(w_std + step) - total(w_std - step)) / (2 * step)
        assert float(jax.grad(total)(w_std)) == pytest.approx(float(slope), rel=1e-6)
