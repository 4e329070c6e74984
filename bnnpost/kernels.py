"""Kernels of the infinite-width limit (NNGP), computed from a network's own kernel maps."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.networks.activation import Activation
from bnnpost.networks.covariance import Covariance
from bnnpost.networks.layers import Layer, Serial
from bnnpost.networks.limiting import require_one_process
from bnnpost.networks.linear import Linear
from bnnpost.networks.nonlinearities import Numerical
from bnnpost.networks.units import of_inputs
from bnnpost.numerics import quadrature
from bnnpost.numerics.random import require_key

# Entries of the kernel computed at once (2^22 doubles are 32 MiB an intermediate array).
_ENTRIES_AT_ONCE = 2**22
# Where a smooth activation's two trapezoid rules, one with twice the step, agree this well, the
# finer one is good to about 1e-10; a kink or a jump moves them by more.
_QUADRATURE_TOLERANCE = 1e-5
# Averages over biases wash kinks out: this much from a kink leaves errors a hundredth of it.
_SHIFTED_TOLERANCE = 1e-3


class QuadratureWarning(UserWarning):
    """The kernel of an activation without a closed form may be less exact than it looks."""


def nngp(
    network: Layer,
    x1: Float[Array | np.ndarray, "n1 *f"],
    x2: Float[Array | np.ndarray, "n2 *f"] | None = None,
    *,
    key: Array | None = None,
) -> Float[Array, "n1 n2"]:
    """The covariance of one output unit, as every hidden width goes to infinity.

    K⁰ = ⟨x, x′⟩/d; each Dense layer maps K → w_var·K + b_var, each activation
    K → E φ(u)φ(v), (u, v) ~ N(0, K) (Neal 1996; Lee et al. 2018, eq. 5).
    x1 [n1, d], x2 [n2, d] (default: x1 with itself, then exactly symmetric). Follows the
    caller's dtype: enable x64 for double precision. Differentiable.

    Weights of any law with mean zero and finite variance have the limit of normal ones of that
    variance. The first layer and biases keep their law: E φ(u)φ(v) is then over the law of
    their units, by quadrature to about 1e-5 (with a warning where φ jumps) or, where a unit of
    the first layer has more than three random variables or a prior of yours, over 2^16 units
    drawn from `key` (half a MiB a point): a standard error of about 0.4 % of E φ², the same for
    the same key. In that layer alone weights may have a mean, and an infinite variance before
    a bounded φ.
    Raises ValueError for wrong shapes, values that are not finite and networks whose limit is
    not one centred Gaussian process; TypeError without a key where one is needed; warns with
    QuadratureWarning where an activation's trapezoid rule has not converged.
    """
    if not isinstance(network, Layer):
        raise TypeError(f"expected a network such as bnnpost.mlp(…), got {type(network).__name__}")
    x1 = _checked_inputs("x1", x1)
    other = x1 if x2 is None else _checked_inputs("x2", x2)
    if other.shape[1:] != x1.shape[1:]:
        raise ValueError(
            f"x1 has {x1.shape[1:]} features a row, x2 {other.shape[1:]}: expected the same"
        )
    require_one_process(network)
    key = None if key is None else require_key(key)
    _warn_of_quadrature(network, x1, key)
    return _checked_kernel(
        self_kernel(network, x1, key) if x2 is None else _in_blocks(network, x1, other, key).cross
    )


def self_kernel(
    network: Layer, x: Float[Array, "n *f"], key: Array | None = None
) -> Float[Array, "n n"]:
    """`nngp` of x with itself, nothing checked: no warning, and entries may be infinite.

    Exactly symmetric, with the variances (whose formula is the more exact) on the diagonal.
    Mirrored outside the compiled part, which would compute either triangle anew, each with a
    rounding of its own.
    """
    k = _in_blocks(network, x, x, key)
    symmetric = 0.5 * (k.cross + k.cross.T)
    return jnp.where(jnp.eye(x.shape[0], dtype=bool), k.variances1, symmetric)


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
    x = _spread(_checked_inputs("x", x))
    fine, rough = (np.asarray(self_kernel(net, x, key)) for net in (network, coarse))
    return float(
        np.max(np.abs(fine - rough)) / max(np.max(np.abs(fine)), np.finfo(fine.dtype).tiny)
    )


def _coarse(network: Layer) -> Layer | None:
    """The network with twice the step of every rule; None where there is none."""
    layers = network.flattened() if isinstance(network, Serial) else (network,)
    coarse = [
        _coarser(layer) if _follows_own_biases(before) else _coarsened(layer)
        for before, layer in zip((None, *layers), layers, strict=False)
    ]
    changed = any(a is not b for a, b in zip(layers, coarse, strict=True))
    return Serial(coarse) if changed else None


def _follows_own_biases(before: Layer | None) -> bool:
    """Whether units come as Gaussian ones and a bias that has a law of its own."""
    return isinstance(before, Linear) and before.has_bias and before.priors.biases is not None


def _is_numerical(node: object) -> bool:
    return isinstance(node, Activation) and isinstance(node.nonlinearity, Numerical)


def _coarsened(layer: Layer) -> Layer:
    """The layer itself if it has no rule in it."""
    if not _has_rule(layer):
        return layer
    return jax.tree.map(
        lambda node: _coarser(node) if _is_numerical(node) else node, layer, is_leaf=_is_numerical
    )


def _has_rule(network: Layer) -> bool:
    return any(map(_is_numerical, jax.tree.leaves(network, is_leaf=_is_numerical)))


def _coarser(layer: Layer) -> Layer:
    """An activation with twice its step; other layers as they are."""
    if not isinstance(layer, Activation):
        return layer
    own, step = layer.own, quadrature.DEFAULT_STEP if layer.step is None else layer.step
    step = min(2 * (own.step if isinstance(own, Numerical) else step), 2.0)
    if layer.catalogued is not None:
        return Activation(layer.catalogued, step=step, **dict(layer.options), **layer.parameters)
    assert own is not None
    return Activation(own.function if isinstance(own, Numerical) else own, step=step)


def _spread(x: Array) -> Array:
    """Three rows of x: the smallest that is not zero, the middle one and the largest."""
    sizes = np.asarray(_mean_square(x))
    order = [i for i in np.argsort(sizes) if sizes[i] > 0] or [0]
    return x[np.asarray([order[0], order[len(order) // 2], order[-1]])]


def _warn_of_quadrature(network: Layer, x: Array, key: Array | None) -> None:
    try:
        error = quadrature_error(network, x, key)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
        return  # traced: there are no numbers yet to compare
    tolerance = _QUADRATURE_TOLERANCE if _has_rule(network) else _SHIFTED_TOLERANCE
    if not error <= tolerance:
        warnings.warn(
            f"the trapezoid rule for an activation has not converged: doubling its step moves the "
            f"kernel by {error:.1e} of its largest entry. Give Activation(…, step=0.02) or less, "
            "or, for a function with a kink or a jump, a Nonlinearity with its closed form",
            QuadratureWarning,
            stacklevel=3,
        )


def _checked_inputs(name: str, x: object) -> Array:
    x = jnp.asarray(x)
    x = x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.result_type(float))
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(
            f"expected {name} of shape [point, feature] with at least one of each, got {x.shape}"
        )
    try:
        finite = bool(jnp.all(jnp.isfinite(x)))
    except jax.errors.ConcretizationTypeError:
        return x  # traced: the values are not known yet
    if not finite:
        raise ValueError(f"expected finite numbers in {name}, got NaN or infinity")
    return x


def _mean_square(x: Array) -> Array:
    return jnp.sum(x**2, axis=-1) / x.shape[-1]


def _checked_kernel(kernel: Array) -> Array:
    try:
        finite = bool(jnp.all(jnp.isfinite(kernel)))
    except jax.errors.ConcretizationTypeError:
        return kernel  # traced: the values are not known yet
    if not finite:
        raise ValueError(
            "the kernel is not finite: an activation grows so fast that its second moment is "
            "infinite, or overflows, at these inputs (exp, gaussian with b > 0, high powers)"
        )
    return kernel


@jax.jit
def _covariance(network: Layer, x1: Array, x2: Array, key: Array | None) -> Covariance:
    return network.covariance(of_inputs(x1, x2, key))


def _in_blocks(network: Layer, x1: Array, x2: Array, key: Array | None) -> Covariance:
    # The limit does not depend on widths: one program serves them all.
    network = network.at_width(1)
    rows = max(1, _ENTRIES_AT_ONCE // x2.shape[0])
    parts = [_covariance(network, x1[i : i + rows], x2, key) for i in range(0, x1.shape[0], rows)]
    return Covariance(
        jnp.concatenate([part.cross for part in parts]),
        jnp.concatenate([part.variances1 for part in parts]),
        parts[0].variances2,
    )
