"""Whether the trapezoid rules of a kernel have converged."""

import warnings
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from bnnpost.kernels.blocks import self_kernel
from bnnpost.kernels.checked import checked_inputs
from bnnpost.kernels.maps import has_rule
from bnnpost.networks.activation import Activation
from bnnpost.networks.layers import Layer, Serial, with_parts
from bnnpost.networks.linear import Linear
from bnnpost.networks.nonlinearities import Numerical
from bnnpost.numerics import quadrature

# Where a smooth activation's two trapezoid rules, one with twice the step, agree this well, the
# finer one is good to about 1e-10; a kink or a jump moves them by more.
_QUADRATURE_TOLERANCE = 1e-5
# Averages over biases wash kinks out: this much from a kink leaves errors a hundredth of it.
_SHIFTED_TOLERANCE = 1e-3


class QuadratureWarning(UserWarning):
    """The kernel of an activation without a closed form may be less exact than it looks."""


def quadrature_error(
    network: Layer, x: Float[Array | np.ndarray, "n *f"], key: Array | None = None
) -> float:
    """How far the kernel moves, relative to its largest entry, when every trapezoid step doubles.

    For activations that are analytic near the real line the error at the step itself is about
    the square of this; with a kink or a jump, up to about a half of it. Looked at on three
    rows from the smallest to the largest. 0 where every activation has a closed form.
    """
    coarse = _coarse(network)
    if coarse is None:
        return 0.0
    x = _spread(checked_inputs("x", x))
    fine, rough = (np.asarray(self_kernel(net, x, key)) for net in (network, coarse))
    return float(
        np.max(np.abs(fine - rough)) / max(np.max(np.abs(fine)), np.finfo(fine.dtype).tiny)
    )


def _coarse(network: Layer) -> Layer | None:
    """The network with twice the step of every rule; None where there is none."""
    layers = network.flattened()
    coarse = [
        _coarser(layer) if _follows_own_biases(before) else _coarsened(layer)
        for before, layer in zip((None, *layers), layers, strict=False)
    ]
    changed = any(a is not b for a, b in zip(layers, coarse, strict=True))
    return Serial(coarse) if changed else None


def _follows_own_biases(before: Layer | None) -> bool:
    """Whether units come as Gaussian ones and a bias that has a law of its own."""
    return isinstance(before, Linear) and before.has_bias and before.priors.biases is not None


def _coarsened(layer: Layer) -> Layer:
    """The layer itself if it has no rule in it."""
    if not has_rule(layer):
        return layer
    return with_parts(
        layer,
        Activation,
        lambda node: _coarser(node) if isinstance(node.nonlinearity, Numerical) else node,
    )


def _coarser(layer: Layer) -> Layer:
    """An activation with twice its step; other layers as they are."""
    if not isinstance(layer, Activation):
        return layer
    own, step = layer.own, quadrature.DEFAULT_STEP if layer.step is None else layer.step
    step = min(2 * (own.step if isinstance(own, Numerical) else step), 2.0)
    if layer.catalogued is not None:
        parameters: dict[str, Any] = {**dict(layer.options), **layer.parameters}
        return Activation(layer.catalogued, step=step, **parameters)
    assert own is not None
    return Activation(own.function if isinstance(own, Numerical) else own, step=step)


def _spread(x: Array) -> Array:
    """Three rows of x: the smallest that is not zero, the middle one and the largest."""
    sizes = np.mean(np.asarray(x).reshape(len(x), -1) ** 2, axis=1)
    order = [i for i in np.argsort(sizes) if sizes[i] > 0] or [0]
    return x[np.asarray([order[0], order[len(order) // 2], order[-1]])]


def warn_of_quadrature(network: Layer, x: Array, key: Array | None) -> None:
    """Warns with QuadratureWarning where they have not."""
    try:
        error = quadrature_error(network, x, key)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
        return  # traced: there are no numbers yet to compare
    tolerance = _QUADRATURE_TOLERANCE if has_rule(network) else _SHIFTED_TOLERANCE
    if not error <= tolerance:
        warnings.warn(
            f"the trapezoid rule for an activation has not converged: doubling its step moves the "
            f"kernel by {error:.1e} of its largest entry. Give Activation(…, step=0.02) or less, "
            "or, for a function with a kink or a jump, a Nonlinearity with its closed form",
            QuadratureWarning,
            stacklevel=4,
        )
