"""What a likelihood says: the log probability of targets given outputs, and a bound of it."""

import abc
import math
from typing import Any, ClassVar, Literal, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bnnpost.arguments import shown
from bnnpost.networks.nonlinearities import Scalar, checked_std
from bnnpost.numerics.precision import in_double_precision
from bnnpost.spelling import fields_of

# Draws whose log probabilities are computed at once.
_AT_ONCE = 64


class NoiseLaw(Protocol):
    """The law of t, the log of a noise variance λ."""

    # Whether one λ serves all observations; otherwise each has its own.
    shared: ClassVar[bool]

    def log_density(self, log_var: Float[Array, "*s"]) -> Float[Array, "*s"]:
        """Prior density of t, elementwise, in nats; −∞ outside its support."""

    def support(self) -> tuple[float, float]:
        """The least and the largest t there can be."""


class Likelihood(eqx.Module):
    """p(targets | outputs). Subclass it: `log_bound` and `log_prob` (or `log_terms`) are enough.

    Both are called under double precision, on one network's outputs; the library vmaps.
    Targets arrive as [n, k], also where the posterior's y is [n] (then k = 1).

    What else a likelihood can say of itself is optional. Noise that is Gaussian (`known_std`), or
    that is given noise variances (`noise_law`), lets the readout be integrated out; `log_terms`
    or `mean_slopes` let the outputs be led by the targets.
    """

    def __repr__(self) -> str:
        return fields_of(self)

    # What targets are in a data set: "numbers" (which a sweep standardises), "counts" or "classes".
    target_kind: ClassVar[Literal["numbers", "counts", "classes"]] = "numbers"

    def log_prob(self, outputs: Float[Array, "n k"], targets: Array) -> Float[Array, ""]:
        """log p(targets | outputs) in nats: unless defined, the sum of `log_terms`."""
        return jnp.sum(self.log_terms(outputs, targets))

    @abc.abstractmethod
    def log_bound(self, targets: np.ndarray) -> float:
        """A number no smaller than `log_prob(outputs, targets)` for any outputs, in nats."""

    @property
    def known_std(self) -> Scalar | None:
        """The noise's standard deviation where it is Gaussian and of known size, else None."""
        return None

    @property
    def noise_law(self) -> NoiseLaw | None:
        """The law of noise variances given which the noise is Gaussian, where it has one."""
        return None

    @property
    def noise_site(self) -> tuple[Literal["noise_std", "noise_var"], Any] | None:
        """What numpyro is to draw, and its law, where the noise has one unknown size."""
        return None

    @property
    def shares_noise(self) -> bool:
        """Whether one unknown noise variance serves all observations."""
        return self.noise_law is not None and self.noise_law.shared

    def known_var(self) -> float:
        """The noise variance; raises TypeError unless the noise is Gaussian and of known size."""
        if self.known_std is None:
            raise TypeError(f"expected Gaussian noise of known size, got {type(self).__name__}")
        return float(self.known_std**2)

    def collapsed_log_bound(self, targets: np.ndarray, bias_var: float = 0.0) -> float:
        """The supremum of Σ_o log N(y_o; 0, K̂ + σ²I) over all kernels K̂ ⪰ bias_var·11ᵀ, in nats.

        Whiten Y by S₀ = σ²I + bias_var·11ᵀ, whose eigenvalues are σ² + n·bias_var along 1 and σ²
        across it; with s_i the eigenvalues of ỸỸᵀ/k and m_i = max(s_i, 1) it is
        −(k/2) [Σ_i (log 2πm_i + s_i/m_i) + log det S₀]. Of Gaussian noise of known size.
        """
        num_points, num_outputs = targets.shape
        noise_var = self.known_var()
        along, mean = noise_var + num_points * bias_var, targets.mean(axis=0)
        whitened = (targets - mean) / math.sqrt(noise_var) + mean / math.sqrt(along)
        spectrum = np.zeros(num_points)
        singular = np.linalg.svd(whitened, compute_uv=False)
        spectrum[: singular.size] = singular**2 / num_outputs
        fitted = np.maximum(spectrum, 1.0)
        log_det = math.log(along) + (num_points - 1) * math.log(noise_var)
        terms = np.sum(np.log(2 * np.pi * fitted) + spectrum / fitted)
        return float(-0.5 * num_outputs * (terms + log_det))

    def sample(self, key: Array, outputs: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """Draw targets given outputs; needed only for `Draws.predictive`."""
        raise TypeError(
            f"{type(self).__name__} does not say how observations are drawn: "
            "define sample(self, key, outputs) to use predictive()"
        )

    def sample_with_noise(
        self, key: Array, outputs: Float[Array, "n k"]
    ) -> tuple[Float[Array, "n k"], float | None]:
        """Targets given outputs, and the noise's std where one is drawn with them, else None."""
        return self.sample(key, outputs), None

    def probabilities(self, outputs: Float[Array, "*b n k"]) -> Float[Array, "*b n k"]:
        """Class probabilities given outputs. Optional: only a likelihood of classes has them."""
        raise TypeError(
            f"{type(self).__name__} has no class probabilities: expected Bernoulli, Categorical or "
            "a likelihood that defines probabilities(self, outputs); for draws of observations "
            'use predictive(key, x_test, kind="observations")'
        )

    def log_terms(
        self, outputs: Float[Array, "*b n k"], targets: Float[Array, "n t"]
    ) -> Float[Array, "*b n c"]:
        """log p split over points, and over outputs where they are independent (c = k, else 1).

        Optional. With it, samplers that use weights (capped rejection, importance estimates)
        draw the outputs guided by the targets instead of from the prior.
        """
        raise NotImplementedError

    def mean_slopes(
        self, outputs: Float[np.ndarray, "s n k"], targets: Float[np.ndarray, "n t"]
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n k"]]:
        """Means over draws of each point's curvature and gradient of log p, in numpy. Optional.

        For a likelihood that knows only differences of outputs; the curvature is −1/(k − 1) of
        the Laplacian. With it such samplers are led as with `log_terms`.
        """
        raise NotImplementedError

    def defines(self, name: str) -> bool:
        """Whether an optional method is defined."""
        return getattr(type(self), name) is not getattr(Likelihood, name)

    @property
    def can_sample(self) -> bool:
        """Whether it says how observations are drawn."""
        return self.defines("sample") or self.defines("sample_with_noise")

    def num_outputs(self, num_columns: int, num_classes: int) -> int:
        """Outputs of a network for targets of so many columns and, of classes, so many of them."""
        del num_classes
        return num_columns

    def check(self, targets: np.ndarray, num_outputs: int) -> None:
        """Raise ValueError if targets [n, k] cannot belong to a network of `num_outputs`."""


def check_noise_std(value: Scalar) -> None:
    """Raise ValueError or TypeError for what is not one standard deviation of the noise."""
    if np.ndim(value) > 0:
        raise ValueError(f"expected one noise_std for all outputs, got {shown(value)}")
    checked_std("noise_std", value)


def a_column_each(targets: Float[np.ndarray, "n t"], num_outputs: int) -> Float[np.ndarray, "n k"]:
    """Targets with a column for each output: class numbers one-hot where they have one of all."""
    if targets.shape[1] == num_outputs:
        return targets
    return np.eye(num_outputs)[targets[:, 0].astype(int)]


def check_one_column_an_output(targets: np.ndarray, num_outputs: int) -> None:
    """Raise ValueError unless targets [n, k] have a column for each of the network's outputs."""
    if targets.shape[1] != num_outputs:
        raise ValueError(
            f"the network has {num_outputs} output(s), but y has {targets.shape[1]} column(s); "
            "give the network num_outputs to match"
        )


@in_double_precision
def log_likelihoods(
    likelihood: Likelihood, outputs: Float[np.ndarray, "s n k"], targets: Float[np.ndarray, "n k"]
) -> Float[np.ndarray, " s"]:
    """log p(targets | outputs) of each draw's outputs, in nats."""
    return np.asarray(_log_probs(likelihood, jnp.asarray(outputs), jnp.asarray(targets)))


@jax.jit
def _log_probs(likelihood: Likelihood, outputs: Array, targets: Array) -> Array:
    return jax.lax.map(lambda one: likelihood.log_prob(one, targets), outputs, batch_size=_AT_ONCE)
