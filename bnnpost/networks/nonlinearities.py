"""Activation functions φ together with their covariance maps E φ(u)φ(v) and E φ′(u)φ′(v).

Every map is for (u, v) centred normal with variances v₁, v₂ and covariance c; `second_moment` is
the first of them at u = v. Those that have a closed form are in `networks.closed_forms`.
"""

import abc
import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import LARGEST_STD, SMALLEST_STD, real_array, shown
from bnnpost.networks.covariance import Covariance, root
from bnnpost.numerics import quadrature

# A hyperparameter as a user gives it: a Python or numpy number, or a JAX array.
Scalar: TypeAlias = Any


def hyperparameter(value: Scalar, name: str = "a hyperparameter") -> Scalar:
    """A hyperparameter as a float64 leaf, exact whatever the x64 flag; traced values pass.

    Raises ValueError that names it for what is no real number, nor an array of such.
    """
    return value if isinstance(value, jax.Array) else real_array(name, value, "a number")


def named(name: str) -> Callable[[Scalar], Scalar]:
    """`hyperparameter` of that name, as the converter of a field."""
    return functools.partial(hyperparameter, name=name)


def concrete(value: Scalar) -> np.ndarray | None:
    """`value` as a float64 array, or None while it is being traced and has no number yet.

    Raises TypeError if it is not numeric.
    """
    try:
        np.asarray(value)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
        return None
    except (TypeError, ValueError):
        pass  # and what is wrong with it is said below
    try:
        return real_array("", value)
    except ValueError:
        raise TypeError(f"expected a number, got {shown(value)}") from None


def checked_std(name: str, value: object) -> object:
    """`value` if it can be a standard deviation; traced and batched values pass unseen.

    Raises TypeError for what is no number, ValueError for one that is not positive, or whose
    square would be 0 or infinite where it is computed with.
    """
    try:
        number = concrete(value)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    if number is None:
        return value
    if not np.all(np.isfinite(number) & (number > 0)):
        allowed = "0 (none) or positive" if name == "b_std" else "positive"
        raise ValueError(f"expected {name} to be {allowed} and finite, got {shown(value)}")
    if not np.all((number >= SMALLEST_STD) & (number <= LARGEST_STD)):
        raise ValueError(
            f"expected {name} to be from {SMALLEST_STD:g} to {LARGEST_STD:g}, got {shown(value)}: "
            "change the units"
        )
    return value


def cast(value: Scalar, like: Array) -> Array:
    """A hyperparameter in the dtype of the array that it meets."""
    return jnp.asarray(value, like.dtype)


class Nonlinearity(eqx.Module):
    """An elementwise function and its covariance map; subclass it to add a closed form."""

    closed_form: eqx.AbstractClassVar[bool]

    @property
    def bound(self) -> float:
        """What |φ| never exceeds; ∞ where that is not known. Override it where it is."""
        return math.inf

    @abc.abstractmethod
    def __call__(self, x: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """φ(x), elementwise."""

    @abc.abstractmethod
    def product_moment(self, k: Covariance) -> Float[Array, "n1 n2"]:
        """E φ(u)φ(v) for every pair of inputs."""

    @abc.abstractmethod
    def second_moment(self, variances: Float[Array, " n"]) -> Float[Array, " n"]:
        """E φ(u)² for every input."""

    def fourth_moments(
        self, covariances: Float[np.ndarray, "m 4 4"]
    ) -> Float[np.ndarray, " m"] | None:
        """E φ(u₁)φ(u₂)φ(u₃)φ(u₄) of centred normals with these covariances; None where unknown.

        Not needed for a kernel: auxiliary rejection wastes less with it.
        """
        del covariances
        return None

    def derivative(self, x: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """φ′(x), elementwise."""
        return derivative_of(self, x)

    def derivative_moment(self, k: Covariance) -> Float[Array, "n1 n2"]:
        """E φ′(u)φ′(v) for every pair of inputs.

        By default the derivative of E φ(u)φ(v) with respect to the covariance (Price 1958):
        override it where that is not smooth.
        """

        def of_cross(cross: Array) -> Array:
            return self.product_moment(k.changed(cross=cross))

        return derivative_of(of_cross, k.cross)

    def covariance(self, k: Covariance) -> Covariance:
        """The whole covariance map, and the tangent's where there is one: Θ → Θ E φ′(u)φ′(v)."""
        cross = k.over_pairs(self.product_moment)
        within1, within2 = k.over_positions(self.product_moment, self.second_moment)
        tangent = None
        if k.tangent is not None:
            tangent = k.tangent * k.over_pairs(self.derivative_moment)
        return k.changed(
            cross=cross, within1=within1, within2=within2, tangent=tangent, units="other"
        )


def derivative_of(function: Callable[[Array], Array], x: Array) -> Array:
    """The derivative of an elementwise function.

    Raises ValueError where JAX cannot differentiate it.
    """
    try:
        return jax.jvp(function, (x,), (jnp.ones_like(x),))[1]
    except (TypeError, ValueError, NotImplementedError) as error:
        name = getattr(function, "__name__", type(function).__name__)
        raise ValueError(
            f"the derivative of the activation {name} cannot be had: {error}. The neural tangent "
            "kernel needs it; give a function that JAX can differentiate, or a Nonlinearity with "
            "derivative_moment"
        ) from error


class Numerical(Nonlinearity):
    """Any elementwise function; moments by the trapezoid rule of `numerics.quadrature`."""

    function: Callable[[Array], Array] = eqx.field(static=True)
    step: float = eqx.field(static=True, default=quadrature.DEFAULT_STEP)
    largest: float = eqx.field(static=True, default=math.inf)
    closed_form = False

    @property
    def bound(self) -> float:
        return self.largest

    def __call__(self, x: Array) -> Array:
        return self.function(x)

    def product_moment(self, k: Covariance) -> Array:
        std1, std2 = k.stds()
        return quadrature.expect_product(self.function, std1, std2, k.correlation(), self.step)

    def second_moment(self, variances: Array) -> Array:
        return quadrature.expect_square(self.function, root(variances), self.step)

    def derivative_moment(self, k: Covariance) -> Array:
        std1, std2 = k.stds()
        return quadrature.expect_product(
            lambda u: derivative_of(self.function, u), std1, std2, k.correlation(), self.step
        )
