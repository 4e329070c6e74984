"""One-dimensional laws from numpyro: what is expected of one, and its quantiles by bisection."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Halvings of the bracket, [−40, 40] on a scale on which values grow exponentially: to rounding.
_HALVINGS = 62
_REACH = 40.0
# Standard normals beyond this have a tail probability that is lost in 1 − p.
_LARGEST_NORMAL = 8.0


def require_law(name: str, law: Any) -> Any:
    """Return `law` if it is a continuous law of one real number.

    Raises TypeError for something that is no law, ValueError for a discrete one or one of
    several numbers.
    """
    if isinstance(law, type):
        raise TypeError(
            f"expected {name} to be a law such as numpyro.distributions.Laplace(0.0, 1.0), got the "
            f"class {law.__name__}: give it its parameters"
        )
    if not all(hasattr(law, part) for part in ("log_prob", "sample", "support", "batch_shape")):
        raise TypeError(
            f"expected {name} to be a law such as numpyro.distributions.Laplace(0.0, 1.0), got "
            f"{type(law).__name__}"
        )
    kind = type(law).__name__
    if getattr(law, "is_discrete", False):
        raise ValueError(f"expected {name} to be a continuous law, got the discrete {kind}")
    if law.batch_shape or law.event_shape:
        raise ValueError(
            f"expected {name} to be the law of one number, got {kind} of shape "
            f"{(*law.batch_shape, *law.event_shape)}; for entries that are not independent with "
            "one law, subclass bnnpost.WeightPrior"
        )
    return law


def support(law: Any) -> tuple[float, float]:
    """The ends of a law's support; infinite where it has none."""
    low = getattr(law.support, "lower_bound", -math.inf)
    high = getattr(law.support, "upper_bound", math.inf)
    return float(low), float(high)


@functools.partial(jax.custom_jvp, nondiff_argnums=())
def quantile(law: Any, normals: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """F⁻¹(Φ(g)), elementwise: standard normals mapped to a law by its distribution function F.

    By bisection on `law.cdf`, to rounding in double precision, which must be enabled.
    """
    level = jax.scipy.stats.norm.cdf(jnp.clip(normals, -_LARGEST_NORMAL, _LARGEST_NORMAL))
    from_real = _from_real(law)

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = 0.5 * (low + high)
        below = law.cdf(from_real(middle)) < level
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    start = (jnp.full_like(normals, -_REACH), jnp.full_like(normals, _REACH))
    low, high = jax.lax.fori_loop(0, _HALVINGS, halve, start)
    return from_real(0.5 * (low + high))


def _from_real(law: Any) -> Any:
    """An increasing map from the real line onto the law's support, exponential in the tails."""
    low, high = getattr(law.support, "lower_bound", None), getattr(law.support, "upper_bound", None)
    if low is not None and high is not None:
        return lambda v: low + (high - low) * jax.nn.sigmoid(v)
    if low is not None:
        return lambda v: low + jnp.exp(v)
    if high is not None:
        return lambda v: high - jnp.exp(-v)
    return jnp.sinh


@quantile.defjvp
def _quantile_jvp(primals: tuple[Any, Array], tangents: tuple[Any, Array]) -> tuple[Array, Array]:
    """d/dg F⁻¹(Φ(g)) = φ(g)/F′: the law's own parameters are taken to be fixed."""
    law, normals = primals
    value = quantile(law, normals)
    log_slope = jax.scipy.stats.norm.logpdf(normals) - law.log_prob(value)
    return value, jnp.exp(log_slope) * tangents[1]
