"""Kernels of softmax attention with scores over √d, which are estimated from drawn scores."""

import jax
import numpy as np
import pytest

import bnnpost
from bnnpost import Activation, Dense, GlobalAvgPool, SelfAttention, Serial
from bnnpost.kernels import HeadsWarning, blocks, monte_carlo_error, tiles
from bnnpost.networks.attention import with_sampling
from bnnpost.networks.layers import parts_of
from tests.reference import cases

pytestmark = pytest.mark.optimised

KEY = jax.random.key(0)
# Seeds are fixed; were they random, one of 55 entries would be off by more than this with
# probability 0.004.
Z = 4.0


def kernel(network, *x, key=KEY, of=bnnpost.nngp):
    with jax.enable_x64(True):
        return np.asarray(of(network, *x, key=key))


def network(num_draws=4, **options):
    attention = SelfAttention(4, scaling="sqrt", key_std=1.6, num_draws=num_draws, **options)
    return Serial([Dense(4, w_std=1.5, b_std=0.3), attention, GlobalAvgPool(), Dense(1)])


def sequences(n=5, p=3):
    return np.random.default_rng(0).normal(size=(n, p, 2))


def from_reference(num_draws, **changes):
    layers = [
        {**layer, "num_draws": num_draws, **changes} if "attention_mechanism" in layer else layer
        for layer in cases.drawn_attention()[0]
    ]
    return bnnpost.from_spec(layers)


def largest_z(found, error):
    _, known, known_error = cases.drawn_attention()
    return np.max(np.abs(found - known) / np.hypot(error, known_error))


@pytest.mark.parametrize("num_draws", [256, pytest.param(4096, marks=pytest.mark.slow)])
def test_kernel_agrees_with_the_reference_within_its_standard_error(num_draws):
    x, described = cases.all_sequences(), from_reference(num_draws)
    with jax.enable_x64(True):
        error = monte_carlo_error(described, x, key=jax.random.key(1))
    found = kernel(described, x)
    assert found.dtype == np.float64
    # 1/√draws, with a factor that this network was measured to have.
    assert 0.1 < np.max(error / found) * np.sqrt(num_draws) < 0.4
    assert largest_z(found, error) < Z
    # Keys and queries of twice the standard deviation would be seen.
    assert largest_z(kernel(from_reference(num_draws, W_key_std=2.2), x), error) > Z


@pytest.fixture
def few_together(monkeypatch):
    """No input is drawn together with more than one other."""
    monkeypatch.setattr(blocks, "_DRAWN_TOGETHER", 0)


@pytest.mark.slow
def test_inputs_drawn_together_do_not_see_those_after_them():
    x = sequences()
    whole = kernel(network(), x)
    assert np.array_equal(whole, whole.T)
    assert np.allclose(kernel(network(), x[:3]), whole[:3, :3], rtol=1e-12, atol=0)
    assert np.allclose(kernel(network(), x[:3], x[3:]), whole[:3, 3:], rtol=1e-12, atol=0)
    assert not np.allclose(kernel(network(), x, key=jax.random.key(1)), whole, rtol=1e-3)


def alike():
    return sequences(1) + 0.1 * sequences()


@pytest.mark.slow
def test_a_kernel_of_few_draws_is_positive_semidefinite_where_they_are_drawn_together():
    assert np.linalg.eigvalsh(kernel(network(), alike()))[0] > 0


@pytest.mark.slow
def test_a_kernel_drawn_two_at_a_time_need_not_be(few_together):
    assert np.linalg.eigvalsh(kernel(network(), alike()))[0] < -1e-5


@pytest.mark.slow
def test_blocks_do_not_change_what_is_drawn_two_at_a_time(few_together, monkeypatch):
    x = sequences()
    whole = kernel(network(), x)
    monkeypatch.setattr(tiles, "rows_of_tile", lambda network, x: 2)
    assert np.allclose(kernel(network(), x), whole, rtol=1e-12, atol=0)
    assert np.allclose(kernel(network(), x[3:], x), whole[3:], rtol=1e-12, atol=1e-300)


@pytest.mark.slow
@pytest.mark.parametrize("of", [bnnpost.nngp, bnnpost.ntk])
def test_both_ways_estimate_the_same(of, monkeypatch):
    x = sequences(3)
    together = kernel(network(4096), x, of=of)
    monkeypatch.setattr(blocks, "_DRAWN_TOGETHER", 0)
    assert np.allclose(kernel(network(4096), x, of=of), together, rtol=0.05, atol=0)


def test_two_layers_draw_from_keys_of_their_own():
    twice = Serial([*network().layers[:2], *network().layers[1:]])
    first, second = parts_of(with_sampling(twice, KEY, together=True), SelfAttention)
    words = [jax.random.key_data(layer.sampling.key).tolist() for layer in (first, second)]
    assert words[0] != words[1]


def test_without_a_key_the_cure_is_named():
    with pytest.raises(TypeError, match=r"softmax attention with scores over √d.*pass key=jax"):
        bnnpost.nngp(network(), sequences())


def test_a_fixed_number_of_heads_is_warned_of():
    with pytest.warns(HeadsWarning, match=r"4 heads does not converge.*heads=None"):
        bnnpost.nngp(network(mechanism="relu", heads=4), sequences(2))
    linear = Serial([Dense(4), SelfAttention(4, heads=1), GlobalAvgPool(), Dense(1)])
    bnnpost.nngp(linear, sequences(2))  # warns of nothing: warnings are errors here


def test_an_error_needs_two_kernels():
    with pytest.raises(ValueError, match="at least 2"):
        monte_carlo_error(network(), sequences(), key=KEY, num_kernels=1)


@pytest.mark.slow
def test_single_precision_and_a_duplicate():
    x = sequences(3)[[0, 1, 0, 2]]
    found = np.asarray(bnnpost.nngp(network(), x, key=KEY))
    assert found.dtype == np.float32
    assert np.allclose(found, found[[2, 1, 0, 3]], rtol=1e-4, atol=0)


@pytest.mark.slow
def test_a_kernel_of_two_such_layers_is_positive_definite():
    act = Activation("relu")
    layers = network().layers
    deep = Serial([layers[0], act, layers[1], act, Dense(4), *layers[1:]])
    found = kernel(deep, sequences(4))
    assert np.linalg.eigvalsh(found)[0] > 0
