"""Kernel maps of hidden layers and their first and second derivatives at the limit.

The map of an activation acts on each pair of inputs alone: κ(c, v₁, v₂) = E φ(u)φ(v) for (u, v)
centred normal with variances v₁, v₂ and covariance c, and κ(v) = E φ(u)² on the diagonal. So its
derivatives are a few matrices, and a change of the kernel is carried through it entry by entry.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bnnpost.networks.activation import Activation
from bnnpost.networks.closed_forms import PiecewiseLinear
from bnnpost.networks.covariance import Covariance, root
from bnnpost.networks.nonlinearities import Nonlinearity, Numerical
from bnnpost.numerics import quadrature

# Hermite coefficients of φ by its derivatives and by φ itself differ by less than this, relative
# to E φ², or else a derivative has a jump that differentiation does not see.
_SMOOTH = 1e-4
# Nodes beyond so many standard deviations carry less than this share of E φ⁴, or a sample of
# units says nothing about it.
_FAR, _FAR_SHARE = 8.0, 1e-4
_ORDERS = 4  # of the derivatives of φ that second derivatives of κ need


class Change(NamedTuple):
    """First and second derivative, along a path, of a kernel; [direction, point, point]."""

    first: Float[np.ndarray, "s q q"]
    second: Float[np.ndarray, "s q q"]


class KernelMap(NamedTuple):
    """κ at one kernel, and its partial derivatives, for each pair of inputs (i, j).

    cross: by K_ij; row: by K_ii (by K_jj: its transpose); the rest are second derivatives. On
    the diagonal, where there is one variable, κ′ is in cross, κ″ in cross2, and the others are 0.
    """

    value: Float[np.ndarray, "q q"]
    cross: Float[np.ndarray, "q q"]
    row: Float[np.ndarray, "q q"]
    cross2: Float[np.ndarray, "q q"]
    cross_row: Float[np.ndarray, "q q"]
    row2: Float[np.ndarray, "q q"]
    row_column: Float[np.ndarray, "q q"]

    def carried(self, change: Change) -> Change:
        """κ(K(t)) along the path: κ′[K′], and κ′[K″] + κ″[K′, K′]."""
        d = change.first
        diagonal = np.diagonal(d, axis1=-2, axis2=-1)
        mixed = self.cross_row * d * diagonal[..., :, None]
        square = self.row2 * diagonal[..., :, None] ** 2
        bend = (
            self.cross2 * d**2
            + 2 * (mixed + _transposed(mixed))
            + square
            + _transposed(square)
            + 2 * self.row_column * diagonal[..., :, None] * diagonal[..., None, :]
        )
        return Change(self._slope(d), self._slope(change.second) + bend)

    def _slope(self, d: Float[np.ndarray, "s q q"]) -> Float[np.ndarray, "s q q"]:
        rows = self.row * np.diagonal(d, axis1=-2, axis2=-1)[..., :, None]
        return self.cross * d + rows + _transposed(rows)


def _transposed(a: np.ndarray) -> np.ndarray:
    return np.swapaxes(a, -1, -2)


def kernel_map(activation: Activation, kernel: Float[np.ndarray, "q q"]) -> KernelMap:
    """κ and its derivatives at one kernel, in double precision.

    Closed forms are differentiated as they are; otherwise derivatives are moments of those of φ:
    ∂κ/∂c = E φ′(u)φ′(v), ∂κ/∂v₁ = ½E φ″(u)φ(v), and so on (Price 1958).
    Raises ValueError where E φ⁴ is infinite or as good as that, where φ without a closed form
    is not smooth, and where a closed form has no second derivative.
    """
    _check_fourth_moment(activation, kernel)
    form = activation.nonlinearity
    if isinstance(form, Numerical):
        _check_smooth(form, kernel)
    rows, columns = np.triu_indices(len(kernel))
    variances = np.diagonal(kernel)
    at = np.stack([kernel[rows, columns], variances[rows], variances[columns]], axis=1)
    found = _pairs(activation, jnp.asarray(kernel), jnp.asarray(at), rows, columns)
    value, slope, bend = map(np.asarray, found)
    if not all(np.isfinite(part).all() for part in (value, slope, bend)):
        raise ValueError(
            f"the kernel of {activation.name} has no second derivative at these inputs: two of "
            "them, though different, always have the same units up to a factor; leave one out, or "
            "give the layers a bias"
        )
    return _assembled(rows, columns, value, slope, bend)


def features(activation: Activation, units: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
    """φ(u), elementwise, in double precision."""
    return np.asarray(_applied(activation, jnp.asarray(units)))


@jax.jit
def _applied(activation: Activation, units: Array) -> Array:
    return activation(units)


def _assembled(
    rows: Int[np.ndarray, " p"],
    columns: Int[np.ndarray, " p"],
    value: Float[np.ndarray, " p"],
    slope: Float[np.ndarray, "p 3"],
    bend: Float[np.ndarray, "p 3 3"],
) -> KernelMap:
    """Matrices from derivatives by (c, v₁, v₂) at each pair; on the diagonal all three are one."""
    diagonal, q = rows == columns, rows.max() + 1

    def matrix(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
        found = np.empty((q, q))
        found[columns, rows], found[rows, columns] = lower, upper
        return found

    def beside(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
        return matrix(np.where(diagonal, 0.0, upper), np.where(diagonal, 0.0, lower))

    cross = np.where(diagonal, np.sum(slope, axis=1), slope[:, 0])
    cross2 = np.where(diagonal, np.sum(bend, axis=(1, 2)), bend[:, 0, 0])
    return KernelMap(
        value=matrix(value, value),
        cross=matrix(cross, cross),
        row=beside(slope[:, 1], slope[:, 2]),
        cross2=matrix(cross2, cross2),
        cross_row=beside(bend[:, 0, 1], bend[:, 0, 2]),
        row2=beside(bend[:, 1, 1], bend[:, 2, 2]),
        row_column=beside(bend[:, 1, 2], bend[:, 1, 2]),
    )


_Pairs = tuple[Float[Array, " p"], Float[Array, "p 3"], Float[Array, "p 3 3"]]


@jax.jit
def _pairs(
    activation: Activation,
    kernel: Float[Array, "q q"],
    at: Float[Array, "p 3"],
    rows: Int[Array, " p"],
    columns: Int[Array, " p"],
) -> _Pairs:
    """κ and its derivatives by (c, v₁, v₂) for each pair."""
    correlation = Covariance.of_self(kernel).correlation()[rows, columns]
    form = activation.nonlinearity
    if isinstance(form, Numerical):
        return _by_moments(form, at, correlation)
    return _by_autodiff(form, at, correlation)


def _by_autodiff(
    form: Nonlinearity, at: Float[Array, "p 3"], correlation: Float[Array, " p"]
) -> _Pairs:
    """Of a closed form; of its second moment where the two inputs are one."""

    def product(at: Array) -> Array:
        return form.product_moment(Covariance(at[:1, None], at[1:2], at[2:]))[0, 0]

    def square(at: Array) -> Array:
        return form.second_moment(at[:1])[0]

    found = [_derivatives(function, at) for function in (product, square)]
    cross = at[:, 0]
    same = (cross == at[:, 1]) & (cross == at[:, 2])
    shaped = same[:, None], same[:, None, None]
    value, slope, bend = (
        jnp.where(where, own, other)
        for where, other, own in zip((same, *shaped), *found, strict=True)
    )
    if isinstance(form, PiecewiseLinear):
        # Units that are multiples of each other stay so: κ is linear in c as long as they are.
        alike = (jnp.abs(correlation) == 1) & ~same
        linear = jnp.where(alike, value / jnp.where(alike, cross, 1.0), 0.0)
        slope = jnp.where(alike[:, None], linear[:, None] * jnp.array([1.0, 0.0, 0.0]), slope)
        bend = jnp.where(alike[:, None, None], 0.0, bend)
    return value, slope, bend


def _derivatives(function: Callable[[Array], Array], at: Float[Array, "p 3"]) -> _Pairs:
    slope = jax.jacfwd(function)
    return jax.vmap(function)(at), jax.vmap(slope)(at), jax.vmap(jax.jacfwd(slope))(at)


def _by_moments(
    form: Numerical, at: Float[Array, "p 3"], correlation: Float[Array, " p"]
) -> _Pairs:
    """From E φ⁽ᵃ⁾(u)φ⁽ᵇ⁾(v), by the rule of `quadrature.expect_product`."""
    nodes, weights = (jnp.asarray(a) for a in quadrature.normal_nodes(form.step))
    derivatives = _all_derivatives(form)

    def moments(pair: tuple[Array, Array, Array]) -> Float[Array, "o o"]:
        std1, std2, rho = pair
        along = jnp.sqrt(jnp.maximum(0.5 * (1 + rho), 0.0)) * nodes[:, None]
        across = jnp.sqrt(jnp.maximum(0.5 * (1 - rho), 0.0)) * nodes[None, :]
        left = derivatives(std1 * (along + across))
        right = derivatives(std2 * (along - across))
        weighted = left * weights[:, None] * weights
        return jnp.einsum("aij,bij->ab", weighted, right)

    e = jax.lax.map(moments, (root(at[:, 1]), root(at[:, 2]), correlation))
    slope = jnp.stack([e[:, 1, 1], 0.5 * e[:, 2, 0], 0.5 * e[:, 0, 2]], axis=1)
    rows = [
        [e[:, 2, 2], 0.5 * e[:, 3, 1], 0.5 * e[:, 1, 3]],
        [0.5 * e[:, 3, 1], 0.25 * e[:, 4, 0], 0.25 * e[:, 2, 2]],
        [0.5 * e[:, 1, 3], 0.25 * e[:, 2, 2], 0.25 * e[:, 0, 4]],
    ]
    bend = jnp.stack([jnp.stack(row, axis=1) for row in rows], axis=1)
    return e[:, 0, 0], slope, bend


def _all_derivatives(form: Nonlinearity) -> Callable[[Array], Array]:
    """φ and its derivatives up to the fourth, stacked in front, elementwise."""

    def every(x: Array) -> Array:
        functions: list[Callable[[Array], Array]] = [form]
        for _ in range(_ORDERS):
            functions.append(_derivative(functions[-1]))
        return jnp.stack([function(x) for function in functions])

    return every


def _derivative(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda x: jax.jvp(function, (x,), (jnp.ones_like(x),))[1]


def _check_smooth(form: Numerical, kernel: Float[np.ndarray, "q q"]) -> None:
    """sᵏ E φ⁽ᵏ⁾(sz) = E φ(sz) He_k(z) for every k, unless a derivative has a delta in it."""
    nodes, weights = quadrature.normal_nodes(form.step)
    hermite = np.polynomial.hermite_e.hermevander(nodes, _ORDERS).T
    stds = np.sqrt(np.diagonal(kernel))
    derivatives = jax.jit(_all_derivatives(form))(jnp.asarray(stds[:, None] * nodes))
    found = np.moveaxis(np.asarray(derivatives), 0, 1)  # [point, order, node]
    by_derivatives = (found @ weights) * stds[:, None] ** np.arange(_ORDERS + 1)
    by_itself = (found[:, :1] * hermite) @ weights
    size = np.sqrt(np.max(found[:, 0] ** 2 @ weights))
    if not np.max(np.abs(by_derivatives - by_itself)) <= _SMOOTH * size:
        raise ValueError(
            "the first-order theory needs second derivatives of the kernel, and this "
            "activation, which has no closed form, is not smooth (or the trapezoid rule too "
            "coarse for it): give Activation a Nonlinearity with its closed form"
        )


def _check_fourth_moment(activation: Activation, kernel: Float[np.ndarray, "q q"]) -> None:
    nodes, weights = quadrature.normal_nodes(quadrature.DEFAULT_STEP)
    std = float(np.sqrt(np.max(np.diagonal(kernel))))
    terms = weights * features(activation, std * nodes) ** 4
    if not np.sum(terms[np.abs(nodes) > _FAR]) <= _FAR_SHARE * np.sum(terms):
        raise ValueError(
            "the covariance of the kernel of one unit, which the first-order theory needs, is "
            "infinite or rests on units that no sample holds: the activation grows too fast at "
            "these inputs"
        )
