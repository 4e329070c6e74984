"""Prior laws of weights and biases that are not Gaussian, and of scales that are not fixed.

Entries of a layer's weight matrix W and bias b are standard normal unless a law says
otherwise; w_std/√fan_in and b_std multiply what the law draws. A standard deviation may have
a law of its own: given it, the layer is what it was.
"""

import abc
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.networks.nonlinearities import concrete, named
from bnnpost.numerics.scalar_laws import law_of_record, law_record, quantile, require_law, support
from bnnpost.spelling import fields_of, value_of

LAYERWISE, PER_INPUT = "layer", "input"
# By which fixed parameters may differ, relative to their size, when they come in single precision.
_ROUNDING = 1e-6
_FIXED, _PER = "fixed", "per"
_NAME = "shared"
# Folded into a network's key for scales that layers share.
_SHARED = 0x73686172


class EntryMoments(NamedTuple):
    """Mean and variance of one entry."""

    mean: float
    variance: float


class Priors(NamedTuple):
    """Laws of a layer's weights and biases; None for independent standard normals."""

    weights: "WeightPrior | None" = None
    biases: "WeightPrior | None" = None


class WeightPrior(eqx.Module):
    """The law of a weight matrix or bias vector, before w_std/√fan_in or b_std multiplies it.

    Subclass it with `sample` and `log_prob`: exact draws and HMC in weight space need no
    more. `moments` besides, for independent entries of one law, gives the infinite-width
    limit; `from_normals` gives the samplers that move standard normals.
    """

    def __repr__(self) -> str:
        return fields_of(self)

    @abc.abstractmethod
    def sample(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Float[Array, "..."]:
        """A draw of the whole array: [fan_in, width] for weights, [width] for biases."""

    @abc.abstractmethod
    def log_prob(self, values: Float[Array, "..."]) -> Float[Array, ""]:
        """log density of the whole array, in nats; constants may be left out."""

    def moments(self) -> EntryMoments:
        """Mean and variance of one entry, where all are independent with one law."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say the mean and variance of its entries: define "
            "moments(self) if they are independent with one law"
        )

    def from_normals(self, normals: Float[Array, "..."]) -> Float[Array, "..."]:
        """The array that as many independent standard normals stand for (their law's image)."""
        raise NotImplementedError(
            f"{type(self).__name__} does not map standard normals to its entries: define "
            'from_normals(self, normals), or use hmc.sample(…, space="weights")'
        )

    @property
    def random(self) -> bool:
        """Whether there is anything to draw."""
        return True


class StandardNormals(WeightPrior):
    """Independent standard normals: the prior of a layer that names none."""

    def sample(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        return jax.random.normal(key, shape, dtype)

    def log_prob(self, values: Array) -> Array:
        return jnp.sum(jax.scipy.stats.norm.logpdf(values))

    def moments(self) -> EntryMoments:
        return EntryMoments(0.0, 1.0)

    def from_normals(self, normals: Array) -> Array:
        return normals


class IndependentEntries(WeightPrior):
    """Independent entries, each with the same one-dimensional law from numpyro."""

    law: Any

    def __repr__(self) -> str:
        return value_of(self.law)

    def sample(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        return jnp.asarray(self.law.sample(key, shape), dtype)

    def log_prob(self, values: Array) -> Array:
        return jnp.sum(within_support(self.law, values))

    def moments(self) -> EntryMoments:
        return law_moments(self.law)

    def from_normals(self, normals: Array) -> Array:
        return quantile(self.law, normals.astype(jnp.float64)).astype(normals.dtype)


class Fixed(WeightPrior):
    """Parameters that are not random: one number for all entries, or the whole array.

    Raises ValueError for values that are not finite.
    """

    values: Any = eqx.field(converter=named("values"))

    def __check_init__(self) -> None:
        number = concrete(self.values)
        if number is not None and not np.all(np.isfinite(number)):
            raise ValueError("expected finite fixed parameters, got NaN or infinity")

    def sample(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        del key
        return self._broadcast(shape, dtype)

    def _broadcast(self, shape: tuple[int, ...], dtype: Any) -> Array:
        if np.ndim(self.values) > 0 and np.shape(self.values) != shape:
            raise ValueError(
                f"expected fixed parameters of shape {shape}, or one number, got "
                f"{np.shape(self.values)}"
            )
        return jnp.broadcast_to(jnp.asarray(self.values, dtype), shape)

    def log_prob(self, values: Array) -> Array:
        fixed = self._broadcast(values.shape, values.dtype)
        same = jnp.all(jnp.abs(values - fixed) <= _ROUNDING * (1 + jnp.abs(fixed)))
        return jnp.where(same, 0.0, -jnp.inf)

    def moments(self) -> EntryMoments:
        raise NotImplementedError("fixed parameters have no law whose limit could be taken")

    @property
    def random(self) -> bool:
        return False


class Scale(eqx.Module):
    """The law of a standard deviation (or of its square): one for the layer, or one an input unit.

    law: a numpyro law of a positive number. of_variance: whether it is that of the variance.
    per: "layer" or "input". shared: the name of one number that several layers have, if it is one.
    Given the scales a layer's outputs are Gaussian.
    """

    law: Any
    of_variance: bool = eqx.field(static=True, default=False)
    per: str = eqx.field(static=True, default=LAYERWISE)
    shared: str | None = eqx.field(static=True, default=None)

    def __repr__(self) -> str:
        found = f"per_input({value_of(self.law)})" if self.per == PER_INPUT else value_of(self.law)
        found = found if self.shared is None else f"shared_scale({found}, {self.shared!r})"
        return f"root of {found}" if self.of_variance else found

    def __check_init__(self) -> None:
        if self.per not in (LAYERWISE, PER_INPUT):
            raise ValueError(f"expected per to be {LAYERWISE} or {PER_INPUT}, got {self.per!r}")
        if self.shared is not None and not (self.shared and self.per == LAYERWISE):
            raise ValueError(
                "expected a name for the scale that layers share, and one number for each of them, "
                f"got {self.shared!r} for each {self.per}"
            )
        low = support(require_law("the law of a scale", self.law, "HalfNormal(1.0)"))[0]
        if not low >= 0:
            raise ValueError(
                f"expected the law of a positive number for a scale, got {type(self.law).__name__}"
            )

    def shape(self, fan_in: int) -> tuple[int, ...]:
        """Of what is drawn for a layer of fan_in inputs: one number, or one for each input."""
        return (fan_in,) if self.per == PER_INPUT else ()

    def key(self, own: Array, network: Array) -> Array:
        """Of its draw: its layer's own key, or one of the network's that layers share."""
        if self.shared is None:
            return own
        return jax.random.fold_in(jax.random.fold_in(network, _SHARED), self._number())

    def label(self, own: str) -> str:
        """Of its array: by its layer's own name, or by that which layers share."""
        return own if self.shared is None else f"shared.{self.shared}_std"

    def _number(self) -> int:
        return zlib.crc32((self.shared or "").encode())

    def sample(self, key: Array, fan_in: int) -> Float[Array, "*s"]:
        """Standard deviations from their prior, in the default dtype."""
        return self.std(self.law.sample(key, self.shape(fan_in)))

    def from_normals(self, normals: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """The standard deviations that as many standard normals stand for."""
        return self.std(quantile(self.law, normals.astype(jnp.float64)))

    def log_prob(self, std: Float[Array, "*s"]) -> Float[Array, ""]:
        """Log density of standard deviations, in nats; −∞ where they are never drawn."""
        if not self.of_variance:
            return jnp.sum(within_support(self.law, std))
        slope = jnp.log(2 * jnp.abs(std))
        found = within_support(self.law, std**2) + slope
        return jnp.sum(jnp.where(std > 0, found, -jnp.inf))

    def std(self, values: Array) -> Array:
        """Standard deviations, for values of the law."""
        return jnp.sqrt(values) if self.of_variance else values

    def typical(self) -> float:
        """The median standard deviation."""
        with jax.enable_x64(True):
            return float(self.std(quantile(self.law, jnp.zeros((), jnp.float64))))

    def mean_square(self) -> float:
        """E[std²]: what a wide layer with a scale for each input unit comes to. Can be infinite."""
        mean, variance = law_moments(self.law)
        return mean if self.of_variance else mean**2 + variance

    def smallest(self) -> float:
        """The lower end of the standard deviation's support."""
        return float(np.sqrt(self._low()) if self.of_variance else self._low())

    def _low(self) -> float:
        return max(0.0, support(self.law)[0])


def per_input(law: object) -> Scale:
    """For w_std: a standard deviation for every input unit, each drawn from `law`.

    law: any numpyro law of a positive number.
    """
    return Scale(law, per=PER_INPUT)


def shared_scale(law: object, name: str = "scale") -> Scale:
    """For w_std or b_std of several layers: one standard deviation, drawn from `law` for all.

    law: any numpyro law of a positive number. name: layers whose scales have the same name share
    the number; so do all layers of `mlp(w_std=shared_scale(law))`. Raises ValueError for no name.
    """
    return Scale(law, shared=name)


def within_support(law: Any, values: Array) -> Array:
    """The log density of a numpyro law, elementwise in nats; −∞ outside its support."""
    inside = law.support(values)
    somewhere = law.support.feasible_like(values)
    return jnp.where(inside, law.log_prob(jnp.where(inside, values, somewhere)), -jnp.inf)


def law_moments(law: Any) -> EntryMoments:
    """Mean and variance of a numpyro law; NaN or infinite where it has none.

    Traced where the law's parameters are.
    """
    try:
        with jax.enable_x64(True):
            mean, variance = law.mean, law.variance
    except (NotImplementedError, ZeroDivisionError):
        return EntryMoments(float("nan"), float("nan"))
    if concrete(mean) is None or concrete(variance) is None:
        return EntryMoments(mean, variance)
    return EntryMoments(float(mean), float(variance))


def is_law(value: object) -> bool:
    """Whether something looks like a law from numpyro, and not like a number."""
    return hasattr(value, "log_prob") and hasattr(value, "sample")


def weight_prior(name: str, law: object) -> WeightPrior | None:
    """A prior as a user gives it, as a `WeightPrior`; None for standard normals.

    Raises TypeError for something that is neither a law nor a WeightPrior, ValueError for a
    discrete law or one that is not of a single number.
    """
    if law is None or isinstance(law, WeightPrior):
        return law
    if type(law).__name__ == "Delta":
        return Fixed(law.v)  # type: ignore[attr-defined]
    return IndependentEntries(require_law(name, law))


def folded(scale: Any, prior: WeightPrior | None) -> tuple[Any, WeightPrior | None]:
    """A normal prior of mean zero taken into the scale, where that is a number."""
    law = prior.law if isinstance(prior, IndependentEntries) else None
    if type(law).__name__ != "Normal" or concrete(law.loc) != 0.0:  # type: ignore[union-attr]
        return scale, prior
    std = concrete(law.scale)  # type: ignore[union-attr]
    if std == 1.0:
        return scale, None
    return (scale, prior) if isinstance(scale, Scale) or std is None else (scale * std, None)


def standard(prior: WeightPrior | None) -> WeightPrior:
    """The prior, spelled out where it is the standard normal one."""
    return StandardNormals() if prior is None else prior


def prior_record(prior: WeightPrior) -> dict[str, object]:
    """{"law": …}, or {"fixed": number or list}; ValueError for a prior of the user's own."""
    if type(prior) is IndependentEntries:
        return law_record(prior.law)
    if type(prior) is Fixed:
        return {_FIXED: np.asarray(prior.values, np.float64).tolist()}
    raise ValueError(f"{type(prior).__name__} is a prior of its own, which is code")


def prior_of_record(record: object) -> object:
    """What `Dense` takes as a prior, from what `prior_record` gave; laws themselves pass."""
    if not isinstance(record, Mapping):
        return record
    if set(record) == {_FIXED}:
        return Fixed(record[_FIXED])
    return law_of_record(record)


def scale_record(scale: Any) -> object:
    """A number, or a scale's law; "per": "input" for one an input unit, "shared": its name."""
    if not isinstance(scale, Scale):
        return float(scale)
    more = {_PER: scale.per} if scale.per == PER_INPUT else {}
    more |= {} if scale.shared is None else {_NAME: scale.shared}
    return {**law_record(scale.law), **more}


def scale_of_record(record: object, *, of_variance: bool = False) -> object:
    """What `Dense` takes as w_std or b_std, from what `scale_record` gave; numbers pass.

    Raises ValueError for an unknown "per".
    """
    if not isinstance(record, Mapping):
        return record
    rest = dict(record)
    per, name = rest.pop(_PER, LAYERWISE), rest.pop(_NAME, None)
    return Scale(law_of_record(rest), of_variance=of_variance, per=per, shared=name)
