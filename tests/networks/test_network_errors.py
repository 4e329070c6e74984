"""What networks refuse, and that the message names what came."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost import Activation, Dense, Serial

NOT_WHOLE = [2.0, np.float64(3), True, "3", None]
NOT_POSITIVE = [0, -1]


@pytest.mark.parametrize(
    ("given", "close"),
    [("rleu", "relu"), ("Relu", "relu"), ("taanh", "tanh"), ("gaussain", "gaussian")],
)
def test_unknown_activation_names_the_close_ones(given, close):
    with pytest.raises(ValueError, match=f"unknown activation '{given}': did you mean .*{close}"):
        bnnpost.mlp(activation=given)


def test_activation_like_no_other_lists_all():
    with pytest.raises(ValueError, match="unknown activation 'zzzz': known are identity, relu"):
        Activation("zzzz")


@pytest.mark.parametrize("bad", [None, 3])
def test_activation_that_is_neither_name_nor_function_is_refused(bad):
    with pytest.raises(TypeError, match="activation name or a function"):
        Activation(bad)


def test_unknown_hyperparameter_lists_the_known():
    with pytest.raises(ValueError, match="hyperparameter of erf 'd': known are a, b, c"):
        Activation("erf", d=1.0)


def test_hyperparameters_of_a_function_are_refused():
    with pytest.raises(ValueError, match=r"\['b'\] need a named activation"):
        Activation(jnp.tanh, b=1.0)


@pytest.mark.parametrize("degree", [-1, 1.5, True])
def test_degree_of_a_monomial_must_be_whole(degree):
    with pytest.raises(ValueError, match="whole number of at least 0"):
        Activation("monomial", degree=degree)


@pytest.mark.parametrize("bad", NOT_POSITIVE)
@pytest.mark.parametrize("name", ["width", "depth", "num_outputs"])
def test_mlp_counts_below_one_are_refused(name, bad):
    with pytest.raises(ValueError, match=f"expected {name} to be at least 1, got {bad}"):
        bnnpost.mlp(**{name: bad})


@pytest.mark.parametrize("bad", NOT_WHOLE)
@pytest.mark.parametrize("name", ["width", "depth", "num_outputs"])
def test_mlp_counts_that_are_not_whole_are_refused(name, bad):
    with pytest.raises(TypeError, match=f"expected {name} to be a whole number"):
        bnnpost.mlp(**{name: bad})


@pytest.mark.parametrize("make", [Dense, lambda width: bnnpost.at_width(bnnpost.mlp(), width)])
def test_widths_are_checked_everywhere(make):
    for bad in NOT_POSITIVE:
        with pytest.raises(ValueError, match=f"width to be at least 1, got {bad}"):
            make(bad)
    for bad in NOT_WHOLE:
        with pytest.raises(TypeError, match="width to be a whole number"):
            make(bad)


def test_numpy_widths_are_whole_numbers():
    assert Dense(np.int64(3)).width == 3


@pytest.mark.parametrize("name", ["w_std", "b_std"])
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_stds_that_are_negative_or_not_finite_are_refused(name, bad):
    with pytest.raises(ValueError, match=rf"expected {name} to be .*positive and .*, got {bad}"):
        Dense(3, **{name: bad})


def test_weights_without_variance_are_refused():
    with pytest.raises(ValueError, match="w_std to be positive"):
        Dense(3, w_std=0.0)


def test_std_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match="w_std: expected a number, got 'wide'"):
        Dense(3, w_std="wide")


def test_serial_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        Serial([])


def test_serial_names_the_entry_that_is_no_layer():
    with pytest.raises(TypeError, match="layer 1: expected a bnnpost layer such as Dense"):
        Serial([Dense(3), jnp.tanh, Dense(1)])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "Dence"}, r"layer 0 \(Dence\): unknown layer type 'Dence': did you mean Dense"),
        ({"type": "relu"}, "unknown layer type 'relu': did you mean Relu"),
        ({"W_std": 1.0}, r"layer 0: expected the key type, got \[.W_std.\]"),
        ({"type": "Dense", "w_std": 1.0}, "unknown key 'w_std': did you mean W_std"),
        ({"type": "Dense", "W_std": -1.0}, r"layer 0 \(Dense\): expected w_std to be positive"),
        ({"type": "Dense", "width": 0}, r"layer 0 \(Dense\): expected width to be at least 1"),
        ({"type": "Erf", "d": 1.0}, r"layer 0 \(Erf\): unknown hyperparameter of erf 'd'"),
    ],
)
def test_bad_layer_of_a_spec_is_named(spec, message):
    with pytest.raises(ValueError, match=message):
        bnnpost.from_spec([spec, {"type": "Dense"}])


@pytest.mark.parametrize("bad", [True, 2.0, "3"])
def test_width_of_a_spec_must_be_whole(bad):
    with pytest.raises(TypeError, match=r"layer 0 \(Dense\): expected width to be a whole number"):
        bnnpost.from_spec([{"type": "Dense", "width": bad}])


@pytest.mark.parametrize("name", ["width", "num_outputs"])
def test_default_widths_of_a_spec_are_checked(name):
    with pytest.raises(ValueError, match=f"expected {name} to be at least 1"):
        bnnpost.from_spec([{"type": "Dense"}], **{name: 0})


def test_empty_spec_is_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        bnnpost.from_spec([])


def test_wrong_number_of_parameters_is_refused():
    network = bnnpost.mlp(width=3, depth=1)
    parameters = network.init(jax.random.key(0), 2)
    x = jnp.ones((1, 2))
    with pytest.raises(ValueError, match="expected more than 1 layers of parameters"):
        network.apply(parameters[:1], x)
    with pytest.raises(ValueError, match="has 2 linear layers, but parameters for 3 were given"):
        network.apply((*parameters, parameters[1]), x)
