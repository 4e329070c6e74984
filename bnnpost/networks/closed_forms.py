"""Activations whose covariance maps have a closed form.

Cho and Saul 2009 (ReLU family, sign), Williams 1997 (erf), Rahimi and Recht 2007 (sines), Tsuchida
et al. 2021 (GELU, rederived here by Stein's identity), Isserlis 1918 (polynomials). v₁, v₂ and c
are the variances and the covariance of (u, v), ρ their correlation. For fourth moments erf is
a mean of signs, erf(x) = E sign(x + z/√2), and a product of sines a sum of cosines.
"""

import abc
import itertools
from math import comb, factorial, inf

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.networks.covariance import Covariance
from bnnpost.networks.nonlinearities import Nonlinearity, Scalar, cast, named
from bnnpost.numerics.arcsine import arcsin
from bnnpost.numerics.rectified import expect_four_piecewise
from bnnpost.numerics.signs import expect_four_signs


@jax.custom_jvp
def _abs_profile(rho: Array) -> Array:
    """√(1−ρ²) + ρ arcsin ρ, with the derivative arcsin ρ that autodiff would make NaN at ±1."""
    return jnp.sqrt((1 - rho) * (1 + rho)) + rho * arcsin(rho)


@_abs_profile.defjvp
def _abs_profile_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (rho,), (tangent,) = primals, tangents
    return _abs_profile(rho), arcsin(rho) * tangent


class Formula(Nonlinearity):
    """One formula for E φφ of the covariance and both variances, which at u = v gives E φ²."""

    closed_form = True

    @abc.abstractmethod
    def moment(self, cross: Array, v1: Array, v2: Array) -> Array:
        """E φ(u)φ(v), elementwise."""

    def product_moment(self, k: Covariance) -> Array:
        return self.moment(k.cross, k.variances1[:, None], k.variances2[None, :])

    def second_moment(self, variances: Array) -> Array:
        return self.moment(variances, variances, variances)


class PiecewiseLinear(Nonlinearity):
    """a·min(x, 0) + b·max(x, 0): ReLU, leaky ReLU, absolute value and identity.

    With φ = (a+b)/2·x + (b−a)/2·|x|, the cross terms vanish by symmetry and
    E φφ = ((a+b)/2)² c + ((b−a)/2)² (2/π) √(v₁v₂) (√(1−ρ²) + ρ arcsin ρ);
    E φ′φ′ = ((a+b)/2)² + ((b−a)/2)² (2/π) arcsin ρ.
    """

    a: Scalar = eqx.field(converter=named("a"))
    b: Scalar = eqx.field(converter=named("b"))
    closed_form = True

    def __call__(self, x: Array) -> Array:
        return cast(self.a, x) * jnp.minimum(x, 0) + cast(self.b, x) * jnp.maximum(x, 0)

    def product_moment(self, k: Covariance) -> Array:
        a, b = cast(self.a, k.cross), cast(self.b, k.cross)
        std1, std2 = k.stds()
        absolute = (2 / np.pi) * (std1 * std2) * _abs_profile(k.correlation())
        return (0.5 * (a + b)) ** 2 * k.cross + (0.5 * (b - a)) ** 2 * absolute

    def derivative_moment(self, k: Covariance) -> Array:
        a, b = cast(self.a, k.cross), cast(self.b, k.cross)
        signs = (2 / np.pi) * arcsin(k.correlation())
        return (0.5 * (a + b)) ** 2 + (0.5 * (b - a)) ** 2 * signs

    def second_moment(self, variances: Array) -> Array:
        return 0.5 * (cast(self.a, variances) ** 2 + cast(self.b, variances) ** 2) * variances

    def fourth_moments(self, covariances: Float[np.ndarray, "m 4 4"]) -> Float[np.ndarray, " m"]:
        return expect_four_piecewise(covariances, float(self.a), float(self.b))


class Erf(Nonlinearity):
    """a·erf(bx) + c: E φφ = a² (2/π) arcsin(2b²c₁₂ / √((1+2b²v₁)(1+2b²v₂))) + c²;
    E φ′φ′ = (4/π) a²b² / √(1 + 2b²(v₁+v₂) + 4b⁴(v₁v₂−c₁₂²)).
    """

    a: Scalar = eqx.field(converter=named("a"))
    b: Scalar = eqx.field(converter=named("b"))
    c: Scalar = eqx.field(converter=named("c"))
    closed_form = True

    @property
    def bound(self) -> float:
        return abs(float(self.a)) + abs(float(self.c))

    def __call__(self, x: Array) -> Array:
        a, b, c = (cast(p, x) for p in (self.a, self.b, self.c))
        return a * jax.scipy.special.erf(b * x) + c

    def _moment(self, sine: Array) -> Array:
        a, c = cast(self.a, sine), cast(self.c, sine)
        return a**2 * (2 / np.pi) * arcsin(sine) + c**2

    def product_moment(self, k: Covariance) -> Array:
        b = cast(self.b, k.cross)
        # A root and a division for each input, none for each pair.
        over1, over2 = (1 / jnp.sqrt(1 + 2 * b**2 * v) for v in (k.variances1, k.variances2))
        sine = 2 * b**2 * k.cross * (over1[:, None] * over2[None, :])
        return self._moment(jnp.clip(sine, -1, 1))

    def derivative_moment(self, k: Covariance) -> Array:
        a, b = cast(self.a, k.cross), cast(self.b, k.cross)
        v1, v2 = k.variances1[:, None], k.variances2[None, :]
        apart = jnp.maximum(v1 * v2 - k.cross**2, 0.0)
        determinant = 1 + 2 * b**2 * (v1 + v2) + 4 * b**4 * apart
        return (4 / np.pi) * (a * b) ** 2 / jnp.sqrt(determinant)

    def second_moment(self, variances: Array) -> Array:
        twice = 2 * cast(self.b, variances) ** 2 * variances
        return self._moment(twice / (1 + twice))

    def fourth_moments(self, covariances: Float[np.ndarray, "m 4 4"]) -> Float[np.ndarray, " m"]:
        a, c, twice = float(self.a), float(self.c), 2 * float(self.b) ** 2 * covariances
        sines = _correlations(twice, added=1.0)
        pairs = itertools.combinations(range(4), 2)
        of_two = sum(np.arcsin(sines[:, i, j]) for i, j in pairs) * (2 / np.pi)
        return a**4 * expect_four_signs(sines) + (a * c) ** 2 * of_two + c**4


class Gelu(Formula):
    """x·Φ(x), exact.

    With Q = 1/4 + arcsin(c/√((1+v₁)(1+v₂)))/2π and D = (1+v₁)(1+v₂) − c², Stein's identity
    twice gives E φφ = cQ + [v₁v₂ + c²(1 − v₁v₂)/((1+v₁)(1+v₂))] / (2π√D).
    """

    def __call__(self, x: Array) -> Array:
        return x * jax.scipy.stats.norm.cdf(x)

    def moment(self, cross: Array, v1: Array, v2: Array) -> Array:
        spread = (1 + v1) * (1 + v2)
        both_positive = 0.25 + arcsin(cross / jnp.sqrt(spread)) / (2 * np.pi)
        density = 1 / (2 * np.pi * jnp.sqrt(spread - cross**2))
        return cross * both_positive + (v1 * v2 + cross**2 * (1 - v1 * v2) / spread) * density


class Sine(Formula):
    """a·sin(bx + c): E φφ = (a²/2) [e^{−b²(v₁+v₂−2c₁₂)/2} − cos(2c) e^{−b²(v₁+v₂+2c₁₂)/2}]."""

    a: Scalar = eqx.field(converter=named("a"))
    b: Scalar = eqx.field(converter=named("b"))
    c: Scalar = eqx.field(converter=named("c"))

    @property
    def bound(self) -> float:
        return abs(float(self.a))

    def __call__(self, x: Array) -> Array:
        a, b, c = (cast(p, x) for p in (self.a, self.b, self.c))
        return a * jnp.sin(b * x + c)

    def moment(self, cross: Array, v1: Array, v2: Array) -> Array:
        a, b, c = (cast(p, cross) for p in (self.a, self.b, self.c))
        total = v1 + v2
        difference = jnp.exp(-0.5 * b**2 * (total - 2 * cross))
        return (
            0.5 * a**2 * (difference - jnp.cos(2 * c) * jnp.exp(-0.5 * b**2 * (total + 2 * cross)))
        )

    def fourth_moments(self, covariances: Float[np.ndarray, "m 4 4"]) -> Float[np.ndarray, " m"]:
        a, b, c = float(self.a), float(self.b), float(self.c)
        found = np.zeros(len(covariances))
        for second, third, fourth in itertools.product((1.0, -1.0), repeat=3):
            signs = np.array([1.0, second, third, fourth])
            variances = np.einsum("mij,i,j->m", covariances, signs, signs)
            # sin·sin·sin·sin: the signs of the second of either pair.
            sign = second * third * fourth
            found += sign * np.cos(c * signs.sum()) * np.exp(-0.5 * b**2 * variances)
        return a**4 / 8 * found


class Exponential(Formula):
    """a·exp(bx): E φφ = a² exp(b²(v₁ + v₂ + 2c)/2)."""

    a: Scalar = eqx.field(converter=named("a"))
    b: Scalar = eqx.field(converter=named("b"))

    def __call__(self, x: Array) -> Array:
        return cast(self.a, x) * jnp.exp(cast(self.b, x) * x)

    def moment(self, cross: Array, v1: Array, v2: Array) -> Array:
        total = v1 + v2 + 2 * cross
        return cast(self.a, total) ** 2 * jnp.exp(0.5 * cast(self.b, total) ** 2 * total)


class GaussianCurve(Formula):
    """a·exp(bx²): E φφ = a² / √((1 − 2bv₁)(1 − 2bv₂) − 4b²c²), finite where that is positive."""

    a: Scalar = eqx.field(converter=named("a"))
    b: Scalar = eqx.field(converter=named("b"))

    @property
    def bound(self) -> float:
        return abs(float(self.a)) if self.b <= 0 else inf

    def __call__(self, x: Array) -> Array:
        return cast(self.a, x) * jnp.exp(cast(self.b, x) * x**2)

    def moment(self, cross: Array, v1: Array, v2: Array) -> Array:
        a, b = cast(self.a, cross), cast(self.b, cross)
        return a**2 / jnp.sqrt((1 - 2 * b * v1) * (1 - 2 * b * v2) - 4 * b**2 * cross**2)

    def second_moment(self, variances: Array) -> Array:
        return cast(self.a, variances) ** 2 / jnp.sqrt(1 - 4 * cast(self.b, variances) * variances)

    def fourth_moments(self, covariances: Float[np.ndarray, "m 4 4"]) -> Float[np.ndarray, " m"]:
        """a⁴/√det(1 − 2bΣ)."""
        return float(self.a) ** 4 / np.sqrt(
            np.linalg.det(np.eye(4) - 2 * float(self.b) * covariances)
        )


class Sign(Nonlinearity):
    """sign(x), 0 at 0: E φφ = (2/π) arcsin ρ. Its derivative is 0 wherever there is one."""

    closed_form = True

    @property
    def bound(self) -> float:
        return 1.0

    def __call__(self, x: Array) -> Array:
        return jnp.sign(x)

    def product_moment(self, k: Covariance) -> Array:
        return (2 / np.pi) * arcsin(k.correlation())

    def derivative_moment(self, k: Covariance) -> Array:
        return jnp.zeros_like(k.cross)

    def second_moment(self, variances: Array) -> Array:
        return jnp.where(variances > 0, 1.0, jnp.zeros_like(variances))

    def fourth_moments(self, covariances: Float[np.ndarray, "m 4 4"]) -> Float[np.ndarray, " m"]:
        return expect_four_signs(_correlations(covariances))


def _correlations(
    covariances: Float[np.ndarray, "m 4 4"], added: float = 0.0
) -> Float[np.ndarray, "m 4 4"]:
    """Of variables to which independent ones of this variance are added, each its own."""
    stds = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2) + added)
    with np.errstate(invalid="ignore"):  # an input that is 0 without a bias has none
        return covariances / (stds[:, :, None] * stds[:, None, :])


def _double_factorial_moment(power: int) -> int:
    """(power − 1)!!, the even moment of a standard normal."""
    return factorial(power) // (2 ** (power // 2) * factorial(power // 2))


class Polynomial(Formula):
    """Σ_i coef_i xⁱ, ascending powers.

    E uⁱvʲ = Σ_k k! C(i,k) C(j,k) (i−k−1)!! (j−k−1)!! v₁^{(i−k)/2} v₂^{(j−k)/2} cᵏ over the k
    (pairings across) for which i−k and j−k are even.
    """

    coef: Scalar = eqx.field(converter=named("coef"))

    def __call__(self, x: Array) -> Array:
        result = jnp.zeros_like(x)
        for coefficient in cast(self.coef, x)[::-1]:
            result = result * x + coefficient
        return result

    def moment(self, cross: Array, v1: Array, v2: Array) -> Array:
        coef = cast(self.coef, cross)
        total = jnp.zeros_like(cross)
        for k in range(coef.shape[0]):
            total += factorial(k) * cross**k * self._tail(coef, k, v1) * self._tail(coef, k, v2)
        return total

    @staticmethod
    def _tail(coef: Array, k: int, variances: Array) -> Array:
        """Σ_i coef_i C(i,k) (i−k−1)!! v^{(i−k)/2}: the k-th Hermite coefficient's share."""
        terms = [
            comb(i, k) * _double_factorial_moment(i - k) * coef[i] * variances ** ((i - k) // 2)
            for i in range(k, coef.shape[0], 2)
        ]
        return sum(terms, jnp.zeros_like(variances))
