"""Kernels of a multilayer perceptron whose hidden layers have scales of their own."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from bnnpost.theories.derivatives import Change, kernel_map
from bnnpost.theories.hidden_layers import Hidden

Kernel = Float[np.ndarray, "q q"]


class ScaledKernel(NamedTuple):
    """The readout's kernel without its bias, and its derivatives by the logs of the scales."""

    kernel: Kernel
    slopes: Float[np.ndarray, "scale q q"]


def scaled_kernel(
    first: Kernel, hidden: Sequence[Hidden], logs: Float[np.ndarray, "*s"]
) -> ScaledKernel:
    """Each hidden layer but the last hands on s times its kernel, s = exp(logs).

    first: the kernel of the first hidden layer's units.
    """
    kernel, slopes = first, np.zeros((0, *first.shape))
    scales = [*np.exp(logs).tolist(), 1.0]
    for number, (layer, scale) in enumerate(zip(hidden, scales, strict=True)):
        found = kernel_map(layer.activation, kernel)
        factor = scale * layer.weight_var
        scaled = factor * found.value
        slopes = factor * found.carried(Change(slopes, slopes)).first
        if number < len(logs):
            slopes = np.concatenate([slopes, scaled[None]])
            scaled = scaled + layer.bias_var
        kernel = scaled
    return ScaledKernel(kernel, slopes)
