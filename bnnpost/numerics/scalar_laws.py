"""One-dimensional laws from numpyro: what is expected of one, its quantiles, and its record."""

import functools
import math
import warnings
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betainc, betaln, erf, erfc
from jaxtyping import Array, Float

# Halvings of the bracket, [−40, 40] on a scale on which values grow exponentially: to rounding.
_HALVINGS = 62
_REACH = 40.0
# Standard normals beyond this have a tail probability that is lost in 1 − p.
_LARGEST_NORMAL = 8.0
# Below this quantiles are in proportion to them, to rounding.
_SMALLEST_NORMAL = 1e-6
_NEWTON_STEPS = 6
_MIXTURES = ("MixtureSameFamily", "MixtureGeneral")
# Two laws are compared at so many values of the first.
_NUM_VALUES = 8


def require_law(name: str, law: Any, example: str = "Laplace(0.0, 1.0)") -> Any:
    """Return `law` if it is a continuous law of one real number.

    Raises TypeError for something that is no law, ValueError for a discrete one or one of
    several numbers.
    """
    if isinstance(law, type):
        raise TypeError(
            f"expected {name} to be a law, got the class {law.__name__}: give it its parameters, "
            f"as in {example}"
        )
    if not all(hasattr(law, part) for part in ("log_prob", "sample", "support", "batch_shape")):
        raise TypeError(
            f"expected {name} to be a law such as numpyro.distributions.{example}, got "
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

    By bisection on `law.cdf`, to rounding in double precision, which must be enabled; of Student-t
    laws, whose cdf is dear, by Newton's method.
    """
    if _is_student_t(law):
        return law.loc + law.scale * _student_t(law.df, normals)
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


def _is_student_t(law: Any) -> bool:
    name = type(law).__name__
    return name == "StudentT" and _kind(name) is type(law)


def _student_t(df: Array, normals: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """The same for Student's t, to rounding on both sides.

    With X = |T|, log P(X > x), and where that is large log P(X < x), is concave in log x and
    nearly straight, so that Newton's method converges from anywhere, and in a few steps.
    """
    size = jnp.clip(jnp.abs(normals), _SMALLEST_NORMAL, _LARGEST_NORMAL)
    central = size < 1
    root = size / jnp.sqrt(2.0)
    wanted = jnp.log(jnp.where(central, erf(root), erfc(root)))
    half, other = 0.5 * df, jnp.full((), 0.5, size.dtype)
    first, second = jnp.where(central, other, half), jnp.where(central, half, other)
    constant = jnp.log(2.0) - betaln(half, other) - 0.5 * jnp.log(df)
    sign = jnp.where(central, 1.0, -1.0)

    def nearer(_: int, log_x: Array) -> Array:
        square = jnp.exp(2 * log_x) / df
        share = jnp.where(central, square, 1.0) / (1 + square)
        found = jnp.log(betainc(first, second, share))
        log_density = constant - (half + 0.5) * jnp.log1p(square)
        return log_x - sign * (found - wanted) * jnp.exp(found - log_density - log_x)

    # Cornish and Fisher's first term beyond the normal's.
    start = jnp.log(size * (1 + (size**2 + 1) / (4 * df)))
    found = jnp.exp(jax.lax.fori_loop(0, _NEWTON_STEPS, nearer, start))
    return jnp.sign(normals) * found * jnp.minimum(jnp.abs(normals) / size, 1.0)


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


def law_record(law: Any) -> dict[str, object]:
    """{"law": name, "parameters": {…}} with numbers; a mixture has "weights" and "components".

    Raises ValueError for a law that is not of numpyro, or has more to it than such numbers.
    """
    name = type(law).__name__
    if not (law.batch_shape or law.event_shape) and _kind(name) is type(law):
        record = _mixture(law) if name in _MIXTURES else _plain(law)
        if record is not None and _same(law, record):
            return record
    raise ValueError(f"{name} is not a law from numpyro.distributions that its numbers make again")


def _kind(name: object) -> type | None:
    """A class of numpyro.distributions by its name."""
    from numpyro import distributions as laws

    kind = getattr(laws, str(name), None)
    return kind if isinstance(kind, type) and issubclass(kind, laws.Distribution) else None


def _plain(law: Any) -> dict[str, object]:
    parameters = {key: np.asarray(getattr(law, key), np.float64) for key in law.arg_constraints}
    return {
        "law": type(law).__name__,
        "parameters": {key: value.tolist() for key, value in parameters.items()},
    }


def _mixture(law: Any) -> dict[str, object] | None:
    if not hasattr(law.mixing_distribution, "probs"):
        return None
    weights = np.asarray(law.mixing_distribution.probs, np.float64).tolist()
    if type(law).__name__ == "MixtureGeneral":
        components: object = [law_record(part) for part in law.component_distributions]
    elif _kind(type(law.component_distribution).__name__) is type(law.component_distribution):
        components = _plain(law.component_distribution)
    else:
        return None
    return {"law": type(law).__name__, "weights": weights, "components": components}


def _same(law: Any, record: Mapping[str, Any]) -> bool:
    """Whether a record makes the same law: some have more to them than their parameters."""
    try:
        again: Any = law_of_record(record)
    except (TypeError, ValueError):
        return False
    values = law.sample(jax.random.key(0), (_NUM_VALUES,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values outside the other's support
        return bool(np.allclose(again.log_prob(values), law.log_prob(values), rtol=1e-4))


def law_of_record(record: Mapping[str, Any]) -> Any:
    """The law that `law_record` described; ValueError for anything else."""
    name = record.get("law")
    kind = _kind(name)
    if kind is None:
        raise ValueError(f"expected a law of numpyro.distributions, got {name!r}")
    try:
        return _mixed(kind, record) if name in _MIXTURES else kind(**_numbers(record))
    except (KeyError, TypeError) as error:
        raise ValueError(f"expected the numbers of a law {name}: {error}") from None


def _numbers(record: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters: numbers as they are, lists as arrays."""
    return {
        key: np.asarray(value, np.float64) if np.ndim(value) else float(value)
        for key, value in record["parameters"].items()
    }


def _mixed(kind: Any, record: Mapping[str, Any]) -> Any:
    from numpyro import distributions as laws

    mixing = laws.Categorical(probs=np.asarray(record["weights"], np.float64))
    components = record["components"]
    if isinstance(components, Mapping):
        return kind(mixing, law_of_record(components))
    return kind(mixing, [law_of_record(part) for part in components])
