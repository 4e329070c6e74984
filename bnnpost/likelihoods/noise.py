"""Gaussian noise whose variance is itself random: unknown, or such that the noise has tails.

Given the noise variances these are Gaussian likelihoods, and the readout can be integrated
out. Everything is said in t, the log of a noise variance.
"""

import abc
import math
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.likelihoods.base import Likelihood, check_noise_std, check_one_column_an_output
from bnnpost.networks.nonlinearities import Scalar, cast, concrete, named

# Log variances beyond these are 0 or infinity in double precision, squares included.
SMALLEST_LOG_VAR, LARGEST_LOG_VAR = -300.0, 300.0
# Of the integral over a noise variance: at most 0.006 in t, between which a law narrower than
# a few of them would fall.
_QUADRATURE_CELLS = 2**14
_ENDS = (("lower_bound", -1.0), ("upper_bound", math.inf))


class RandomNoise(Likelihood):
    """y = f + √λ ε with ε standard normal and λ drawn from a law of its own."""

    # Whether one λ serves all observations; otherwise each has its own.
    shared: eqx.AbstractClassVar[bool]

    @property
    def noise_law(self) -> "RandomNoise":
        return self

    @abc.abstractmethod
    def log_density(self, log_var: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """Prior density of t = log λ, elementwise, in nats; −∞ outside its support."""

    def support(self) -> tuple[float, float]:
        """The least and the largest t there can be."""
        return SMALLEST_LOG_VAR, LARGEST_LOG_VAR

    def check(self, targets: np.ndarray, num_outputs: int) -> None:
        check_one_column_an_output(targets, num_outputs)


class GaussianUnknownNoise(RandomNoise):
    """Gaussian noise of one unknown size: give the prior law of its std or of its variance.

    noise_std or noise_var: any numpyro law of positive numbers, such as
    `numpyro.distributions.HalfNormal(0.5)`. Raises ValueError unless exactly one is given,
    TypeError for something that is no law.
    """

    shared = True
    noise_std: Any
    noise_var: Any
    # The least and the largest λ (or √λ) of the law, and one between them.
    ends: tuple[float, float, float] = eqx.field(static=True)

    def __init__(self, *, noise_std: object = None, noise_var: object = None):
        if (noise_std is None) == (noise_var is None):
            raise ValueError("expected the law of either noise_std or noise_var")
        law: Any = noise_var if noise_std is None else noise_std
        if not (hasattr(law, "log_prob") and hasattr(law, "support")):
            raise TypeError(
                "expected a numpyro law such as numpyro.distributions.HalfNormal(0.5), got "
                f"{type(law).__name__}; for noise of known size use Gaussian(noise_std=…)"
            )
        low, high = (float(getattr(law.support, name, end)) for name, end in _ENDS)
        if low < 0 or law.batch_shape or law.event_shape or getattr(law, "is_discrete", False):
            raise ValueError(
                f"expected the law of one positive real number, got {type(law).__name__}"
            )
        self.noise_std, self.noise_var = noise_std, noise_var
        self.ends = (low, high, low + 1.0 if math.isinf(high) else 0.5 * (low + high))

    @property
    def noise_site(self) -> tuple[Literal["noise_std", "noise_var"], Any]:
        if self.noise_std is not None:
            return "noise_std", self.noise_std
        return "noise_var", self.noise_var

    def log_density(self, log_var: Array) -> Array:
        name, law = self.noise_site
        if name == "noise_std":
            return self._inside(law, jnp.exp(0.5 * log_var)) + 0.5 * log_var - math.log(2.0)
        return self._inside(law, jnp.exp(log_var)) + log_var

    def _inside(self, law: Any, value: Array) -> Array:
        support = law.support(value)
        safe = jnp.where(support, value, self.ends[2])
        return jnp.where(support, law.log_prob(safe), -jnp.inf)

    def support(self) -> tuple[float, float]:
        power = 2.0 if self.noise_var is None else 1.0
        low, high = (power * math.log(end) if 0 < end < math.inf else None for end in self.ends[:2])
        return (
            SMALLEST_LOG_VAR if low is None else low,
            LARGEST_LOG_VAR if high is None else high,
        )

    def sample_with_noise(self, key: Array, outputs: Array) -> tuple[Array, float]:
        size_key, noise_key = jax.random.split(key)
        name, law = self.noise_site
        drawn = float(law.sample(size_key))
        noise_std = drawn if name == "noise_std" else drawn**0.5
        return outputs + noise_std * jax.random.normal(
            noise_key, outputs.shape, outputs.dtype
        ), noise_std

    def log_prob(self, outputs: Array, targets: Array) -> Array:
        """log ∫ p(λ) N(targets; outputs, λI) dλ, by the midpoint rule in t."""
        low, high = np.clip(self.support(), -60.0, 40.0).tolist()
        step = (high - low) / _QUADRATURE_CELLS
        grid = low + step * (jnp.arange(_QUADRATURE_CELLS) + 0.5)
        square, size = jnp.sum((targets - outputs) ** 2), outputs.size
        log_normal = -0.5 * (square * jnp.exp(-grid) + size * (grid + np.log(2 * np.pi)))
        values = self.log_density(grid) + log_normal
        return jax.nn.logsumexp(values) + math.log(step)

    def log_bound(self, targets: np.ndarray) -> float:
        raise ValueError(
            "noise of unknown size has no bound in terms of outputs: a perfect fit with noise "
            "near 0 is unbounded. Use a network that ends in a Dense layer with normal weights and "
            "biases, and collapse=True; or bound='capped'"
        )


class StudentT(RandomNoise):
    """Student-t noise with `df` degrees of freedom and standard deviation `noise_std`.

    λ is inverse gamma. Where points that disagree each may be the outlier, the posterior has
    several modes: weighted draws are led to all that are found, and say what they may have
    missed (`draws.info.unseen()`). Raises ValueError unless df > 2 (below, there is no standard
    deviation) and noise_std is positive.
    """

    shared = False
    df: Scalar = eqx.field(converter=named("df"))
    noise_std: Scalar = eqx.field(converter=named("noise_std"))

    def __check_init__(self) -> None:
        check_noise_std(self.noise_std)
        value = concrete(self.df)
        if value is not None and not (np.isfinite(value) and value > 2):
            raise ValueError(f"expected df above 2, so that there is a noise_std, got {value}")

    def _law(self, like: Array) -> tuple[Array, Array]:
        """Degrees of freedom, and the squared size of the standard t that is multiplied."""
        df = cast(self.df, like)
        return df, cast(self.noise_std, like) ** 2 * (df - 2) / df

    def log_density(self, log_var: Array) -> Array:
        df, size = self._law(log_var)
        rate = df * size / 2
        constant = df / 2 * jnp.log(rate) - jax.scipy.special.gammaln(df / 2)
        return constant - df / 2 * log_var - rate * jnp.exp(-log_var)

    def log_prob(self, outputs: Array, targets: Array) -> Array:
        df, size = self._law(outputs)
        kernel = jnp.sum(jnp.log1p((targets - outputs) ** 2 / (df * size)))
        return outputs.size * self._log_peak(df, size) - (df + 1) / 2 * kernel

    @staticmethod
    def _log_peak(df: Array, size: Array) -> Array:
        gammaln = jax.scipy.special.gammaln
        return gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * jnp.log(df * np.pi * size)

    def log_bound(self, targets: np.ndarray) -> float:
        with jax.enable_x64(True):
            return targets.size * float(self._log_peak(*self._law(jnp.zeros((), jnp.float64))))

    def sample(self, key: Array, outputs: Array) -> Array:
        df, size = self._law(outputs)
        return outputs + jnp.sqrt(size) * jax.random.t(key, df, outputs.shape, outputs.dtype)


class Laplace(RandomNoise):
    """Laplace noise of standard deviation `noise_std` (√2 times its mean absolute value).

    λ is exponential. Raises ValueError unless noise_std is positive.
    """

    shared = False
    noise_std: Scalar = eqx.field(converter=named("noise_std"))

    def __check_init__(self) -> None:
        check_noise_std(self.noise_std)

    def log_density(self, log_var: Array) -> Array:
        mean = cast(self.noise_std, log_var) ** 2
        return log_var - jnp.log(mean) - jnp.exp(log_var) / mean

    def _mean_absolute(self, like: Array) -> Array:
        return cast(self.noise_std, like) / np.sqrt(2.0)

    def log_prob(self, outputs: Array, targets: Array) -> Array:
        size = self._mean_absolute(outputs)
        return -jnp.sum(jnp.abs(targets - outputs)) / size - outputs.size * jnp.log(2 * size)

    def log_bound(self, targets: np.ndarray) -> float:
        return -targets.size * math.log(math.sqrt(2.0) * float(self.noise_std))

    def sample(self, key: Array, outputs: Array) -> Array:
        noise = jax.random.laplace(key, outputs.shape, outputs.dtype)
        return outputs + self._mean_absolute(outputs) * noise
