"""What the layers refuse, when they are made and when something enters them that does not fit."""

import jax
import numpy as np
import pytest
from numpyro.distributions import HalfNormal, Laplace

import bnnpost
import bnnpost.networks as nn
from bnnpost.networks import Layer
from bnnpost.networks.covariance import Covariance

ROWS, SEQUENCES = np.ones((3, 4)), np.ones((2, 5, 4))
RELU, ERF = nn.Activation("relu"), nn.Activation("erf")
NO_POSITIONS = "expected inputs .*position.*channel"


def after_dense(*layers):
    return nn.Serial([nn.Dense(3), *layers])


# Networks, inputs and what is said: by the forward pass and by the kernel map alike.
MISFITS = {
    "valid": (nn.Serial([nn.Conv(3, [6], padding="VALID")]), SEQUENCES,
              r"layer 0 \(Conv\): a window of 6 positions does not fit inputs of 5"),
    "conv": (after_dense(nn.Conv(3, [2])), ROWS, rf"layer 1 \(Conv\): {NO_POSITIONS}"),
    "conv 2d": (after_dense(nn.Conv(3, [2, 2])), SEQUENCES, r"shape \[2, 2\].* with 1 axes"),
    "pool": (after_dense(nn.AvgPool([2])), ROWS, rf"layer 1 \(AvgPool\): {NO_POSITIONS}"),
    "pool too wide": (after_dense(nn.AvgPool([9])), SEQUENCES, "of 9 positions does not fit"),
    "mean": (after_dense(nn.GlobalAvgPool()), ROWS, rf"layer 1 \(GlobalAvgPool\): {NO_POSITIONS}"),
    "sum": (after_dense(nn.GlobalSumPool()), ROWS, rf"layer 1 \(GlobalSumPool\): {NO_POSITIONS}"),
    "flatten": (after_dense(nn.Flatten()), ROWS, rf"layer 1 \(Flatten\): {NO_POSITIONS}"),
    "reshape": (nn.Serial([nn.Reshape((2, 3)), nn.Dense(1)]), ROWS,
                r"layer 0 \(Reshape\): expected inputs of 6 numbers for shape \[2, 3\]"),
    "attention": (after_dense(nn.SelfAttention(3)), ROWS,
                  r"layer 1 \(SelfAttention\): expected inputs.*position"),
    "nested": (after_dense(nn.Residual([ERF, nn.Dense(3), nn.Flatten()])), ROWS,
               rf"layer 1 \(Residual\): layer 2 \(Flatten\): {NO_POSITIONS}"),
    "widths": (after_dense(nn.Residual([RELU, nn.Dense(4)])), ROWS,
               r"layer 1 \(Residual\): .* got \[\[3\], \[4\]\]"),
    "sum of widths": (nn.Serial([nn.FanInSum([nn.Dense(3), nn.Dense(4)])]), ROWS,
                      r"layer 0 \(FanInSum\): .* \[\[3\], \[4\]\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_shapes_that_do_not_fit_are_refused_by_both_readings(name):
    network, x, message = MISFITS[name]
    with pytest.raises(ValueError, match=message):
        network.init(jax.random.key(0), x.shape[1:])
    for function in (bnnpost.nngp, bnnpost.ntk):
        with pytest.raises(ValueError, match=message):
            function(network, x)


def test_weights_for_other_inputs_are_refused():
    network = after_dense(ERF, nn.Dense(1))
    parameters = network.init(jax.random.key(0), 4)
    with pytest.raises(
        ValueError, match=r"layer 0 \(Dense\): expected inputs of 4 features.*got 2"
    ):
        network.apply(parameters, np.ones((3, 2)))


CORRELATED = "units of these branches are correlated"


@pytest.mark.parametrize(
    ("network", "x", "message"),
    [
        (after_dense(RELU, nn.LayerNorm()), ROWS, r"layer 2 \(LayerNorm\): .*an activation"),
        (after_dense(RELU, ERF), ROWS, r"layer 2 \(Activation\): .*not Gaussian in the limit"),
        (nn.Residual([ERF, nn.Dense(4)]), ROWS, "inputs themselves and of units that grow"),
        (after_dense(nn.Conv(1, [2])), SEQUENCES, r"outputs at positions \[5\]: gather them"),
        (after_dense(nn.Reshape((3, 1))), ROWS, r"layer 1 \(Reshape\): .*put it first"),
        (after_dense(nn.Residual(nn.Conv(3, [2], padding="VALID"))), SEQUENCES,
         r"layer 1 \(Residual\): expected branches whose .* got \[\[5, 3\], \[4, 3\]\]"),
        (nn.SelfAttention(3, positions=nn.PositionEncoding()), SEQUENCES, "put a Dense before"),
        (nn.Serial([nn.Dense(3, prior=Laplace()), ERF, nn.Dense(1)]), SEQUENCES,
         "law of its weights.* without positions"),
        (nn.Dense(3, w_std=HalfNormal()), SEQUENCES, "no one kernel"),
        (after_dense(nn.Residual(RELU)), ROWS, rf"layer 1 \(Residual\): the {CORRELATED}"),
        (after_dense(nn.Residual(nn.LayerNorm())), ROWS, CORRELATED),
        (after_dense(nn.Residual(nn.Residual([RELU, nn.Dense(3)]))), ROWS, CORRELATED),
        (nn.FanInSum([[nn.Dense(3), RELU], [nn.Dense(3), ERF]]), ROWS, CORRELATED),
    ],
)  # fmt: skip
def test_what_has_no_limit_here_is_refused_with_the_reason(network, x, message):
    for function in (bnnpost.nngp, bnnpost.ntk):
        with pytest.raises(ValueError, match=message):
            function(network, x)


def test_correlated_branches_do_not_add_up():
    # Why they are refused: x + relu(x) has E[(u + relu(u))²] = K + K/2 + 2 E[u relu(u)] = 5K/2.
    u = np.random.default_rng(0).normal(size=10**5)
    assert np.isclose(np.mean((u + np.maximum(u, 0)) ** 2), 2.5, rtol=0.02)


def test_an_activation_without_a_derivative_has_no_tangent_kernel():
    def opaque(x):
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(np.tanh, shape, x, vmap_method="expand_dims")

    with pytest.raises(ValueError, match="derivative of the activation opaque cannot be had"):
        jax.eval_shape(bnnpost.ntk, after_dense(nn.Activation(opaque), nn.Dense(1)), ROWS)


def test_a_layer_that_loses_the_tangent_is_named_as_such():
    class Forgets(Layer):
        def propagate(self, x, linear):
            return x

        def covariance(self, k):
            return Covariance(k.cross, k.within1, k.within2)

    network = after_dense(Forgets(), nn.Dense(1))
    assert bnnpost.nngp(network, ROWS).shape == (3, 3)
    for others in ((), (ROWS[:2],)):
        with pytest.raises(ValueError, match="gives no tangent kernel"):
            bnnpost.ntk(network, ROWS, *others)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.SelfAttention(3, heads=0), ValueError, "heads to be at least 1, got 0"),
        (lambda: nn.SelfAttention(3, key_width=1.5), TypeError, "key_width to be a whole number"),
        (lambda: nn.SelfAttention(3, mechanism="sofmax"), ValueError, "did you mean softmax"),
        (lambda: nn.SelfAttention(3, scaling="sqr"), ValueError, "'sqr': did you mean sqrt"),
        (lambda: nn.SelfAttention(3, query_std=-1.0), ValueError, "query_std to be positive"),
        (lambda: nn.SelfAttention(3, out_std=HalfNormal()), ValueError, "out_std .* a number"),
        (lambda: nn.SelfAttention(3, positions="SUM"), TypeError, "positions to be a Posi"),
        (lambda: nn.PositionEncoding("ADD"), ValueError, "kind to be SUM or CONCAT, got 'ADD'"),
        (lambda: nn.PositionEncoding(std=0.0), ValueError, "std to be a positive number, got 0"),
        (lambda: nn.PositionEncoding(decay=-0.1), ValueError, "decay to be a positive number"),
        (lambda: nn.LayerNorm(-1.0), ValueError, "eps to be a number of at least 0, got -1"),
        (lambda: nn.Conv(3, 3), TypeError, "filter_shape to be a list of whole numbers, got 3"),
        (lambda: nn.Conv(3, [0]), ValueError, "each of filter_shape to be at least 1, got 0"),
        (lambda: nn.Conv(3, [3], strides=[1, 1]), ValueError, "a stride for each of the 1 axes"),
        (lambda: nn.Conv(3, [3], padding="SMAE"), ValueError, "SAME, VALID, CIRCULAR, got 'SMAE'"),
        (lambda: nn.AvgPool([]), TypeError, "window_shape to be a list"),
        (lambda: nn.Reshape((2, -1)), ValueError, "each of shape to be at least 1, got -1"),
        (lambda: nn.Residual(RELU.name), TypeError, "layer 0: expected a bnnpost layer"),
        (lambda: nn.Residual(None), TypeError, "expected a list of layers, got NoneType"),
        (lambda: nn.FanInSum([]), ValueError, "at least one branch"),
        (lambda: nn.FanInSum(nn.Dense(3)), TypeError, "a list of branches, got Dense"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ({"type": "Conv"}, ValueError, r"\(Conv\): expected the key filter_shape"),
        ({"type": "Conv", "filter_shap": [3]}, ValueError, "'filter_shap': did you mean filter_sh"),
        ({"type": "AvgPool", "window_shape": [2], "padding": "VALD"}, ValueError, "got 'VALD'"),
        ({"type": "GlobalAvgPol"}, ValueError, "did you mean .*GlobalAvgPool"),
        ({"type": "Flatten", "axis": 1}, ValueError, "unknown key 'axis'"),
        ({"type": "LayerNorm", "axis": 1}, ValueError, "axis -1, the channels, got 1"),
        ({"type": "Residual"}, ValueError, "expected the key branch"),
        ({"type": "Residual", "branch": [{"type": "Relo"}]}, ValueError,
         r"layer 0 \(Residual\): layer 0 \(Relo\): unknown layer type 'Relo': did you mean .*Relu"),
        ({"type": "FanInSum", "branches": "Relu"}, TypeError, "branches to be a list of lists"),
        ({"type": "FanInSum", "branches": [{"type": "Relu"}]}, TypeError, "a list of tables"),
        ({"type": "GlobalSelfAttention", "attention_mechanism": "SOFTMX"}, ValueError,
         "'SOFTMX': did you mean SOFTMAX"),
        ({"type": "SelfAttention", "mechanism": "softmx"}, ValueError, "'softmx': did you mean so"),
        ({"type": "SelfAttention", "positions": "SUM"}, TypeError, "positions to be a table"),
        ({"type": "SelfAttention", "positions": {"knd": "SUM"}}, ValueError, "did you mean kind"),
        ({"type": "SelfAttention", "positions": {"in_values": 1}}, TypeError, "true or false"),
        ({"type": "SelfAttention", "mechanism": "relu", "attention_mechanism": "RELU"},
         ValueError, "either mechanism or attention_mechanism"),
        ({"type": "GlobalSelfAttention", "linear_scaling": "no"}, TypeError, "true or false"),
        ({"type": "GlobalSelfAttention", "pos_emb_type": "SUM", "pos_emb_decay_fn": "d"},
         ValueError, "pos_emb_decay_fn such as"),
        ({"type": "GlobalSelfAttention", "pos_emb_type": "SUM", "pos_emb_p_norm": 1}, ValueError,
         "pos_emb_p_norm 2, got 1"),
    ],
)  # fmt: skip
def test_bad_tables_are_named(spec, error, message):
    with pytest.raises(error, match=message):
        bnnpost.from_spec([spec])
