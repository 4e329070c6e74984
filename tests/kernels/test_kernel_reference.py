"""nngp and ntk against kernels that were computed without bnnpost, diagonals included.

Every case is evaluated layer by layer, so that all of them share the compiled maps of a few dozen
layers; that the public functions give the same is tried on some.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bnnpost
from bnnpost.networks.units import of_inputs
from tests.reference import cases

# Relative to the largest entry.
TOLERANCE = {"fc_numerical": 1e-9}
SIZES = {
    "fc": 189, "fc_extra": 15, "fc_numerical": 13, "resnet": 8, "layernorm": 8, "conv": 21,
    "attention": 17,
}  # fmt: skip
CASES = [(group, name) for group in cases.KERNEL_GROUPS for name in cases.cases(group)]
SOME_CASES = [
    ("fc", "fc_erf_d2_W1_b0"),
    ("conv", "conv1d_relu_stride2_gap"),
    ("attention", "transformer_block_flatten"),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in [
            ("fc", "fc_relu_d1_W1_b0.1"),
            ("fc", "fc_gelu_d1_W1_b0.5"),
            ("fc_numerical", "num_tanh_d1_Wsqrt2_b0.1"),
        ]
    ),
]
SOME_NAMES = [getattr(case, "values", case)[1] for case in SOME_CASES]
NNGP, NTK = bnnpost.nngp, bnnpost.ntk


def assert_close(found, expected, group):
    error = np.max(np.abs(np.asarray(found) - expected)) / np.max(np.abs(expected))
    assert error <= TOLERANCE.get(group, 1e-10), f"off by {error:.1e} of the largest entry"


@jax.jit
def through(layer, k):
    return layer.covariance(k)


def covariance(network, x1, x2):
    """What nngp and ntk take their kernel from, for lists of inputs."""
    all_pairs = x1.ndim > 2 and network.needs_all_pairs(False)
    k = of_inputs(jnp.asarray(x1), jnp.asarray(x2), all_pairs=all_pairs, tangent=True)
    for layer in network.at_width(1).layers:
        k = through(layer, k)
    return k


def test_every_case_of_every_group_is_here():
    assert {group: len(cases.cases(group)) for group in cases.KERNEL_GROUPS} == SIZES


@pytest.mark.parametrize(("group", "name"), CASES, ids=[name for _, name in CASES])
@pytest.mark.each(6)
def test_kernels_agree_with_the_reference(group, name):
    network = bnnpost.from_spec(cases.layers(group, name))
    x = cases.all_points(group)
    swapped = np.roll(np.arange(len(x)), 4)  # x2 first, then x1
    with jax.enable_x64(True):
        k = covariance(network, x, x[swapped])
    assert k.cross.dtype == k.tangent.dtype == np.float64
    expected = cases.kernel(group, name)
    assert_close(k.cross, expected[:, swapped], group)
    assert_close(k.variances1, np.diagonal(expected), group)
    assert_close(k.tangent, cases.kernel(group, name, "ntk")[:, swapped], group)


@pytest.mark.parametrize(("kind", "function"), [("nngp", NNGP), ("ntk", NTK)])
@pytest.mark.parametrize(("group", "name"), SOME_CASES, ids=SOME_NAMES)
@pytest.mark.each(2)
def test_public_functions_agree_with_the_reference(group, name, kind, function):
    network = bnnpost.from_spec(cases.layers(group, name))
    expected, x = cases.kernel(group, name, kind), cases.all_points(group)
    with jax.enable_x64(True):
        joint = function(network, x)
        cross = function(network, x, x[::-1])
    assert joint.dtype == cross.dtype == np.float64
    assert_close(joint, expected, group)
    assert_close(cross, expected[:, ::-1], group)


@pytest.mark.first
@pytest.mark.parametrize(("kind", "function"), [("nngp", NNGP), ("ntk", NTK)])
def test_lists_of_different_lengths_give_the_block_of_the_reference(kind, function):
    group, name = "conv", "conv1d_relu_stride2_gap"
    network = bnnpost.from_spec(cases.layers(group, name))
    xs1, xs2 = cases.inputs()["xs1"], cases.inputs()["xs2"]
    with jax.enable_x64(True):
        kernel = function(network, xs1, xs2)
    assert kernel.shape == (6, 4)
    assert_close(kernel, cases.kernel(group, name, kind)[:6, 6:], group)


@pytest.mark.parametrize(("kind", "function"), [("nngp", NNGP), ("ntk", NTK)])
def test_a_std_off_by_one_part_in_a_billion_is_seen(kind, function):
    spec = [dict(layer) for layer in cases.layers("fc", "fc_relu_d1_W1_b0.1")]
    spec[-1]["W_std"] *= 1 + 1e-9
    with jax.enable_x64(True):
        kernel = function(bnnpost.from_spec(spec), cases.all_points())
    with pytest.raises(AssertionError, match="largest entry"):
        assert_close(kernel, cases.kernel("fc", "fc_relu_d1_W1_b0.1", kind), "fc")
