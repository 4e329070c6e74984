"""What networks refuse, and that the message names what came."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost import Activation, Dense, Serial

NOT_WHOLE = [2.0, np.float64(3), True, "3", None]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: bnnpost.mlp(activation="rleu"), ValueError, "'rleu': did you mean .*relu"),
        (lambda: bnnpost.mlp(activation="Relu"), ValueError, "'Relu': did you mean .*relu"),
        (lambda: bnnpost.mlp(activation="taanh"), ValueError, "'taanh': did you mean .*tanh"),
        (lambda: Activation("zzzz"), ValueError, "'zzzz': known are identity, relu"),
        (lambda: Activation(None), TypeError, "activation name or a function"),
        (lambda: Activation(3), TypeError, "activation name or a function"),
        (lambda: Activation("erf", d=1.0), ValueError, "hyperparameter of erf 'd': known are a, b"),
        (lambda: Activation(jnp.tanh, b=1.0), ValueError, r"\['b'\] need a named activation"),
        (lambda: Activation("monomial", degree=-1), ValueError, "whole number of at least 0"),
        (lambda: Activation("monomial", degree=1.5), ValueError, "whole number of at least 0"),
        (lambda: Activation("monomial", degree=True), ValueError, "whole number of at least 0"),
        (lambda: Dense(3, w_std=0.0), ValueError, "w_std to be positive"),
        (lambda: Dense(3, w_std="wide"), TypeError, "w_std: expected a number, got 'wide'"),
        (lambda: Serial([]), ValueError, "at least one layer"),
        (lambda: Serial([Dense(3), jnp.tanh]), TypeError, "layer 1: expected a bnnpost layer"),
        (lambda: bnnpost.from_spec([]), ValueError, "at least one layer"),
    ],
)
def test_bad_arguments_are_named(make, error, words):
    with pytest.raises(error, match=words):
        make()


def make_mlp(name):
    return lambda value: bnnpost.mlp(**{name: value})


@pytest.mark.parametrize(
    ("name", "make"),
    [
        *((name, make_mlp(name)) for name in ("width", "depth", "num_outputs")),
        ("width", Dense),
        ("width", lambda width: bnnpost.at_width(bnnpost.mlp(), width)),
        ("width", lambda width: bnnpost.from_spec([{"type": "Dense"}], width=width)),
        ("num_outputs", lambda n: bnnpost.from_spec([{"type": "Dense"}], num_outputs=n)),
    ],
)
def test_counts_are_checked_everywhere(name, make):
    for bad in (0, -1):
        with pytest.raises(ValueError, match=f"expected {name} to be at least 1, got {bad}"):
            make(bad)
    for bad in NOT_WHOLE:
        with pytest.raises(TypeError, match=f"expected {name} to be a whole number"):
            make(bad)


def test_numpy_widths_are_whole_numbers():
    assert Dense(np.int64(3)).width == 3


@pytest.mark.parametrize("name", ["w_std", "b_std"])
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_stds_that_are_negative_or_not_finite_are_refused(name, bad):
    with pytest.raises(ValueError, match=rf"expected {name} to be .*positive and .*, got {bad}"):
        Dense(3, **{name: bad})


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ({"type": "Dence"}, ValueError, r"layer 0 \(Dence\): .*type 'Dence': did you mean Dense"),
        ({"type": "relu"}, ValueError, "unknown layer type 'relu': did you mean Relu"),
        ({"w_std": 1.0}, ValueError, r"layer 0: expected the key type, got \[.w_std.\]"),
        ({"type": "Dense", "w_sd": 1.0}, ValueError, "unknown key 'w_sd': did you mean w_std"),
        (
            {"type": "Dense", "w_std": 1.0, "W_std": 1.0},
            ValueError,
            "either w_std or W_std, .* both",
        ),
        ({"type": "Activation"}, ValueError, "expected the key name"),
        ({"type": "Activation", "name": "relo"}, ValueError, "'relo': did you mean relu"),
        ({"type": "Dense", "W_std": -1.0}, ValueError, r"layer 0 \(Dense\): expected w_std"),
        ({"type": "Dense", "width": 0}, ValueError, r"layer 0 \(Dense\): expected width"),
        ({"type": "Dense", "width": 2.0}, TypeError, r"layer 0 \(Dense\): expected width"),
        ({"type": "Erf", "d": 1.0}, ValueError, r"layer 0 \(Erf\): unknown hyperparameter .* 'd'"),
    ],
)
def test_bad_layer_of_a_spec_is_named(spec, error, message):
    with pytest.raises(error, match=message):
        bnnpost.from_spec([spec, {"type": "Dense"}])


@pytest.mark.slow
def test_wrong_number_of_parameters_is_refused():
    network = bnnpost.mlp(width=3, depth=1)
    parameters = network.init(jax.random.key(0), 2)
    x = jnp.ones((1, 2))
    with pytest.raises(ValueError, match="expected more than 1 layers of parameters"):
        network.apply(parameters[:1], x)
    with pytest.raises(ValueError, match="has 2 linear layers, but parameters for 3 were given"):
        network.apply((*parameters, parameters[1]), x)
