"""Kernels of finite networks by Monte Carlo, against the closed forms of their limits.

In expectation "sums", "windows" and "bilinear" have the limit's kernels at any width, since nothing
that is not linear comes after a second linear layer; the others differ from it by less than their
standard errors. A right entry is further than 4 of them off with probability 6e-5, any of the 50
here with one of 0.003; the keys are fixed.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
import bnnpost.networks as nn
from bnnpost import empirical_nngp, empirical_ntk
from bnnpost.kernels.maps import evaluated

RNG = np.random.default_rng(5)
ROWS = RNG.normal(size=(3, 4))
SEQUENCES = RNG.normal(size=(2, 3, 4))
READOUT = nn.Dense(4, w_std=1.1, b_std=0.3)
KINDS = {"nngp": empirical_nngp, "ntk": empirical_ntk}


def sums():
    rectified = [nn.Activation("relu"), nn.Dense(16, w_std=1.2, b_std=0.4)]
    periodic = [nn.Dense(16, w_std=0.8), nn.Activation("sin"), nn.Dense(16, w_std=0.9)]
    return [nn.FanInSum([[nn.Dense(16, w_std=1.4), nn.Residual(rectified)], periodic])]


def windows():
    return [
        nn.Conv(16, [2], strides=[2], w_std=1.3, b_std=0.3),
        nn.Activation("relu"),
        nn.AvgPool([2], padding="SAME"),
        nn.Conv(16, [3], padding="CIRCULAR", w_std=1.2),
        nn.GlobalAvgPool(),
    ]


def bilinear():
    return [nn.SelfAttention(8, mechanism="identity", scaling="sqrt", key_std=1.2), nn.Flatten()]


def encoded(kind="CONCAT"):
    attention = nn.SelfAttention(
        32, heads=16, key_width=4, value_width=4, mechanism="identity", scaling="sqrt",
        positions=nn.PositionEncoding(kind, 0.7),
    )  # fmt: skip
    return [nn.Dense(128, w_std=1.3, b_std=0.3), attention, nn.Flatten()]


def normalised():
    attention = nn.SelfAttention(128, heads=1, key_width=256, value_width=128, b_std=0.3)
    return [nn.Dense(256, w_std=1.3, b_std=0.3), nn.LayerNorm(0.1), attention, nn.Flatten()]


CASES = {
    "sums": (sums, ROWS, 400),
    "windows": (windows, SEQUENCES, 400),
    "encoded": (encoded, SEQUENCES, 30),
    "bilinear": (bilinear, SEQUENCES, 2000),
    "normalised": (normalised, SEQUENCES, 60),
}
SLOW = ("encoded", "bilinear", "normalised")
every_case = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in CASES]
)


@functools.cache
def empirical(name, kind):
    layers, x, num_draws = CASES[name]
    network = nn.Serial([*layers(), READOUT])
    return KINDS[kind](jax.random.key(7), network, x, num_draws=num_draws)


def limit(layers, x):
    """Both kernels, from one program."""
    with jax.enable_x64(True):
        k = evaluated(nn.Serial([*layers, READOUT]), x, x, None, tangent=True)
        return {"nngp": np.asarray(k.cross), "ntk": np.asarray(k.tangent)}


def assert_within_errors(found, expected):
    deviation = np.max(np.abs(found.mean - expected) / found.standard_error)
    assert deviation <= 4, f"{deviation:.1f} standard errors off"


@every_case
@pytest.mark.slow
def test_finite_networks_have_the_kernels_of_the_limit(name):
    layers, x, _ = CASES[name]
    expected = limit(layers(), x)
    for kind in KINDS:
        found = empirical(name, kind)
        assert found.mean.dtype == found.standard_error.dtype == np.float64
        assert np.max(found.standard_error) <= 0.2 * np.max(found.mean)
        assert_within_errors(found, expected[kind])


class PaddingLeftOut(nn.AvgPool):
    """Divides by the positions that are there."""

    def gathered(self, k):
        whole = nn.AvgPool.gathered(self, k)
        share = self._means(jnp.ones((1, *k.grid, 1)), 1, k.grid).ravel()
        divided = whole.of_positions(lambda a: a / share[:, None] / share[None, :])
        return divided.changed(units=whole.units)


@pytest.mark.slow
def test_padding_that_is_not_counted_is_seen():
    layers = windows()
    layers[2] = PaddingLeftOut([2], padding="SAME")
    wrong = limit(layers, SEQUENCES)
    for kind in KINDS:
        with pytest.raises(AssertionError, match="standard errors off"):
            assert_within_errors(empirical("windows", kind), wrong[kind])


@pytest.mark.slow
def test_appended_encodings_that_are_not_halved_are_seen():
    wrong = limit(encoded("SUM"), SEQUENCES)
    for kind in KINDS:
        with pytest.raises(AssertionError, match="standard errors off"):
            assert_within_errors(empirical("encoded", kind), wrong[kind])


def test_a_tangent_that_leaves_out_the_readout_is_seen():
    right = limit(sums(), ROWS)
    with pytest.raises(AssertionError, match="standard errors off"):
        assert_within_errors(empirical("sums", "ntk"), right["ntk"] - right["nngp"])


@pytest.mark.slow
def test_mean_and_error_are_those_of_the_draws_one_by_one(monkeypatch):
    network = nn.Serial([nn.Dense(5, b_std=0.4), nn.Activation("erf"), nn.Dense(2, w_std=1.3)])
    key = jax.random.key(3)

    @jax.jit
    def drawn(number):
        parameters = network.init(jax.random.fold_in(key, number), 4)
        slopes = jax.jacrev(lambda p: network.apply(p, ROWS))(parameters)
        flat = [jnp.reshape(slope, (3, 2, -1)) for slope in jax.tree.leaves(slopes)]
        return network.apply(parameters, ROWS), jnp.concatenate(flat, axis=-1)

    with jax.enable_x64(True):
        values, slopes = zip(*(map(np.asarray, drawn(i)) for i in range(4)), strict=True)
    products = np.stack([v @ v[:2].T / 2 for v in values])
    tangents = np.stack([np.einsum("iop,jop->ij", j, j[:2]) / 2 for j in slopes])
    # Two draws at once: of 35 parameters, 23 numbers at each of five points and 2·6 products.
    monkeypatch.setattr(bnnpost.kernels.empirical, "_NUMBERS_AT_ONCE", 400)
    for function, expected in ((empirical_nngp, products), (empirical_ntk, tangents)):
        found = function(key, network, ROWS, ROWS[:2], num_draws=4)
        assert np.allclose(found.mean, np.mean(expected, axis=0), rtol=1e-12)
        error = np.std(expected, axis=0, ddof=1) / 2
        assert np.allclose(found.standard_error, error, rtol=1e-10)


def test_fixed_parameters_have_no_tangent():
    hidden = nn.Dense(3, prior=nn.Fixed(np.ones((4, 3))), b_std=0.5, bias_prior=nn.Fixed(0.3))
    found = empirical_ntk(
        jax.random.key(0), nn.Serial([hidden, nn.Activation("erf"), nn.Dense(1)]), ROWS, num_draws=2
    )
    # All that is left is the readout's: the mean of φφ, the same for every draw.
    z = np.asarray(jax.scipy.special.erf(ROWS.sum(1) / 2 + 0.15), np.float64)
    assert np.allclose(found.mean, np.outer(z, z), atol=1e-6)
    assert np.allclose(found.standard_error, 0, atol=1e-12)


NETWORK = bnnpost.mlp(width=3, depth=1)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"key": jax.random.key_data(jax.random.key(0))}, TypeError, "typed key"),
        ({"network": "mlp"}, TypeError, "expected a network such as"),
        ({"num_draws": 1}, ValueError, "num_draws to be at least 2"),
        ({"num_draws": 2.0}, TypeError, "num_draws to be a whole number"),
        ({"x1": np.ones(3)}, ValueError, r"x1 of shape \[point, feature\]"),
        ({"x1": np.array([[np.nan, 1.0]])}, ValueError, "finite numbers in x1"),
        ({"x2": np.ones((2, 3))}, ValueError, "one shape of inputs"),
        ({"x1": SEQUENCES}, ValueError, "outputs are \\[point, unit\\], got outputs of shape"),
        (
            {"network": nn.Serial([nn.Conv(2, [2])])},
            ValueError,
            r"layer 0 \(Conv\): expected inputs",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changes, error, message):
    given = {"key": jax.random.key(0), "network": NETWORK, "x1": ROWS, "num_draws": 2} | changes
    for function in (empirical_nngp, empirical_ntk):
        with pytest.raises(error, match=message):
            function(**given)
