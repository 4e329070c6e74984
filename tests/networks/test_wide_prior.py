"""Prior networks of width 256: the variance of their outputs is the kernel's diagonal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import bnnpost
from bnnpost import Activation, Dense, Serial
from tests.networks.own_layers import Residual

pytestmark = pytest.mark.optimised

# Fixed seeds; were they random, a test would fail with at most this probability (normal
# theory for means over 400 networks, shared among the points).
FALSE_ALARM_RATE = 1e-5
NUM_NETWORKS, NUM_OUTPUTS, WIDTH = 400, 32, 256
X = np.random.default_rng(2).normal(size=(3, 4))


def mlp(activation, w_std):
    return bnnpost.mlp(
        width=WIDTH, depth=2, activation=activation, w_std=w_std, b_std=0.3, num_outputs=NUM_OUTPUTS
    )


RESIDUAL = Serial(
    [
        Dense(WIDTH, w_std=1.2, b_std=0.3),
        Residual(Serial([Activation("erf"), Dense(WIDTH, w_std=0.9, b_std=0.1)])),
        Activation("relu"),
        Dense(NUM_OUTPUTS, w_std=1.1),
    ]
)
NETWORKS = {
    "relu": mlp("relu", 1.4),
    "erf": mlp("erf", 1.5),
    "residual": RESIDUAL,
}


def mean_squares(network, seed):
    """Mean over outputs of f² for every network and point, [network, point]."""
    keys = jax.random.split(jax.random.key(seed), NUM_NETWORKS)
    x = jnp.asarray(X)
    outputs = jax.jit(
        lambda keys: jax.lax.map(lambda k: network.apply(network.init(k, X.shape[1]), x), keys)
    )(keys)
    return np.mean(np.asarray(outputs, np.float64) ** 2, axis=2)


def scores(squares, variances):
    """How many standard errors the mean squares are from the variances, at every point."""
    standard_errors = squares.std(axis=0, ddof=1) / np.sqrt(len(squares))
    return (squares.mean(axis=0) - variances) / standard_errors


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.first
def test_variance_of_outputs_is_the_diagonal_of_the_kernel(name):
    squares = mean_squares(NETWORKS[name], seed=3)
    variances = np.diagonal(np.asarray(bnnpost.nngp(NETWORKS[name], X)))
    limit = stats.norm.isf(FALSE_ALARM_RATE / (2 * len(X)))
    assert np.max(np.abs(scores(squares, variances))) < limit
    # A readout std off by 10 % (a variance off by 21 %) is seen.
    assert np.min(np.abs(scores(squares, 1.1**2 * variances))) > limit
