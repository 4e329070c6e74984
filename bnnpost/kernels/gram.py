"""Kernels of the infinite-width limit, computed from a network's own kernel maps."""

import types
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from bnnpost.kernels.blocks import kernels_of_one, kernels_of_two
from bnnpost.kernels.checked import check_branches, checked_call, checked_kernel, warn_of_heads
from bnnpost.kernels.convergence import warn_of_quadrature
from bnnpost.kernels.maps import Kind
from bnnpost.networks.layers import Layer
from bnnpost.networks.limiting import require_one_process
from bnnpost.numerics.random import require_key

Inputs = Float[Array | np.ndarray, "n *f"]


def nngp(
    network: Layer, x1: Inputs, x2: Inputs | None = None, *, key: Array | None = None
) -> Float[Array, "n1 n2"]:
    """The covariance of one output unit, as every hidden width goes to infinity.

    K⁰ = ⟨x, x′⟩/d; each Dense layer maps K → w_var·K + b_var, each activation
    K → E φ(u)φ(v), (u, v) ~ N(0, K) (Neal 1996; Lee et al. 2018, eq. 5); what other layers do is
    said of each. Layers before the first linear one act on the inputs as they are.
    x1 [n1, d], x2 [n2, d] (default: x1 with itself, then exactly symmetric); inputs with positions
    are [n, position, …, channel]. Follows the caller's dtype: enable x64 for double precision.
    Differentiable.

    Weights of any law with mean zero and finite variance have the limit of normal ones of that
    variance. The first layer and biases keep their law: E φ(u)φ(v) is then over the law of
    their units, by quadrature to about 1e-5 (with a warning where φ jumps) or, where a unit of
    the first layer has more than three random variables or a prior of yours, over 2^16 units
    drawn from `key` (half a MiB a point): a standard error of about 0.4 % of E φ², the same for
    the same key. In that layer alone weights may have a mean, and an infinite variance before
    a bounded φ.

    Softmax attention with scores over √d has no closed form: its scores, jointly Gaussian in the
    limit, are drawn from `key`, `num_draws` (of the layer) times. Those of all inputs are drawn
    together while they have up to 1,024 positions in all: then a Gram matrix is positive
    semidefinite, and what is drawn for the first inputs does not depend on those after them.
    Beyond, they are drawn for two inputs at a time, and an entry depends on its two inputs alone.
    For n inputs of p positions a draw costs about 2 (n p)³ multiplications together, 60 n² p³ two
    at a time. `bnnpost.kernels.monte_carlo_error` has the standard error: a few thousandths for
    the usual 4,096 draws.
    Raises ValueError for wrong shapes, values that are not finite and networks whose limit is
    not one centred Gaussian process; TypeError without a key where one is needed; warns with
    QuadratureWarning where an activation's trapezoid rule has not converged, with HeadsWarning
    where such scores meet a fixed number of heads: a limit of growing width is then not Gaussian.
    """
    return _found(network, x1, x2, key, "nngp")[0]


def ntk(
    network: Layer, x1: Inputs, x2: Inputs | None = None, *, key: Array | None = None
) -> Float[Array, "n1 n2"]:
    """The neural tangent kernel: E Σ ∂f(x)/∂θ ∂f(x′)/∂θ, as every hidden width goes to infinity.

    θ are weights and biases before w_std/√fan_in and b_std multiply them (the NTK parametrisation;
    Jacot et al. 2018). Θ⁰ = 0; each Dense layer maps Θ → w_var·Θ + (w_var·K + b_var), each
    activation Θ → Θ E φ′(u)φ′(v). Fixed parameters do not count. A derivative that jumps counts
    as it is almost everywhere: that of sign is 0.
    Inputs, errors and warnings as in `nngp`; ValueError for an activation that JAX cannot
    differentiate.
    """
    return _found(network, x1, x2, key, "ntk")[0]


class Kernels(NamedTuple):
    """Both kernels of the infinite-width limit, between the same two lists of inputs."""

    nngp: Float[Array, "n1 n2"]
    ntk: Float[Array, "n1 n2"]


class CallablePackage(types.ModuleType):
    """The package of kernels, which is a function too: `bnnpost.kernels(network, x)`."""

    def __call__(
        self, network: Layer, x1: Inputs, x2: Inputs | None = None, *, key: Array | None = None
    ) -> Kernels:
        """`nngp` and `ntk` by one pass."""
        return Kernels(*_found(network, x1, x2, key, "nngp", "ntk"))


def _found(
    network: Layer, x1: object, x2: object | None, key: Array | None, *kinds: Kind
) -> list[Array]:
    network, first, second = checked_call(network, x1, x2)
    network.check_inputs(first)
    network.check_inputs(second)
    check_branches(network, first.shape[1:])
    require_one_process(network)
    key = None if key is None else require_key(key)
    warn_of_heads(network)
    warn_of_quadrature(network, first, key)
    if x2 is None:
        found = kernels_of_one(network, first, key, kinds)
    else:
        found = kernels_of_two(network, first, second, key, kinds)
    return [checked_kernel(kernel) for kernel in found]
