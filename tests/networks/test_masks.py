"""Sequences of different length, padded and masked, against each of them by itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
import bnnpost.networks as nn
from bnnpost.kernels import monte_carlo_error
from bnnpost.kernels.maps import evaluated
from bnnpost.networks.errors import LayerError, ShapeError
from bnnpost.networks.layers import Map
from bnnpost.networks.units import entering

PADDING, LENGTHS, LONGEST, CHANNELS = -1.0, (2, 3, 3), 4, 2
# Two sequences of one length, so that there is a kernel between them without a mask.
ALIKE = [1, 2]


def sequences():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, CHANNELS)) for length in LENGTHS]


def padded(constant=PADDING):
    """[sequence, longest, channel]."""
    x = np.full((len(LENGTHS), LONGEST, CHANNELS), constant)
    for row, sequence in zip(x, sequences(), strict=True):
        row[: len(sequence)] = sequence
    return x


# cos(0) is not 0, and biases are added: neither must come out of what is masked.
COS = nn.Activation("cos")
FIRST = [nn.Dense(5, w_std=1.3, b_std=0.4), COS]
LAST = [nn.GlobalAvgPool(), nn.Dense(1, b_std=0.2)]
CONV = nn.Conv(5, (3,), w_std=1.2, b_std=0.3)
DECAYING = nn.PositionEncoding("SUM", 0.6, in_values=True, decay=0.4)


def attention(mechanism="softmax", scaling="linear", **options):
    return nn.SelfAttention(
        5, mechanism=mechanism, scaling=scaling, b_std=0.3, key_std=1.4, **options
    )


NETWORKS = {
    "dense": [*FIRST, *LAST],
    "sum": [*FIRST, nn.Dense(4, b_std=0.2), nn.GlobalSumPool(), nn.Dense(1)],
    "softmax": [*FIRST, attention(), COS, *LAST],
    "inputs attended to": [attention(), *LAST],
    "identity": [*FIRST, attention("identity", "sqrt"), *LAST],
    "relu": [*FIRST, attention("relu", "sqrt"), *LAST],
    "convolutions": [CONV, COS, CONV, *LAST],
    "average pool": [*FIRST, nn.AvgPool((3,), padding="SAME"), *LAST],
    "inputs pooled": [COS, nn.GlobalAvgPool(), nn.Dense(5), nn.Activation("relu"), nn.Dense(1)],
    "encoded": [nn.Dense(5, b_std=0.3), attention(positions=DECAYING), *LAST],
    "branches": [
        nn.Dense(5, b_std=0.3),
        nn.LayerNorm(),
        nn.Residual([nn.Activation("relu"), nn.Dense(5, b_std=0.3)]),
        nn.FanInSum([[COS, CONV], nn.Dense(5, b_std=0.2)]),
        *LAST,
    ],
}
QUICK = ("softmax", "branches")


def some_slow(names):
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


def masked(layers, constant=PADDING):
    return nn.Serial([nn.Mask(constant), *layers])


def kernels(network, x):
    """NNGP and NTK."""
    with jax.enable_x64(True):
        k = evaluated(network, x, x, None, tangent=True)
    return np.asarray(k.cross), np.asarray(k.tangent)


@pytest.mark.first
@pytest.mark.parametrize("name", some_slow(NETWORKS))
def test_padded_sequences_have_the_kernels_that_they_have_without_padding(name):
    layers, x = NETWORKS[name], padded()
    alone = kernels(nn.Serial(layers), np.stack([sequences()[i] for i in ALIKE]))
    for found, known in zip(kernels(masked(layers), x), alone, strict=True):
        assert np.allclose(found[np.ix_(ALIKE, ALIKE)], known, rtol=1e-10, atol=0)
    # Padding that is not masked takes part.
    other = kernels(masked(layers, constant=-2.0), x)[0]
    assert not np.allclose(other[np.ix_(ALIKE, ALIKE)], alone[0], rtol=1e-3)


# Encodings have weights for each position, and so none for sequences of another length.
@pytest.mark.first
@pytest.mark.parametrize("name", some_slow(name for name in NETWORKS if name != "encoded"))
def test_padded_sequences_have_the_outputs_that_they_have_without_padding(name):
    network, x = nn.Serial(NETWORKS[name]), padded()
    parameters = network.init(jax.random.key(0), x.shape[1:])
    apply = jax.jit(lambda network, x: network.apply(parameters, x))
    found = apply(masked(NETWORKS[name]), x)
    for i in [0, 1] if name in QUICK else range(len(LENGTHS)):
        assert np.allclose(found[i], apply(network, sequences()[i][None])[0], rtol=1e-4, atol=1e-6)
    assert not np.allclose(apply(masked(NETWORKS[name], constant=-2.0), x), found, rtol=0.02)


@pytest.mark.slow
def test_kernel_between_sequences_of_different_length():
    layers = NETWORKS["softmax"]
    found = kernels(masked(layers), padded())[0]
    with jax.enable_x64(True):
        short, long = (jnp.asarray(sequences()[i][None]) for i in (0, 1))
        state = entering(nn.Serial(layers), short, long)
        k = jax.jit(lambda network, k: network.covariance(k))(nn.Serial(layers), state)
    assert found[0, 1] == pytest.approx(float(k.cross[0, 0]), rel=1e-10)


def test_flatten_keeps_as_many_features():
    layers = [*FIRST, nn.Flatten(), nn.Dense(1)]
    found = kernels(masked(layers), padded())[0]
    alone = kernels(nn.Serial(layers), np.stack([sequences()[i] for i in ALIKE]))[0]
    assert np.allclose(found[np.ix_(ALIKE, ALIKE)], alone * 3 / LONGEST, rtol=1e-10, atol=0)


def test_strides_mask_where_the_middle_of_the_filter_is():
    mask = jnp.asarray([[False, False, False, True, True]])
    layer = nn.Conv(1, (3,), strides=(2,), padding="VALID")
    x = jnp.ones((1, 5, 2))
    _, after = layer.carry(x, mask, lambda layer, rows: jnp.ones((*rows.shape[:-1], 1)))
    assert after.tolist() == [[False, True]]  # the middles are positions 1 and 3


@pytest.mark.slow
def test_drawn_scores_are_masked_too():
    layers = [*FIRST, attention(scaling="sqrt", num_draws=1024), *LAST]
    alone = np.stack([sequences()[i] for i in ALIKE])
    for of in (bnnpost.nngp, bnnpost.ntk):
        known = of(nn.Serial(layers), alone, key=jax.random.key(0))
        found = of(masked(layers), padded(), key=jax.random.key(1))[1:, 1:]
        error = monte_carlo_error(nn.Serial(layers), alone, key=jax.random.key(2), kernel=of)
        # Passes by chance with probability 2e-4; were the seed random, fails with that.
        assert np.max(np.abs(found - known) / (np.sqrt(2) * error)) < 4
        other = of(nn.Serial(layers), padded(), key=jax.random.key(1))[1:, 1:]
        assert np.max(np.abs(other - known) / (np.sqrt(2) * error)) > 4


@pytest.mark.slow
def test_draws_in_function_space_are_networks_with_a_mask():
    network, x = masked([nn.Dense(5, b_std=0.4), COS, *LAST]), padded()
    posterior = bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(0.5), x, np.ones(3))
    draws = bnnpost.rejection.sample(jax.random.key(0), posterior, num_samples=3)
    outputs = draws.predict(x, completion="function")
    for i in range(3):
        assert np.allclose(network.apply(draws.parameters(i), x), outputs[i], atol=1e-4)


@pytest.mark.slow
def test_mask_after_reshape_and_as_data():
    network = nn.Serial([nn.Reshape((LONGEST, CHANNELS)), nn.Mask(PADDING), *NETWORKS["dense"]])
    flat = padded().reshape(len(LENGTHS), -1)
    assert np.allclose(bnnpost.nngp(network, flat), kernels(masked(NETWORKS["dense"]), padded())[0])
    spec = bnnpost.to_spec(network)
    assert spec[1] == {"type": "Mask", "constant": PADDING}
    assert bnnpost.to_spec(bnnpost.from_spec(spec)) == spec


def test_an_input_that_is_masked_throughout_is_named():
    network, x = masked(NETWORKS["dense"]), padded()
    x[1] = PADDING
    message = "input 1 is masked at every position.*equal -1"
    with pytest.raises(LayerError, match=message):
        bnnpost.nngp(network, x)
    with pytest.raises(LayerError, match=message):
        bnnpost.Posterior(network, bnnpost.likelihoods.Gaussian(0.5), x, np.ones(3))
    with pytest.raises(LayerError, match=message):
        network.apply(network.init(jax.random.key(0), x.shape[1:]), x)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Serial([nn.Dense(4), nn.Mask(0.0), nn.GlobalAvgPool(), nn.Dense(1)]),
        lambda: nn.Serial([nn.Mask(0.0), nn.Mask(1.0), nn.GlobalAvgPool(), nn.Dense(1)]),
        lambda: nn.Serial([COS, nn.Serial([nn.Mask(0.0)]), nn.GlobalAvgPool(), nn.Dense(1)]),
        lambda: nn.Residual([nn.Mask(0.0), nn.Dense(2)]),
        lambda: nn.FanInSum([[nn.Mask(0.0), nn.Dense(2)], nn.Dense(2)]),
    ],
    ids=["after", "twice", "nested", "residual", "sum"],
)
def test_mask_anywhere_but_first_is_refused(build):
    with pytest.raises(LayerError, match="first layer"):
        build()


def test_what_a_mask_needs():
    with pytest.raises(ValueError, match="finite number, got nan"):
        nn.Mask(np.nan)
    with pytest.raises(ShapeError, match="it masks positions"):
        bnnpost.nngp(nn.Serial([nn.Mask(0.0), nn.Dense(1)]), np.ones((2, 3)))


class Halve(Map):
    """Every other position; it says nothing of masks."""

    def __call__(self, x):
        return x[:, ::2]

    def covariance(self, k):
        return k.of_positions(lambda a: a[:, ::2, ::2], grid=(2,))


@pytest.mark.slow
def test_a_layer_with_other_positions_must_say_what_becomes_of_masks():
    network = masked([nn.Dense(3), Halve(), *LAST])
    with pytest.raises(LayerError, match=r"layer 2 \(Halve\): .*keeps the positions"):
        network.init(jax.random.key(0), padded().shape[1:])
    with pytest.raises(LayerError, match=r"layer 2 \(Halve\): .*keeps the positions"):
        bnnpost.nngp(network, padded())
