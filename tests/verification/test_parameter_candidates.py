"""Candidates that are given as parameters: evaluated at the inputs, and then as function values."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as laws
import pytest
import xarray as xr

import bnnpost
from bnnpost import Activation, Dense, Fixed, Serial
from bnnpost.likelihoods import Gaussian
from bnnpost.networks.coordinates import Coordinates
from bnnpost.networks.layers import Affine
from bnnpost.verification.candidates import candidate_of

KEY = jax.random.key(0)
X = np.random.default_rng(1).normal(size=(3, 2))
X_TEST = np.random.default_rng(2).normal(size=(4, 2))
NETWORK = Serial(
    [
        Dense(5, b_std=1.0, bias_prior=Fixed(0.3)),
        Activation("tanh"),
        Dense(1, w_var=laws.InverseGamma(3.0, 2.0), b_std=0.2),
    ]
)
POSTERIOR = bnnpost.Posterior(NETWORK, Gaussian(0.5), X, np.array([0.2, -0.4, 1.0]))
CHAINS, DRAWS = 2, 6


def drawn():
    """Prior draws [chain, draw, …] and what they are at X and X_TEST, one after the other."""
    keys = jax.random.split(KEY, CHAINS * DRAWS)
    with jax.enable_x64(True):
        each = [NETWORK.init(key, 2) for key in keys]
        f, f_train = (
            np.array([NETWORK.apply(one, jnp.asarray(x)) for one in each]) for x in (X_TEST, X)
        )
    stacked = jax.tree.map(
        lambda *leaves: np.stack(leaves).reshape(CHAINS, DRAWS, *leaves[0].shape), *each
    )
    shaped = {"f": f.reshape(CHAINS, DRAWS, 4, 1), "f_train": f_train.reshape(CHAINS, DRAWS, 3, 1)}
    return each, stacked, shaped


EACH, STACKED, VALUES = drawn()


def read(given, network=NETWORK):
    return candidate_of(
        given,
        num_test=4,
        num_train=3,
        num_outputs=1,
        x_test=X_TEST,
        x_train=X,
        network=network,
        may_repeat=True,
    )


def sites(with_chains=True):
    found = {
        f"layer{number}.{name}": array
        for number, layer in enumerate(STACKED)
        for name, array in zip(layer._fields, layer, strict=True)
        if array is not None
    }
    del found["layer0.biases"]  # fixed, and so no site
    found["layer1.w_var"] = found.pop("layer1.w_std") ** 2
    return found


def labelled(names):
    return xr.Dataset(
        {
            name: (("chain", "draw", *(f"{name}_{i}" for i in range(array.ndim - 2))), array)
            for name, array in names.items()
        }
    )


def vectors():
    with jax.enable_x64(True):
        flat = np.stack([Coordinates(NETWORK, (2,)).vector(one) for one in EACH])
    return flat.reshape(CHAINS, DRAWS, -1)


def tree(dataset):
    return xr.DataTree.from_dict({"/posterior": dataset})


FORMS = {
    "as init gives them": lambda: STACKED,
    "in a mapping": lambda: {"parameters": STACKED},
    "vectors": vectors,
    "vectors in a mapping": lambda: {"parameters": vectors()},
    "labelled arrays": lambda: labelled(sites()),
    "an ArviZ tree": lambda: tree(labelled(sites())),
    "a tree of vectors": lambda: tree(labelled({"position": vectors()})),
    "sites": sites,
}


@pytest.mark.parametrize("form", FORMS)
def test_chains_of_parameters(form):
    found = read(FORMS[form]())
    for name, values in VALUES.items():
        np.testing.assert_allclose(found.values[name], values, atol=1e-10)


@pytest.mark.parametrize("form", ["a list of draws", "stacked draws", "vectors"])
def test_one_chain_of_parameters(form):
    one = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), STACKED)
    given = {"a list of draws": EACH, "stacked draws": one, "vectors": vectors().reshape(12, -1)}
    found = read(given[form])
    for name, values in VALUES.items():
        np.testing.assert_allclose(found.values[name], values.reshape(1, 12, -1, 1), atol=1e-10)


def test_a_file_of_parameters(tmp_path):
    np.savez(tmp_path / "sites.npz", **sites())
    np.save(tmp_path / "vectors.npy", vectors())
    for name in ("sites.npz", "vectors.npy"):
        np.testing.assert_allclose(read(tmp_path / name).values["f"], VALUES["f"], atol=1e-10)


def test_values_go_before_parameters():
    other = {**sites(), "f": VALUES["f"] + 1}
    found = read(other)
    np.testing.assert_array_equal(found.values["f"], VALUES["f"] + 1)
    assert "not looked at" in found.notes[0]


def test_an_array_that_could_be_either_is_of_values_and_that_is_said():
    network = Serial([Dense(1, b_std=0.0)])  # as many weights as features
    array = np.random.default_rng(0).standard_normal((20, 2))
    points = {"num_test": 2, "num_train": 3, "num_outputs": 1, "x_test": X_TEST[:2], "x_train": X}
    values = candidate_of(array, network=network, **points)
    np.testing.assert_array_equal(values.values["f"][0, :, :, 0], array)
    assert any('{"parameters": …}' in note for note in values.notes)
    weights = candidate_of({"parameters": array}, network=network, **points)
    expected = array @ X_TEST[:2].T / 2**0.5
    np.testing.assert_allclose(weights.values["f"][0, :, :, 0], expected, atol=1e-10)


def test_weights_of_draws_go_with_parameters():
    one = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), STACKED)
    logs = np.where(np.arange(12) < 6, 0.0, -np.inf)
    found = read({"parameters": one, "log_weight": logs})
    assert found.num_draws == 6


def cut(part):
    return jax.tree.map(part, STACKED)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: bnnpost.mlp(width=5, depth=1).init(KEY, 3), "expected parameters of this network"),
        (lambda: cut(lambda leaf: leaf[..., :-1] if leaf.ndim > 2 else leaf), "of this network"),
        (lambda: (STACKED[0], cut(lambda leaf: leaf[:, :3])[1]), "with the same draws"),
        (lambda: EACH[0], "with the same draws"),
        (lambda: STACKED[:1], "expected parameters of this network"),
        (lambda: {"parameters": vectors()[..., :-1]}, "expected vectors of parameters"),
        (lambda: {n: a for n, a in sites().items() if n != "layer1.biases"}, "layer1.biases"),
        (lambda: cut(lambda leaf: leaf * np.nan), "NaN"),
    ],
)
def test_parameters_that_do_not_fit(given, message):
    with pytest.raises(ValueError, match=message):
        read(given())


def test_parameters_of_an_unknown_network_are_refused():
    with pytest.raises(ValueError, match="does not say of which network"):
        read(STACKED, network=None)


@pytest.mark.slow
def test_verify_takes_parameters():
    network = bnnpost.mlp(width=3, depth=1)
    posterior = bnnpost.Posterior(network, Gaussian(0.7), X, POSTERIOR.targets)
    reference = bnnpost.rejection.sample(jax.random.key(1), posterior, num_samples=400)
    draws = bnnpost.rejection.sample(jax.random.key(2), posterior, num_samples=80)
    report = bnnpost.verify(jax.random.key(3), draws.parameters(), reference)
    assert report.passed and "parameters, at 3 training inputs" in str(report)
    prior = [network.init(jax.random.key(i), 2) for i in range(200)]
    assert not bnnpost.verify(jax.random.key(3), prior, reference, X_TEST).passed


@pytest.mark.slow
def test_calibrate_takes_parameters():
    def sampled(key, of):
        return jax.vmap(lambda one: of.network.init(one, 2))(jax.random.split(key, 60))

    options = {"num_datasets": 4, "num_draws": 49, "x_test": X_TEST}
    found = bnnpost.calibrate(jax.random.key(4), sampled, POSTERIOR, **options)
    assert found.ranks.shape[0] == 4


def test_arviz_takes_parameters():
    import arviz as az

    view = bnnpost.to_arviz(STACKED, POSTERIOR, X_TEST)
    np.testing.assert_allclose(view["posterior"]["f"].values, VALUES["f"], atol=1e-10)
    np.testing.assert_allclose(view["posterior"]["f_train"].values, VALUES["f_train"], atol=1e-10)
    np.testing.assert_array_equal(view["constant_data"]["x_test"].values, X_TEST)
    np.testing.assert_array_equal(view["observed_data"]["y"].values, POSTERIOR.targets)
    assert len(az.summary(view)) == 7
    view = bnnpost.to_arviz(VALUES["f_train"], POSTERIOR)
    assert set(view["posterior"].data_vars) == {"f_train"}
    with pytest.raises(TypeError, match="Posterior"):
        bnnpost.to_arviz(STACKED, NETWORK)


@pytest.mark.slow
def test_affine_is_what_is_meant():
    assert Affine._fields == ("weights", "biases", "w_std", "b_std")
