"""Fourth moments of units against plain numpy. One comparison in 5e8 is off by six errors."""

import numpy as np
import pytest

import bnnpost
from bnnpost.networks import Activation
from bnnpost.numerics.precision import in_double_precision
from bnnpost.spaces.auxiliary.fourth_moments import (
    MOST_POINTS,
    FourthMoments,
    _quadruples,
    fourth_moments,
)
from bnnpost.spaces.auxiliary.radius import Radius
from tests.samplers.checks import LIMIT, mean_z, worst

SCALE, COUNT = 0.9, 200_000
X = bnnpost.datasets.diabetes_problem(5, 1)[0]
COVARIANCE = np.asarray(X @ X.T) / X.shape[1] + 0.1
ACTIVATIONS = {
    "erf": Activation("erf"),
    "erf, all its parameters": Activation("erf", a=1.3, b=0.7, c=0.4),
    "erf, steep": Activation("erf", b=10.0),
    "sign": Activation("sign"),
    "sin": Activation("sin", a=0.8, b=1.5, c=0.4),
    "cos": Activation("cos"),
    "gaussian": Activation("gaussian"),
    "relu": Activation("relu"),
    "leaky relu": Activation("leaky_relu"),
}


@in_double_precision
def features(activation):
    """Of units at all the inputs. [s, n]"""
    rng = np.random.default_rng(1)
    normals = rng.standard_normal((COUNT, len(COVARIANCE)))
    inputs = normals @ np.linalg.cholesky(COVARIANCE).T
    return SCALE * np.asarray(activation.nonlinearity(inputs), float)


def found(activation, drawn):
    kernel = drawn.T @ drawn / len(drawn)
    made = fourth_moments(activation.nonlinearity, COVARIANCE, SCALE, kernel, Radius())
    assert made is not None
    return made, kernel


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.first
def test_against_plain_numpy(name):
    drawn = features(ACTIVATIONS[name])
    made, kernel = found(ACTIVATIONS[name], drawn)
    quadruples = _quadruples(len(COVARIANCE))
    products = np.prod(drawn[:, quadruples], axis=2)
    varies = products.std(axis=0) > 1e-6
    assert worst(mean_z(products[:, varies], made.moments[varies])) < LIMIT
    np.testing.assert_allclose(made.moments[~varies], products[0, ~varies], rtol=1e-5)
    a, b, c, d = quadruples.T  # those of normal units are told
    normal = kernel[a, b] * kernel[c, d] + kernel[a, c] * kernel[b, d] + kernel[a, d] * kernel[b, c]
    assert worst(mean_z(products[:, varies], normal[varies])) > LIMIT


@pytest.mark.parametrize(("name", "num_outputs"), [("erf", 1), ("erf", 2), ("relu", 1)])
def test_of_vectors_and_their_bound(name, num_outputs):
    drawn = features(ACTIVATIONS[name])
    made, kernel = found(ACTIVATIONS[name], drawn)
    rng = np.random.default_rng(3)
    t = rng.standard_normal((len(COVARIANCE), num_outputs))
    squares = np.sum((drawn @ t) ** 2, axis=1) ** 2
    assert worst(mean_z(squares, made.of(t))) < LIMIT
    shares = [_share(made, kernel, t) for t in rng.standard_normal((300, *t.shape))]
    assert 0 < max(shares) < made.excess < 3 * max(shares)


def _share(made: FourthMoments, kernel, t):
    return made.of(t) / np.sum(t * (kernel @ t)) ** 2


def test_where_they_are_not_known():
    kernel, tanh = np.eye(len(COVARIANCE)), Activation("tanh").nonlinearity
    assert fourth_moments(tanh, COVARIANCE, 1.0, kernel, Radius()) is None
    many = np.eye(MOST_POINTS + 1)
    assert fourth_moments(ACTIVATIONS["sin"].nonlinearity, many, 1.0, many, Radius()) is None


def test_of_units_of_one_radius():
    """E R² of a free one is 1 + 2/d."""
    kernel = np.eye(len(COVARIANCE))
    relu = ACTIVATIONS["relu"].nonlinearity
    fixed, free = (
        fourth_moments(relu, COVARIANCE, 1.0, kernel, radius) for radius in (Radius(), Radius(4.0))
    )
    np.testing.assert_allclose(fixed.moments, 1.5 * free.moments)


def test_a_kernel_that_is_singular():
    """Linear units at more points than there are inputs: E(φ·t)⁴ = 3 (tᵀKt)²."""
    rows = np.random.default_rng(0).standard_normal((6, 3))
    kernel, linear = rows @ rows.T, Activation("identity").nonlinearity
    made = fourth_moments(linear, kernel, 1.0, kernel, Radius())
    assert 3 <= made.excess < 3.2
    t = np.random.default_rng(1).standard_normal((6, 1))
    assert np.isclose(made.of(t), 3 * np.sum(t * (kernel @ t)) ** 2)


def test_inputs_that_have_no_correlations_have_none():
    zero = np.zeros((4, 4))
    assert fourth_moments(ACTIVATIONS["sign"].nonlinearity, zero, 1.0, np.eye(4), Radius()) is None
