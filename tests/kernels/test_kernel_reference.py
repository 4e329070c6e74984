"""nngp against kernels that were computed without bnnpost, diagonals included.

Networks that differ only in their stds share one compiled kernel; the form with two lists
takes lists of the same length, so that it shares it too.
"""

import jax
import numpy as np
import pytest

import bnnpost
from tests.reference import cases

# Relative to the largest entry.
TOLERANCE = {"fc": 1e-10, "fc_extra": 1e-10, "fc_numerical": 1e-9}
CASES = [(group, name) for group in cases.KERNEL_GROUPS for name in cases.cases(group)]
SOME_CASES = ["fc_relu_d1_W1_b0.1", "fc_erf_d2_W1_b0", "fc_gelu_d1_W1_b0.5", "fc_exp_d1_W1_b0"]


def assert_close(found, expected, group, largest):
    error = np.max(np.abs(np.asarray(found) - expected)) / largest
    assert error <= TOLERANCE[group], f"off by {error:.1e} of the largest entry"


def test_every_case_of_every_group_is_here():
    sizes = {group: len(cases.cases(group)) for group in cases.KERNEL_GROUPS}
    assert sizes == {"fc": 189, "fc_extra": 15, "fc_numerical": 13}


@pytest.mark.parametrize(("group", "name"), CASES, ids=[name for _, name in CASES])
def test_kernel_agrees_with_the_reference(group, name):
    network = bnnpost.from_spec(cases.layers(group, name))
    expected = cases.kernel(group, name)
    largest = np.max(np.abs(expected))
    x = cases.all_points()
    swapped = np.roll(np.arange(len(x)), len(cases.inputs()["x2"]))  # x2 first, then x1
    with jax.enable_x64(True):
        joint = bnnpost.nngp(network, x)
        cross = bnnpost.nngp(network, x, x[swapped])
    assert joint.dtype == cross.dtype == np.float64
    assert_close(joint, expected, group, largest)
    assert_close(cross, expected[:, swapped], group, largest)


@pytest.mark.parametrize("name", SOME_CASES)
def test_lists_of_different_lengths_give_the_block_of_the_reference(name):
    network = bnnpost.from_spec(cases.layers("fc", name))
    expected = cases.kernel("fc", name)
    x1, x2 = cases.inputs()["x1"], cases.inputs()["x2"]
    with jax.enable_x64(True):
        kernel = bnnpost.nngp(network, x1, x2)
    assert kernel.shape == (6, 4)
    assert_close(kernel, expected[:6, 6:], "fc", np.max(np.abs(expected)))


def test_a_std_off_by_one_part_in_a_billion_is_seen():
    spec = [dict(layer) for layer in cases.layers("fc", "fc_relu_d1_W1_b0.1")]
    spec[-1]["W_std"] *= 1 + 1e-9
    expected = cases.kernel("fc", "fc_relu_d1_W1_b0.1")
    with jax.enable_x64(True):
        kernel = bnnpost.nngp(bnnpost.from_spec(spec), cases.all_points())
    with pytest.raises(AssertionError, match="largest entry"):
        assert_close(kernel, expected, "fc", np.max(np.abs(expected)))
